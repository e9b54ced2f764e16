// Ingest, verification scheme of Twilio's JSON requests and Event Streams: the URL alone is signed, and
// carries `bodySHA256`, the lower-case hex SHA-256 of the raw body, which is checked apart.

import { createHash, timingSafeEqual } from 'node:crypto';
import { parseQuery } from './form.js';
import { verifyUrl } from './hmac-sha1-form-url.js';
import { refuse, type SignedRequest, type Verdict } from './scheme.js';

const digestParameter = 'bodySHA256';

/** The digest a URL carries; null when it carries none. */
export function bodyDigest(url: string): string | null {
  return url.includes('bodySHA256') ? (parseQuery(url).values.get(digestParameter) ?? null) : null;
}

/** Lower-case hex SHA-256, as Twilio writes it. */
function digestOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Verifies URL signature and body digest. Without a digest nothing binds the body: refused. */
export function verifyUrlBodyDigest(
  request: SignedRequest,
  header: string,
  secret: string,
): Verdict {
  const given = bodyDigest(request.url);
  if (given === null) return refuse('body_not_signed');
  const url = verifyUrl(request, header, secret, '');
  if (!url.ok) return url;
  const expected = Buffer.from(digestOf(request.body), 'latin1');
  const digest = Buffer.from(given, 'utf8');
  const equal = digest.length === expected.length && timingSafeEqual(digest, expected);
  return equal ? url : refuse('body_digest_mismatch');
}

/** The URL with the digest of `body` in place of any it carries. */
export function withBodyDigest(url: string, body: Buffer): string {
  const base = withoutDigest(url);
  return `${base}${base.includes('?') ? '&' : '?'}${digestParameter}=${digestOf(body)}`;
}

function withoutDigest(url: string): string {
  if (bodyDigest(url) === null) return url;
  const [path = '', query = ''] = url.split('?', 2);
  const kept = query.split('&').filter((pair) => !pair.startsWith(`${digestParameter}=`));
  return kept.length === 0 ? path : `${path}?${kept.join('&')}`;
}
