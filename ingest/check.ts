// Ingest, judging stored deliveries: one line of NDJSON in, one verdict out, with the very code that
// guards the webhook route; for a refused one its likely cause. No verdict repeats a value of the line
// except its id.

import { z } from 'zod';
import { endpointId } from '../schemas/ids.js';
import { causeWords, type CauseCode } from '../schemas/refusal-causes.js';
import { explain, workUnits, type Explanation, type RefusedRequest } from './explain/explain.js';
import type { StoredCredential } from './providers/provider.js';
import { findProvider, providerNamed } from './providers/registry.js';
import type { SignedRequest } from './schemes/scheme.js';
import { fieldsAtFault, headerMap, storedBody, storedHeaders } from './stored-request.js';

/** A judged line. `layer` is null exactly when the delivery was accepted. */
export interface CheckVerdict {
  readonly id: string | number | null;
  readonly accepted: boolean;
  readonly layer: 'request' | 'signature' | 'timestamp' | null;
  readonly code: string;
  readonly detail: string;
  /** Why the signature or timestamp layer refused, as far as it can be told; absent otherwise. */
  readonly cause?: CauseCode;
  /** A second thing that is wrong. */
  readonly also?: CauseCode;
  /** The cause in words. */
  readonly because?: string;
  /** What to set where. */
  readonly fix?: string;
}

/** How much may be spent on causes; a unit is one credential tried on one form of a request. */
export interface CauseBudget {
  /** Left over for all lines that share the budget; counted down. */
  units: number;
  /** For one line. */
  readonly perLine: number;
}

/** For one stored delivery: the whole search. */
export const wholeSearch = (): CauseBudget => ({ units: workUnits.full, perLine: workUnits.full });

/** For a stream: a few seconds over all lines; what is refused later is `not_examined`. */
export const streamSearch = (): CauseBudget => ({ units: 150_000, perLine: workUnits.brief });

const credential = z.record(z.string(), z.unknown());

const lineSchema = z.object({
  id: z.union([z.string(), z.number()]),
  provider: z.string().transform(providerNamed),
  method: z.string(),
  url: z.string(),
  headers: storedHeaders,
  rawBody: z.string().nullish(),
  rawBodyBase64: z.string().nullish(),
  credentials: z.union([credential, z.array(credential)]),
  /** Unix seconds: the clock to judge by. */
  now: z.number().refine(Number.isFinite),
  // To compare a refused one with; what is not usable is left out.
  retiredCredentials: z.array(credential).optional().catch(undefined),
  otherCredentials: z.array(credential).optional().catch(undefined),
  otherUrls: z.array(z.string()).optional().catch(undefined),
});
type Line = z.output<typeof lineSchema>;

const details = {
  line_invalid: 'the line is not a delivery in JSON',
  provider_unknown: 'there is no provider of this name',
  method_unsupported: 'webhooks come by GET or POST',
  credentials_missing: 'no credential was given',
} as const;

type Refused = Omit<CheckVerdict, 'id'>;

const refuseRequest = (code: keyof typeof details, detail: string = details[code]): Refused => ({
  accepted: false,
  layer: 'request',
  code,
  detail,
});

/** Texts, and truth values as texts: a credential schema names what it needs of them. */
function storedCredential(given: Readonly<Record<string, unknown>>): StoredCredential {
  const texts = Object.entries(given)
    .map(([name, value]) => [name, typeof value === 'boolean' ? String(value) : value] as const)
    .filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(texts);
}

const listed = (
  given: readonly Readonly<Record<string, unknown>>[] | undefined,
): StoredCredential[] => (given ?? []).map(storedCredential);

/** What a line says beside the delivery: `otherCredentials` and `otherUrls` as of endpoints of the tenant. */
function refusedOf(
  line: Line,
  request: SignedRequest,
  credentials: StoredCredential[],
): RefusedRequest {
  const { provider, now } = line;
  const theirs = listed(line.otherCredentials).map((one, index) => ({
    id: endpointId(`otherCredentials[${index}]`),
    ...{ provider, publicBaseUrl: '', credentials: [one] },
  }));
  const bases = (line.otherUrls ?? []).map((publicBaseUrl, index) => ({
    id: endpointId(`otherUrls[${index}]`),
    ...{ provider, publicBaseUrl, credentials: [] },
  }));
  return {
    ...{ provider, request, credentials, target: null, installationUrl: null },
    nowMs: now * 1000,
    retired: listed(line.retiredCredentials),
    others: [...theirs, ...bases],
  };
}

function causeOf(
  refused: RefusedRequest,
  budget: CauseBudget,
): Pick<CheckVerdict, 'cause' | 'also' | 'because' | 'fix'> {
  const work = { units: Math.min(budget.units, budget.perLine), spent: 0 };
  const found: Pick<Explanation, 'cause'> & Partial<Explanation> =
    work.units <= 0 ? { cause: 'not_examined' } : explain(refused, work);
  budget.units -= work.spent;
  const { cause, also = null, other = null, looksLike = null, offsetMs = null } = found;
  const titleOf = (name: string): string => findProvider(name)?.guide.title ?? name;
  const provider = titleOf(refused.provider);
  const named = looksLike === null ? other : titleOf(looksLike);
  const { says, fix } = causeWords(cause, { provider, other: named, offsetMs });
  return { cause, ...(also === null ? {} : { also }), because: says, fix };
}

function judge(line: Line, budget: CauseBudget | null): Refused {
  const { provider, url, now } = line;
  const method = line.method.toUpperCase();
  const body = storedBody(line);
  if (body === null) return refuseRequest('line_invalid', 'rawBody or rawBodyBase64 is not usable');
  const judge = findProvider(provider);
  if (judge === null) return refuseRequest('provider_unknown');
  if (method !== 'GET' && method !== 'POST') return refuseRequest('method_unsupported');
  const given = Array.isArray(line.credentials) ? line.credentials : [line.credentials];
  if (given.length === 0) return refuseRequest('credentials_missing');
  const request: SignedRequest = { method, url, headers: headerMap(line.headers), body };
  const credentials = given.map(storedCredential);
  const verdict = judge.verify(request, credentials, now * 1000);
  if (!verdict.ok) {
    const { layer, code, detail } = verdict;
    const refused = { accepted: false, layer, code, detail } as const;
    if (budget === null) return refused;
    return { ...refused, ...causeOf(refusedOf(line, request, credentials), budget) };
  }
  return { accepted: true, layer: null, code: 'accepted', detail: 'signature and time are right' };
}

const idShape = z.object({ id: z.union([z.string(), z.number()]) });

/** Judges a delivery that was parsed from JSON; the cause of a refusal costs of `budget`. Never throws. */
export function checkDelivery(value: unknown, budget: CauseBudget | null = null): CheckVerdict {
  const withId = idShape.safeParse(value);
  const id = withId.success ? withId.data.id : null;
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) return { id, ...refuseRequest('line_invalid', fieldsAtFault(parsed.error)) };
  return { id, ...judge(parsed.data, budget) };
}

/** Judges one line of NDJSON. Never throws: what is no JSON is `line_invalid`. */
export function checkLine(text: string, budget: CauseBudget | null = null): CheckVerdict {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { id: null, ...refuseRequest('line_invalid', 'the line is not JSON') };
  }
  return checkDelivery(value, budget);
}
