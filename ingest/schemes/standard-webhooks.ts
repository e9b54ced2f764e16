// Ingest, verification scheme of Standard Webhooks and of Svix, which began it: HMAC-SHA256 over
// `id.timestamp.body` under a base64 secret, ±300 s both ways, a list of signatures of which one must match.
// Read as svix@1.99.1 and standardwebhooks@1.1.1 read it.

import { hmacTimestampBody, type HmacPlan } from './hmac-timestamp-body.js';
import { refuse, type SignedRequest, type Verdict } from './scheme.js';

/** Of whose names the three headers are: `svix-id`, `webhook-id` … */
export type HeaderFamily = 'svix' | 'webhook';

const planOf = (family: HeaderFamily): HmacPlan => ({
  algorithm: 'sha256',
  encoding: 'base64',
  header: `${family}-signature`,
  // Entries of other versions (`v1a`, which is asymmetric) are skipped.
  form: { type: 'elements', separator: ' ', label: 'v1,', tried: 'any' },
  time: {
    from: { type: 'header', name: `${family}-timestamp` },
    unit: 's',
    pastMs: 300_000,
    futureMs: 300_000,
    isFloored: true,
  },
  idHeader: `${family}-id`,
  text: '{id}.{timestamp}.{body}',
});

const schemes = {
  svix: hmacTimestampBody(planOf('svix')),
  webhook: hmacTimestampBody(planOf('webhook')),
} as const;

const secretShape = /^[A-Za-z0-9+/]+={0,2}$/;

/** The key of a secret, with or without `whsec_` in front; null when it is no base64 of one byte at least. */
export function standardWebhookKey(secret: string): Buffer | null {
  const base64 = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret;
  if (!secretShape.test(base64)) return null;
  const key = Buffer.from(base64, 'base64');
  return key.length === 0 ? null : key;
}

/**
 * A whole number as the official verifiers take it: `parseInt`, then written anew. That is the text which
 * was signed, so `01790848800` is as good as without its zero, and signed with it is not.
 */
export function sdkInteger(text: string): string {
  const value = Number.parseInt(text, 10);
  return Number.isNaN(value) ? text : String(value);
}

/** `v1,<signature>`, whatever else stands behind a second comma: a header that came twice is joined by one. */
const sdkEntries = (value: string): string =>
  value
    .split(' ')
    .map((entry) => entry.split(',', 2).join(','))
    .join(' ');

/** The three headers of a request, each of the first family that has it, as those of the family `svix`. */
function headersOf(
  { headers }: SignedRequest,
  families: readonly HeaderFamily[],
): ReadonlyMap<string, string> {
  const own = new Map<string, string>();
  const pick = (name: string, read: (value: string) => string): void => {
    const family = families.find((one) => headers.has(`${one}-${name}`));
    const value = family === undefined ? undefined : headers.get(`${family}-${name}`);
    if (value !== undefined) own.set(`svix-${name}`, read(value));
  };
  pick('id', (id) => id);
  pick('timestamp', sdkInteger);
  pick('signature', sdkEntries);
  return own;
}

/**
 * Judges a request by the headers of `families`, the first that is there: `svix` reads its own before those of
 * the standard. Accepted, it tells the signed message id, which stays the same over retries.
 */
export function verifyStandardWebhook(
  request: SignedRequest,
  families: readonly HeaderFamily[],
  key: Buffer,
  nowMs: number,
): Verdict {
  // The URL is not signed: what a query would say is bound by nothing.
  if (request.method === 'GET') return refuse('body_not_signed');
  const headers = headersOf(request, families);
  const verdict = schemes.svix.verify({ ...request, headers }, key, nowMs);
  const messageId = headers.get('svix-id');
  return verdict.ok && messageId !== undefined ? { ...verdict, messageId } : verdict;
}

/** What a message is signed with. */
export interface MessageSigning {
  readonly key: Buffer;
  readonly nowMs: number;
  readonly id: string;
}

/** The three headers of a message, in the names of `family`. */
export const signStandardWebhook = (
  request: Omit<SignedRequest, 'headers'>,
  family: HeaderFamily,
  signing: MessageSigning,
): Record<string, string> => schemes[family].sign(request, signing);
