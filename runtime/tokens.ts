// JSON Web Tokens of people (jose). In: a token. Out: its verified claims, or why it is refused. The
// tenant comes from the claim and from nowhere else. Keys: a JWKS URL, or a local key derived from
// the master key, so that every process of an installation signs and verifies alike.

import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  SignJWT,
  calculateJwkThumbprint,
  createRemoteJWKSet,
  errors,
  exportJWK,
  jwtVerify,
} from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import { parseTenantId } from '../schemas/ids.js';
import type { TenantId } from '../schemas/ids.js';
import type { Clock } from './clock.js';
import { systemClock } from './clock.js';
import { TrunklineError } from './errors.js';
import { accessRoles } from './registry.js';
import type { RoleName } from './registry.js';
import { deriveKey } from './seal.js';

export interface TokenClaims {
  readonly tenant: TenantId;
  readonly role: RoleName;
  /** `sub`, or `user` where there is none. */
  readonly subject: string;
  /** Ms since 1970. */
  readonly expiresAt: number;
}

export type TokenResult =
  | { readonly ok: true; readonly claims: TokenClaims }
  | {
      readonly ok: false;
      /** `unavailable`: the key set cannot be fetched now, so nobody can be judged. */
      readonly reason: 'malformed' | 'refused' | 'expired' | 'unavailable';
    };

export interface TokenVerifier {
  verify(token: string): Promise<TokenResult>;
}

export interface TokenIssuer {
  /** A signed token for a person; `ttlMs` at most 30 days. */
  sign(
    claims: Pick<TokenClaims, 'tenant' | 'role'> & { readonly subject: string },
    ttlMs: number,
  ): Promise<string>;
}

export interface TokenSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly clock?: Clock;
}

/** Seconds two clocks may differ. */
const toleranceSec = 30;
const maxTtlMs = 30 * 86_400_000;

/** Verifies tokens of an identity provider. The algorithms are fixed here, never by the token. */
export function createJwksVerifier(url: string, settings: TokenSettings): TokenVerifier {
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: 5_000 });
  return verifier(keys, ['EdDSA', 'RS256', 'ES256'], settings);
}

/** Signs and verifies with the installation's own Ed25519 key. */
export async function createLocalTokens(
  masterKey: Buffer,
  settings: TokenSettings,
): Promise<TokenVerifier & TokenIssuer> {
  const privateKey = ed25519Key(deriveKey(masterKey, 'token-signing'));
  const publicKey = createPublicKey(privateKey);
  const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
  const clock = settings.clock ?? systemClock;
  const getKey: JWTVerifyGetKey = async (header) => {
    if (header.kid === kid) return publicKey;
    throw new errors.JWKSNoMatchingKey();
  };
  return {
    ...verifier(getKey, ['EdDSA'], settings),
    sign: async (claims, ttlMs) => {
      if (ttlMs <= 0 || ttlMs > maxTtlMs) {
        throw new TrunklineError('parameter_invalid', 'a token lives up to 30 days');
      }
      const now = Math.floor(clock() / 1000);
      return new SignJWT({ tenant: claims.tenant, role: claims.role })
        .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' })
        .setIssuer(settings.issuer)
        .setAudience(settings.audience)
        .setSubject(claims.subject)
        .setIssuedAt(now)
        .setExpirationTime(now + Math.ceil(ttlMs / 1000))
        .sign(privateKey);
    },
  };
}

/** PKCS #8 of an Ed25519 seed (RFC 8410): a fixed prefix and the 32 bytes. */
function ed25519Key(seed: Buffer): KeyObject {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' });
}

function verifier(
  getKey: JWTVerifyGetKey,
  algorithms: string[],
  settings: TokenSettings,
): TokenVerifier {
  const clock = settings.clock ?? systemClock;
  return {
    verify: async (token) => {
      try {
        const { payload } = await jwtVerify(token, getKey, {
          algorithms,
          issuer: settings.issuer,
          audience: settings.audience,
          requiredClaims: ['exp', 'tenant', 'role'],
          clockTolerance: toleranceSec,
          currentDate: new Date(clock()),
        });
        const claims = readClaims(payload);
        return claims === null ? { ok: false, reason: 'refused' } : { ok: true, claims };
      } catch (thrown) {
        return { ok: false, reason: reasonOf(thrown) };
      }
    },
  };
}

/** The last second that a date can name (ECMA-262); beyond it `expiresAt` could not be told. */
const lastExpirySec = 8.64e12;

function readClaims(payload: JWTPayload): TokenClaims | null {
  const { tenant: tenantClaim, role: roleClaim, exp, sub } = payload;
  const tenant = typeof tenantClaim === 'string' ? parseTenantId(tenantClaim) : null;
  const role = accessRoles.find((name) => name === roleClaim);
  if (tenant === null || role === undefined || exp === undefined) return null;
  if (exp > lastExpirySec) return null;
  return { tenant, role, subject: sub ?? 'user', expiresAt: exp * 1000 };
}

function reasonOf(thrown: unknown): 'malformed' | 'refused' | 'expired' | 'unavailable' {
  if (thrown instanceof errors.JWTExpired) return 'expired';
  if (thrown instanceof errors.JWTInvalid || thrown instanceof errors.JWSInvalid)
    return 'malformed';
  if (thrown instanceof errors.JWKSTimeout || thrown instanceof errors.JWKSInvalid) {
    return 'unavailable';
  }
  // Every other refusal of jose has a code of its own; the bare class means the fetch failed.
  if (thrown instanceof errors.JOSEError && thrown.code !== 'ERR_JOSE_GENERIC') return 'refused';
  return 'unavailable';
}
