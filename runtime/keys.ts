// Keys (design section 7): master key → tenant key → day keys (raw deliveries) and subject keys
// (personal fields). AES-256-GCM with the place as associated data.

import type { Sealed } from '../schemas/sealed.js';
import type { SubjectId, TenantId } from '../schemas/ids.js';

export interface SubjectKey {
  readonly keyId: string;
  readonly key: Buffer;
}

/** Where wrapped keys are kept. Postgres in production, a Map in unit tests. */
export interface KeyStore {
  /** The wrapped tenant key; inserts `wrapped` if absent and returns the winner. */
  tenantKey(tenant: TenantId, wrapped: Buffer): Promise<Buffer>;
  /** Insert-if-absent for many subjects in one round trip; returns the winners in order. */
  subjectKeys(
    wanted: readonly { tenant: TenantId; subject: SubjectId; keyId: string; wrapped: Buffer }[],
  ): Promise<readonly { keyId: string; wrapped: Buffer }[]>;
  /** Read only: the wrapped subject keys by key id; a destroyed key is absent. */
  subjectKeysById(
    tenant: TenantId,
    keyIds: readonly string[],
  ): Promise<ReadonlyMap<string, Buffer>>;
  /** Insert-if-absent; null when the day's key was destroyed after the raw-retention period. */
  dayKey(tenant: TenantId, day: string, wrapped: Buffer): Promise<Buffer | null>;
}

/** Opens and makes keys; caches are bounded. */
export interface KeyRing {
  /** `sub_` + keyed HMAC of the normalised number; never a plain hash. */
  subjectId(tenant: TenantId, number: string): Promise<SubjectId>;
  /** Fetches what is missing of the subjects' keys, in one round trip. */
  subjectKeys(
    wanted: readonly { tenant: TenantId; subject: SubjectId }[],
  ): Promise<readonly SubjectKey[]>;
  /** Opens sealed fields of one tenant; a field whose key is destroyed opens as null. */
  open(
    tenant: TenantId,
    boxes: readonly { sealed: Sealed; place: string }[],
  ): Promise<readonly (string | null)[]>;
  sealDay(tenant: TenantId, day: string, place: string, content: Buffer): Promise<Buffer>;
  openDay(tenant: TenantId, day: string, place: string, sealed: Buffer): Promise<Buffer>;
  /** Seals a credential or another secret of the installation under the tenant key. */
  sealSecret(tenant: TenantId, place: string, secret: string): Promise<string>;
  openSecret(tenant: TenantId, place: string, sealed: string): Promise<string>;
}

export declare function createKeyRing(masterKey: Buffer, store: KeyStore): KeyRing;
export declare function createMemoryKeyStore(): KeyStore;

/**
 * Seals one field. The nonce is derived from key, place and text, so sealing the same fact again
 * gives the same bytes and a nonce never meets two texts.
 * `place`: `tenant/subject/field`.
 */
export declare function sealField(key: SubjectKey, place: string, text: string): Sealed;
