// Gateway: who is asking. In: a Bearer token (JWT or API key) or a single-use ticket. Out: a principal
// whose tenant comes from the verified claim or key and from nowhere else.

import { randomBytes } from 'node:crypto';

import type { Clock } from '../runtime/clock.js';
import { verifyApiKey } from '../runtime/api-keys.js';
import type { Registry, RoleName } from '../runtime/registry.js';
import type { TokenVerifier } from '../runtime/tokens.js';
import type { TenantId } from '../schemas/ids.js';

/** A caller whose credential was verified. */
export interface Principal {
  readonly tenant: TenantId;
  readonly role: RoleName;
  /** `sub` of the token or id of the key; for logs, never shown to others. */
  readonly subject: string;
  /** Ms since 1970; null for a key without an end. */
  readonly expiresAt: number | null;
  /** Id of the API key behind it, so that a revoked key ends its open connections. */
  readonly keyId: string | null;
}

/**
 * Why a credential is refused; never says whether tenant, key or user exist. `unavailable`: the keys
 * to judge it by cannot be had now.
 */
export type Refusal = 'malformed' | 'refused' | 'expired' | 'unavailable';

export type AuthenticateResult =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly reason: Refusal };

export interface Authenticator {
  /** Token or API key, as it stands after `Bearer ` or in an `auth` frame. */
  authenticate(credential: string): Promise<AuthenticateResult>;
  /** A ticket for this principal: single use, 30 s, kept in memory of this process. */
  issueTicket(principal: Principal): Ticket;
  /** Takes the ticket; null when it is unknown, used or over. */
  takeTicket(ticket: string): Principal | null;
  /** False once the key behind the principal was revoked or its time is over. */
  stillValid(principal: Principal): boolean;
}

export interface Ticket {
  readonly ticket: string;
  readonly expiresAt: number;
}

export interface AuthenticatorOptions {
  /** JWTs: fixed algorithms, issuer, audience, expiry. */
  readonly tokens: TokenVerifier;
  /** API keys, on the cached registry. */
  readonly registry: Pick<Registry, 'apiKey'>;
  readonly clock: Clock;
}

const ticketLifeMs = 30_000;
/** Bound of open tickets: beyond it the oldest ends early, which its holder sees as a 401. */
const maxTickets = 10_000;
/** Longest credential looked at; a JWT of an identity provider stays well below. */
const maxCredentialLength = 8192;

/** The credential of an `Authorization: Bearer` header; null for every other scheme. */
export function bearerOf(header: string | undefined): string | null {
  const match = header === undefined ? null : /^Bearer +([\x21-\x7e]+) *$/i.exec(header);
  return match?.[1] ?? null;
}

/** Builds the authenticator of one process. Tickets live in its memory and nowhere else. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const tickets = new Map<string, { principal: Principal; expiresAt: number }>();
  const { tokens, registry, clock } = options;

  const stillValid = (principal: Principal): boolean =>
    (principal.expiresAt === null || principal.expiresAt > clock()) &&
    (principal.keyId === null || registry.apiKey(principal.keyId) !== null);

  return {
    stillValid,
    async authenticate(credential) {
      if (credential.length > maxCredentialLength) return { ok: false, reason: 'malformed' };
      return credential.startsWith('tl_')
        ? byKey(registry, credential, clock)
        : byToken(tokens, credential);
    },
    issueTicket(principal) {
      for (const [known, { expiresAt }] of tickets) {
        if (expiresAt > clock() && tickets.size < maxTickets) break;
        tickets.delete(known);
      }
      const ticket = `tk_${randomBytes(24).toString('base64url')}`;
      const expiresAt = clock() + ticketLifeMs;
      tickets.set(ticket, { principal, expiresAt });
      return { ticket, expiresAt };
    },
    takeTicket(ticket) {
      const found = tickets.get(ticket);
      tickets.delete(ticket);
      if (found === undefined || found.expiresAt <= clock()) return null;
      return stillValid(found.principal) ? found.principal : null;
    },
  };
}

function byKey(registry: Pick<Registry, 'apiKey'>, key: string, clock: Clock): AuthenticateResult {
  const result = verifyApiKey(registry, key, clock);
  if (!result.ok) return result;
  const { id, tenant, role, expiresAt } = result.record;
  return { ok: true, principal: { tenant, role, subject: id, expiresAt, keyId: id } };
}

async function byToken(tokens: TokenVerifier, token: string): Promise<AuthenticateResult> {
  const result = await tokens.verify(token);
  return result.ok ? { ok: true, principal: { ...result.claims, keyId: null } } : result;
}
