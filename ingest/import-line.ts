// Ingest, imports: one kept delivery. Comes in: a line of NDJSON or a file's JSON. Goes out: the delivery,
// verified as the webhook route would have at its time, with its facts; or why it is none, naming no value.

import { z } from 'zod';

import { isWholeUrl, type Endpoint } from '../runtime/registry.js';
import type { ProviderFact } from '../schemas/facts.js';
import type { MappedDelivery, RawDelivery, VerifiedDelivery } from '../schemas/stages.js';
import { mapDelivery } from './providers/registry.js';
import { fieldsAtFault, headerMap, storedBody, storedHeaders } from './stored-request.js';
import { verifyDelivery, vouchFor, type VerifyOutcome } from './verify.js';

/** Why a line is refused; a closed set beside the codes of the schemes. */
export type ImportFault =
  'line_invalid' | 'provider_other' | 'method_unsupported' | 'received_in_future' | 'not_signed';

export type ImportedLine =
  | { readonly ok: true; readonly delivery: VerifiedDelivery; readonly mapped: MappedDelivery }
  | { readonly ok: false; readonly code: string; readonly detail: string };

export interface ImportOptions {
  /** Whose deliveries they were; its live credentials verify them. */
  readonly endpoint: Endpoint;
  /** True: what carries no right signature is taken too, and its facts say so. */
  readonly isVouchedFor: boolean;
  /** Names the import in logs and traces. */
  readonly correlationId: string;
  /** Now, in ms since 1970. */
  readonly now: number;
}

const instant = z.union([
  z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
  z
    .number()
    .nonnegative()
    .transform((seconds) => Math.round(seconds * 1000)),
]);

const lineSchema = z.object({
  provider: z.string().optional(),
  method: z.string().default('POST'),
  url: z.string().optional(),
  headers: storedHeaders.default({}),
  rawBody: z.string().nullish(),
  rawBodyBase64: z.string().nullish(),
  /** When it was received: RFC 3339, or unix seconds. */
  receivedAt: instant.nullish(),
  /** Unix seconds, as kept deliveries of the test data have it. */
  _signedAt: instant.nullish(),
});
type Line = z.output<typeof lineSchema>;

/** A sender's clock may be ahead of ours by this. */
const aheadMs = 5 * 60_000;

const refuse = (code: ImportFault, detail: string): ImportedLine => ({ ok: false, code, detail });

/** Never throws. */
export function readImportLine(text: string, options: ImportOptions): ImportedLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('line_invalid', 'the line is not JSON');
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) return refuse('line_invalid', fieldsAtFault(parsed.error));
  return readDelivery(parsed.data, options);
}

function readDelivery(line: Line, options: ImportOptions): ImportedLine {
  const { endpoint, now } = options;
  if (line.provider !== undefined && line.provider !== endpoint.provider) {
    const detail = `the endpoint is one of ${endpoint.provider}; name an endpoint of the line's provider`;
    return refuse('provider_other', detail);
  }
  const method = line.method.toUpperCase();
  if (method !== 'GET' && method !== 'POST') {
    return refuse('method_unsupported', 'webhooks come by GET or POST');
  }
  const body = storedBody(line);
  if (body === null) return refuse('line_invalid', 'rawBody or rawBodyBase64 is not usable');
  const place = placeOf(endpoint, line.url);
  if (place === null) return refuse('line_invalid', 'url is not an absolute URL');
  const given = line.receivedAt ?? line._signedAt ?? null;
  if (given !== null && given > now + aheadMs) {
    return refuse('received_in_future', 'receivedAt lies in the future; it is the time of receipt');
  }
  const raw = rawOf({ method, body, line, target: place.target }, options, given ?? now);
  const verdict = verifyThen(raw, place.endpoint, given === null);
  if (verdict.ok)
    return { ok: true, delivery: verdict.delivery, mapped: mapDelivery(verdict.delivery) };
  if (!options.isVouchedFor) {
    return { ok: false, code: verdict.code, detail: `${verdict.detail} (${verdict.layer})` };
  }
  const delivery = vouchFor(raw, place.endpoint);
  return { ok: true, delivery, mapped: vouchedFacts(mapDelivery(delivery)) };
}

/**
 * The URL the provider signed then, which need not be the endpoint's of today: the line's own where it has one.
 */
function placeOf(
  endpoint: Endpoint,
  url: string | undefined,
): { readonly endpoint: Endpoint; readonly target: string } | null {
  if (url === undefined) {
    const target = isWholeUrl(endpoint.publicBaseUrl) ? '/' : `/v1/webhooks/${endpoint.id}`;
    return { endpoint, target };
  }
  const [, publicBaseUrl, rest] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]+)(.*)$/i.exec(url) ?? [];
  if (publicBaseUrl === undefined || rest === undefined) return null;
  return { endpoint: { ...endpoint, publicBaseUrl }, target: rest };
}

interface Parts {
  readonly method: 'GET' | 'POST';
  readonly body: Buffer;
  readonly target: string;
  readonly line: Line;
}

const rawOf = (
  { method, body, target, line }: Parts,
  { endpoint, correlationId }: ImportOptions,
  receivedAt: number,
): RawDelivery => ({
  ...{ endpoint: endpoint.id, method, target, headers: headerMap(line.headers), body },
  ...{ clientAddress: '', receivedAt, correlationId },
});

/**
 * What was signed long ago is judged at its own time: that it is old is what makes it an import. The time of
 * receipt is the line's; where it has none, the signed one.
 */
function verifyThen(raw: RawDelivery, endpoint: Endpoint, isTimeOpen: boolean): VerifyOutcome {
  const first = verifyDelivery(raw, endpoint, raw.receivedAt);
  const signedAtMs = first.ok ? (first.delivery.signedAtMs ?? undefined) : first.signedAtMs;
  if (signedAtMs === undefined) return first;
  const dated = isTimeOpen ? { ...raw, receivedAt: signedAtMs } : raw;
  if (first.ok) return isTimeOpen ? verifyDelivery(dated, endpoint, signedAtMs) : first;
  return first.layer === 'timestamp' ? verifyDelivery(dated, endpoint, signedAtMs) : first;
}

/** Said in the timeline of the call, and of whatever else the facts are about. */
const unsigned = { imported: 'unsigned' } as const;

function vouchedFacts({ facts, mappingVersion }: MappedDelivery): MappedDelivery {
  const marked = (fact: ProviderFact): ProviderFact =>
    fact.kind === 'not_understood' ? fact : { ...fact, details: { ...fact.details, ...unsigned } };
  const [first, ...rest] = facts;
  return { facts: [marked(first), ...rest.map(marked)], mappingVersion };
}
