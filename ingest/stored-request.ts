// Ingest: a delivery that was kept as JSON. Comes in: the fields of a line. Goes out: the request as it was
// on the wire: method, headers in lower case, the body's bytes. No fault names a value.

import { z } from 'zod';

const headerValue = z.union([
  z.string(),
  z.union([z.number(), z.boolean()]).transform(String),
  z.array(z.string()),
  // A header that was not sent.
  z.null().transform((): string[] => []),
]);

/** Headers as an object or a list of pairs. */
export const storedHeaders = z.union([
  z.record(z.string(), headerValue),
  z.array(z.tuple([z.string(), headerValue])),
]);

/** Header names in any case; a repeated one is joined with `, `, as a receiver does. */
export function headerMap(given: z.output<typeof storedHeaders>): ReadonlyMap<string, string> {
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

interface StoredBody {
  readonly method: string;
  readonly rawBody?: string | null | undefined;
  readonly rawBodyBase64?: string | null | undefined;
}

/** The body's bytes; null when they are given twice, not at all, or not as base64. */
export function storedBody({ rawBody, rawBodyBase64, method }: StoredBody): Buffer | null {
  const text = rawBody ?? null;
  const base64 = rawBodyBase64 ?? null;
  if (text !== null && base64 !== null) return null;
  if (text !== null) return Buffer.from(text, 'utf8');
  if (base64 === null) return method.toUpperCase() === 'GET' ? Buffer.alloc(0) : null;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : null;
}

/** The fields at fault, by name. */
export function fieldsAtFault(error: z.ZodError): string {
  const names = new Set(error.issues.map((issue) => String(issue.path[0] ?? 'line')));
  return `missing or of the wrong type: ${[...names].join(', ')}`;
}
