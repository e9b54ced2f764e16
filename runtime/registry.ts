// Tenants, endpoints and API keys: kept in Postgres, cached in memory, refreshed by LISTEN/NOTIFY and
// on a timer, so that ingest keeps serving when Postgres is away.

import type { ProviderName } from '../schemas/facts.js';
import type { EndpointId, TenantId } from '../schemas/ids.js';

/** A credential that is accepted now. */
export interface LiveCredential {
  readonly id: string;
  /** Named as in the provider's `credentialSchema`. */
  readonly value: Readonly<Record<string, string>>;
  /** True once a newer one took over: it ends by itself after the grace period. */
  readonly isRetiring: boolean;
  /** When it ends by itself, in ms since 1970; absent for one that does not. */
  readonly endsAt?: number;
}

export interface Endpoint {
  readonly id: EndpointId;
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly name: string;
  /**
   * Base of the public URL the provider signs, without a trailing slash; with a path it is the whole
   * URL but the query (a proxy rewrites paths).
   */
  readonly publicBaseUrl: string;
  /** Live credentials, newest first; more than one only while a rotation's grace period runs. */
  readonly credentials: readonly LiveCredential[];
  /** CIDRs, and `provider` for the networks its provider publishes; empty allows every address. */
  readonly allow: readonly string[];
  readonly ratePerSecond: number | null;
}

export const accessRoles = ['admin', 'manager', 'operator', 'viewer', 'auditor'] as const;
export type RoleName = (typeof accessRoles)[number];

export interface ApiKeyRecord {
  readonly id: string;
  readonly tenant: TenantId;
  readonly role: RoleName;
  /** SHA-256 of the secret part, hex. */
  readonly secretHash: string;
  readonly expiresAt: number | null;
}

/** Synchronous look-ups on a snapshot that a background refresh replaces. */
export interface Registry {
  endpoint(id: EndpointId): Endpoint | null;
  endpointsOf(tenant: TenantId): readonly Endpoint[];
  apiKey(id: string): ApiKeyRecord | null;
  tenants(): readonly TenantId[];
  /** Resolves when the snapshot holds everything committed before the call. */
  refresh(): Promise<void>;
  /**
   * Asks Postgres, within a deadline, about an id that the snapshot does not hold: `absent` is said
   * only of what was not there after the question. Under a flood one statement asks for all who wait.
   */
  confirm(id: EndpointId): Promise<Confirmation>;
  /** How old what is served may be. */
  freshness(): Freshness;
}

/** `unknowable`: Postgres does not answer, so the id may have been added since it was last read. */
export type Confirmation = 'present' | 'absent' | 'unknowable';

export interface Freshness {
  /** True while Postgres answers; false: the last snapshot goes on serving. */
  readonly isFresh: boolean;
  /** When the served snapshot was read from Postgres, ms since 1970. */
  readonly readAt: number;
}

/** True for a base that is an endpoint's whole public URL but the query, because it has a path. */
export const isWholeUrl = (base: string): boolean =>
  /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+\/./i.test(base);

/** The URL to paste at the provider. */
export function webhookUrl(base: string, endpoint: EndpointId): string {
  const trimmed = base.replace(/\/+$/, '');
  return isWholeUrl(trimmed) ? trimmed : `${trimmed}/v1/webhooks/${endpoint}`;
}

/** Where the credentials of an endpoint are sealed to. */
export const credentialPlace = (endpoint: EndpointId): string => `endpoint/${endpoint}`;
