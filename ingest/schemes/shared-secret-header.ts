// Ingest, verification scheme of Vapi's older credentials: a secret sent in the clear in a header. It says
// who sends and binds nothing: neither body nor time. Only for senders that can do no better.

import { hash, timingSafeEqual } from 'node:crypto';
import { accepted, refuse, type SignedRequest, type Verdict } from './scheme.js';

export interface SharedSecretRules {
  /** Lower case. */
  readonly header: string;
  /** The secret alone, or `Bearer <secret>` (RFC 6750; the word in any case). */
  readonly form: 'bare' | 'bearer';
}

const bearer = /^Bearer +/i;

/** Compares digests: equal in length whatever was sent, so that the time tells nothing of the secret's. */
function isSame(given: string, secret: string): boolean {
  const [a, b] = [hash('sha256', given, 'buffer'), hash('sha256', secret, 'buffer')];
  return timingSafeEqual(a, b);
}

/** Judges the header. A GET carries its content in the URL, which nothing vouches for: refused. */
export function verifySharedSecret(
  request: SignedRequest,
  { header, form }: SharedSecretRules,
  secret: string,
): Verdict {
  if (request.method === 'GET') return refuse('body_not_signed');
  const value = request.headers.get(header);
  if (value === undefined || value === '') return refuse('signature_missing');
  if (form === 'bearer' && !bearer.test(value)) return refuse('signature_malformed');
  const given = form === 'bearer' ? value.replace(bearer, '') : value;
  return isSame(given, secret) ? accepted : refuse('signature_mismatch');
}

/** The header's value for a secret. */
export const sharedSecretHeader = ({ form }: SharedSecretRules, secret: string): string =>
  form === 'bearer' ? `Bearer ${secret}` : secret;
