// Ingest, verification scheme of Vonage and LiveKit: a JWT (RFC 7519) signed with HMAC-SHA256, one of whose
// claims is the SHA-256 of the body. Synchronous and small: no algorithm but HS256 is known here, so none
// can be talked into another.

import { hash, timingSafeEqual } from 'node:crypto';
import { hmacKeyOf } from '../../runtime/hmac.js';
import { refuse, signatureHeader, type Refusal, type SignedRequest } from './scheme.js';

/** How far a claim of time may lie from our clock, in seconds, inclusive. */
export interface JwtWindow {
  /** `iat` is required, and may be this old or this far ahead; null where it is not asked. */
  readonly issuedAt: { readonly pastSec: number; readonly futureSec: number } | null;
  /** `exp` is required; null where the sender sets none. One that is there is always judged. */
  readonly requiresExpiry: boolean;
  /** Added to both ends of `nbf` and `exp`. */
  readonly leewaySec: number;
}

export interface JwtRules {
  /** Lower-case name of the header that holds the token. */
  readonly header: string;
  /** `Bearer <token>`, or the token alone. */
  readonly form: 'bearer' | 'bare';
  /** The claim that holds the body's digest, and how it is written. */
  readonly digest: { readonly claim: string; readonly encoding: 'hex' | 'base64' };
  readonly window: JwtWindow;
}

/** The claims of a token whose signature is right, as JSON read them. */
export type JwtClaims = Readonly<Record<string, unknown>>;

export type JwtVerdict =
  { readonly ok: true; readonly signedAtMs?: number; readonly claims: JwtClaims } | Refusal;

interface Token {
  /** What is signed: header and claims as they were sent, with their dot. */
  readonly signed: string;
  readonly claims: string;
  readonly signature: string;
}

const bearer = /^Bearer +/i;

/** Unpadded base64url that encodes back to itself: Node's decoder alone skips what is none. */
function strictBase64Url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

/** A JSON object of a token's part; null for anything else. */
function objectOf(part: string): JwtClaims | null {
  const bytes = strictBase64Url(part);
  if (bytes === null) return null;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JwtClaims)
      : null;
  } catch {
    return null;
  }
}

// Every token of a sender begins with the same header: the last good one is not read again.
let goodHeader = '';

/** HS256 and nothing else; a header with `crit` asks for what we do not know (RFC 7515, 4.1.11). */
function isHs256(header: string): boolean | null {
  if (header === goodHeader) return true;
  const fields = objectOf(header);
  if (fields === null) return null;
  const isGood = fields.alg === 'HS256' && fields.crit === undefined && fields.b64 === undefined;
  if (isGood) goodHeader = header;
  return isGood;
}

function readToken(text: string): Token | Refusal {
  const first = text.indexOf('.');
  const last = text.lastIndexOf('.');
  if (first <= 0 || last === first || text.indexOf('.', first + 1) !== last) {
    return refuse('signature_malformed');
  }
  const isKnown = isHs256(text.slice(0, first));
  if (isKnown !== true)
    return refuse(isKnown === null ? 'signature_malformed' : 'algorithm_refused');
  const signature = text.slice(last + 1);
  if (strictBase64Url(signature)?.length !== 32) return refuse('signature_malformed');
  return { signed: text.slice(0, last), claims: text.slice(first + 1, last), signature };
}

function tokenOf(request: SignedRequest, { header, form }: JwtRules): string | Refusal {
  const given = signatureHeader(request, header);
  if (typeof given !== 'string' || form === 'bare') return given;
  return bearer.test(given) ? given.replace(bearer, '') : refuse('signature_malformed');
}

/** A claim of time in whole or broken seconds; null when it is none. */
function secondsOf(claim: unknown): number | null {
  return typeof claim === 'number' && Number.isFinite(claim) && Math.abs(claim) < 1e12
    ? claim
    : null;
}

