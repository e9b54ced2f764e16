// Ingest, judging stored deliveries: one line of NDJSON in, one verdict out, with the very code that
// guards the webhook route. No verdict repeats a value of the line except its id.

import { z } from 'zod';
import type { StoredCredential } from './providers/provider.js';
import { findProvider } from './providers/registry.js';
import type { SignedRequest } from './schemes/scheme.js';

/** A judged line. `layer` is null exactly when the delivery was accepted. */
export interface CheckVerdict {
  readonly id: string | number | null;
  readonly accepted: boolean;
  readonly layer: 'request' | 'signature' | 'timestamp' | null;
  readonly code: string;
  readonly detail: string;
}

const headerValue = z.union([
  z.string(),
  z.union([z.number(), z.boolean()]).transform(String),
  z.array(z.string()),
  // A header that was not sent.
  z.null().transform((): string[] => []),
]);
const headers = z.union([
  z.record(z.string(), headerValue),
  z.array(z.tuple([z.string(), headerValue])),
]);
const credential = z.record(z.string(), z.unknown());

const lineSchema = z.object({
  id: z.union([z.string(), z.number()]),
  provider: z.string(),
  method: z.string(),
  url: z.string(),
  headers,
  rawBody: z.string().nullish(),
  rawBodyBase64: z.string().nullish(),
  credentials: z.union([credential, z.array(credential)]),
  /** Unix seconds: the clock to judge by. */
  now: z.number().refine(Number.isFinite),
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

/** Header names in any case; a repeated one is joined with `, `, as a receiver does. */
function headerMap(given: Line['headers']): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [name, value] of Array.isArray(given) ? given : Object.entries(given)) {
    for (const text of Array.isArray(value) ? value : [value]) {
      const lower = name.toLowerCase();
      const before = joined.get(lower);
      joined.set(lower, before === undefined ? text : `${before}, ${text}`);
    }
  }
  return joined;
}

/** The body's bytes; null when they are given twice, not at all, or not as base64. */
function bodyOf({ rawBody, rawBodyBase64, method }: Line): Buffer | null {
  const text = rawBody ?? null;
  const base64 = rawBodyBase64 ?? null;
  if (text !== null && base64 !== null) return null;
  if (text !== null) return Buffer.from(text, 'utf8');
  if (base64 === null) return method.toUpperCase() === 'GET' ? Buffer.alloc(0) : null;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : null;
}

/** Only texts: a credential schema names what it needs of them. */
function storedCredential(given: Readonly<Record<string, unknown>>): StoredCredential {
  const texts = Object.entries(given).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(texts);
}

function judge(line: Line): Refused {
  const { provider, url, now } = line;
  const method = line.method.toUpperCase();
  const body = bodyOf(line);
  if (body === null) return refuseRequest('line_invalid', 'rawBody or rawBodyBase64 is not usable');
  const judge = findProvider(provider);
  if (judge === null) return refuseRequest('provider_unknown');
  if (method !== 'GET' && method !== 'POST') return refuseRequest('method_unsupported');
  const given = Array.isArray(line.credentials) ? line.credentials : [line.credentials];
  if (given.length === 0) return refuseRequest('credentials_missing');
  const request: SignedRequest = { method, url, headers: headerMap(line.headers), body };
  const verdict = judge.verify(request, given.map(storedCredential), now * 1000);
  if (!verdict.ok) {
    const { layer, code, detail } = verdict;
    return { accepted: false, layer, code, detail };
  }
  return { accepted: true, layer: null, code: 'accepted', detail: 'signature and time are right' };
}

const idShape = z.object({ id: z.union([z.string(), z.number()]) });

/** The fields at fault, by name. */
function faults(error: z.ZodError): string {
  const names = new Set(error.issues.map((issue) => String(issue.path[0] ?? 'line')));
  return `missing or of the wrong type: ${[...names].join(', ')}`;
}

/** Judges a delivery that was parsed from JSON. Never throws. */
export function checkDelivery(value: unknown): CheckVerdict {
  const withId = idShape.safeParse(value);
  const id = withId.success ? withId.data.id : null;
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) return { id, ...refuseRequest('line_invalid', faults(parsed.error)) };
  return { id, ...judge(parsed.data) };
}

/** Judges one line of NDJSON. Never throws: what is no JSON is `line_invalid`. */
export function checkLine(text: string): CheckVerdict {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { id: null, ...refuseRequest('line_invalid', 'the line is not JSON') };
  }
  return checkDelivery(value);
}
