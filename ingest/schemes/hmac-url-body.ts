// Ingest, verification scheme of SignalWire's JSON requests (SWML, RELAY): lower-case hex HMAC over the URL
// followed by the raw body. Nothing signs a time: replays are the dedupe's business.

import { timingSafeEqual } from 'node:crypto';
import { hmacKeyOf } from '../../runtime/hmac.js';
import { accepted, refuse, signatureHeader, type SignedRequest, type Verdict } from './scheme.js';
import { likeliestUrl, signedUrls } from './signed-url.js';

export interface UrlBodyRules {
  /** Lower-case name of the header that holds the signature and nothing else. */
  readonly header: string;
  readonly algorithm: 'sha1' | 'sha256';
}

const shapes = { sha1: /^[0-9a-f]{40}$/, sha256: /^[0-9a-f]{64}$/ } as const;

/** The signature of a URL and a body as the header holds it. `secret` is a text: it is not decoded. */
export function signUrlBody(
  url: string,
  body: Buffer,
  { algorithm }: Pick<UrlBodyRules, 'algorithm'>,
  secret: string,
): string {
  return hmacKeyOf(algorithm, secret).sign([Buffer.from(url, 'utf8'), body], 'hex');
}

/**
 * Verifies a POST, for each form of the URL: SignalWire drops user and password before it signs a call, and
 * keeps them for a message. A GET has no body to sign; it is refused.
 */
export function verifyUrlBody(
  request: SignedRequest,
  rules: UrlBodyRules,
  secret: string,
): Verdict {
  if (request.method === 'GET') return refuse('body_not_signed');
  const given = signatureHeader(request, rules.header);
  if (typeof given !== 'string') return given;
  if (!shapes[rules.algorithm].test(given)) return refuse('signature_malformed');
  const signature = Buffer.from(given, 'latin1');
  const isOf = (url: string): boolean => {
    const expected = signUrlBody(url, request.body, rules, secret);
    return timingSafeEqual(Buffer.from(expected, 'latin1'), signature);
  };
  const likeliest = likeliestUrl(request.url);
  if (isOf(likeliest)) return accepted;
  for (const url of signedUrls(request.url)) if (url !== likeliest && isOf(url)) return accepted;
  return refuse('signature_mismatch');
}
