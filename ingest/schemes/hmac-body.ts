// Ingest, verification scheme of CallRail and Bland: one HMAC over the raw body in one header, and nothing
// else signed: no URL, no time. Replays are the dedupe's business.

import { timingSafeEqual } from 'node:crypto';
import { hmacKeyOf } from '../../runtime/hmac.js';
import { accepted, refuse, signatureHeader, type SignedRequest, type Verdict } from './scheme.js';

export interface HmacBodyRules {
  /** Lower-case name of the header that holds the signature and nothing else. */
  readonly header: string;
  readonly algorithm: 'sha1' | 'sha256';
  /** Standard base64 with padding, or lower-case hex. */
  readonly encoding: 'base64' | 'hex';
}

const shapes = {
  sha1: { base64: /^[A-Za-z0-9+/]{27}=$/, hex: /^[0-9a-f]{40}$/ },
  sha256: { base64: /^[A-Za-z0-9+/]{43}=$/, hex: /^[0-9a-f]{64}$/ },
} as const;

/** The signature of a body as the header holds it. `secret` is a text: it is not decoded. */
export function signHmacBody(body: Buffer, rules: HmacBodyRules, secret: string): string {
  return hmacKeyOf(rules.algorithm, secret).sign([body], rules.encoding);
}

/** Verifies a POST. A GET carries its content where nothing signs it: refused. */
export function verifyHmacBody(
  request: SignedRequest,
  rules: HmacBodyRules,
  secret: string,
): Verdict {
  if (request.method === 'GET') return refuse('body_not_signed');
  const given = signatureHeader(request, rules.header);
  if (typeof given !== 'string') return given;
  if (!shapes[rules.algorithm][rules.encoding].test(given)) return refuse('signature_malformed');
  const expected = signHmacBody(request.body, rules, secret);
  const isRight = timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'));
  return isRight ? accepted : refuse('signature_mismatch');
}