/** Null where every claim of time is right. */
function timeRefusal(claims: JwtClaims, window: JwtWindow, nowMs: number): Refusal | null {
  const nowSec = Math.floor(nowMs / 1000);
  const { issuedAt, requiresExpiry, leewaySec } = window;
  if (issuedAt !== null && claims.iat === undefined) return refuse('timestamp_missing');
  if (requiresExpiry && claims.exp === undefined) return refuse('timestamp_missing');
  for (const name of ['iat', 'nbf', 'exp']) {
    if (claims[name] !== undefined && secondsOf(claims[name]) === null) {
      return refuse('timestamp_malformed');
    }
  }
  const [iat, nbf, exp] = [secondsOf(claims.iat), secondsOf(claims.nbf), secondsOf(claims.exp)];
  if (exp !== null && nowSec >= exp + leewaySec) return refuse('timestamp_stale');
  if (nbf !== null && nowSec < nbf - leewaySec) return refuse('timestamp_future');
  if (issuedAt === null || iat === null) return null;
  if (nowSec - iat > issuedAt.pastSec) return refuse('timestamp_stale');
  return iat - nowSec > issuedAt.futureSec ? refuse('timestamp_future') : null;
}

function digestOf(bytes: Buffer | string, { encoding }: JwtRules['digest']): string {
  return hash('sha256', bytes, encoding);
}

/** Of header and claims, which are ASCII here: base64url and a dot. */
const signatureOf = (signed: string, secret: string): string =>
  hmacKeyOf('sha256', secret).sign([signed], 'base64url');

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given, 'utf8'), Buffer.from(expected, 'utf8')];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * A POST is bound by its digest alone. A token for a GET has nothing to digest: one that carries a
 * digest was made for some body, and is taken only for an empty one, so that the token of a POST cannot
 * be sent again as a GET with a query of its own. (The query of a GET is bound by nothing.)
 */
function digestRefusal(request: SignedRequest, given: unknown, rules: JwtRules): Refusal | null {
  if (request.method === 'GET' && request.body.length > 0) return refuse('body_not_signed');
  if (request.method === 'GET' && given === undefined) return null;
  if (typeof given !== 'string') return refuse('body_not_signed');
  return isSame(given, digestOf(request.body, rules.digest))
    ? null
    : refuse('body_digest_mismatch');
}

/**
 * Verifies signature, issuer, digest and then the times of a token. `issuer` is what `iss` must be.
 * The claims are handed out only of a token that holds.
 */
export function verifyJwtBodyDigest(
  request: SignedRequest,
  rules: JwtRules,
  { secret, issuer }: { readonly secret: string; readonly issuer: string },
  nowMs: number,
): JwtVerdict {
  const text = tokenOf(request, rules);
  if (typeof text !== 'string') return text;
  const token = readToken(text);
  if ('ok' in token) return token;
  if (!isSame(token.signature, signatureOf(token.signed, secret))) {
    return refuse('signature_mismatch');
  }
  const claims = objectOf(token.claims);
  if (claims === null) return refuse('signature_malformed');
  if (claims.iss !== issuer) return refuse('issuer_mismatch');
  const unbound = digestRefusal(request, claims[rules.digest.claim], rules);
  if (unbound !== null) return unbound;
  const signedAtSec = secondsOf(claims.iat) ?? secondsOf(claims.nbf);
  const signedAt =
    signedAtSec === null || signedAtSec <= 0 ? {} : { signedAtMs: signedAtSec * 1000 };
  const untimely = timeRefusal(claims, rules.window, nowMs);
  return untimely === null ? { ok: true, claims, ...signedAt } : { ...untimely, ...signedAt };
}

/** The claims of a token, for content that was verified before; null where there are none. */
export function claimsOf(headerValue: string | undefined): JwtClaims | null {
  const [, claims] = (headerValue ?? '').replace(bearer, '').split('.');
  return claims === undefined ? null : objectOf(claims);
}

const encoded = (value: JwtClaims): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

/** The value of the header for a body: a token of `claims` and, unless it is null, the body's digest. */
export function signJwtBodyDigest(
  body: Buffer | null,
  rules: JwtRules,
  secret: string,
  claims: JwtClaims,
): string {
  const digest = body === null ? {} : { [rules.digest.claim]: digestOf(body, rules.digest) };
  const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded({ ...claims, ...digest })}`;
  const token = `${signed}.${signatureOf(signed, secret)}`;
  return rules.form === 'bearer' ? `Bearer ${token}` : token;
}
