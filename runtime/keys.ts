// Keys (design section 7): master key → tenant key → day keys (raw deliveries) and subject keys
// (personal fields). In: a master key and a store of wrapped keys. Out: sealed boxes, subject ids.

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { normaliseNumber } from '../schemas/mask.js';
import type { Sealed } from '../schemas/sealed.js';
import { subjectId } from '../schemas/ids.js';
import type { SubjectId, TenantId } from '../schemas/ids.js';
import type { Clock } from './clock.js';
import { systemClock } from './clock.js';
import { TrunklineError } from './errors.js';
import { BoundedCache } from './lru.js';
import { deriveKey, keyBytes, openBytes, openField, sealBytes, sealInto } from './seal.js';

export { createMemoryKeyStore } from './memory-key-store.js';
export { sealedLength, sealField } from './seal.js';

export interface SubjectKey {
  readonly keyId: string;
  readonly key: Buffer;
}

/** Where wrapped keys are kept. Postgres in production, a Map in unit tests. */
export interface KeyStore {
  /**
   * The wrapped tenant key; inserts `wrapped` if absent and returns the winner. With null nothing is
   * inserted, and null is the answer when there is none.
   */
  tenantKey(tenant: TenantId, wrapped: Buffer | null): Promise<Buffer | null>;
  /** Insert-if-absent for many subjects in one round trip; returns the winners in order. */
  subjectKeys(wanted: readonly WantedSubjectKey[]): Promise<readonly WrappedSubjectKey[]>;
  /** Read only: the wrapped subject keys by key id; a destroyed key is absent. */
  subjectKeysById(
    tenant: TenantId,
    keyIds: readonly string[],
  ): Promise<ReadonlyMap<string, Buffer>>;
  /**
   * Insert-if-absent; null when the day's key was destroyed after the raw-retention period. With
   * `wrapped` null nothing is inserted.
   */
  dayKey(tenant: TenantId, day: string, wrapped: Buffer | null): Promise<Buffer | null>;
  /** As `dayKey` for many in one round trip; the winners in order. */
  dayKeys(wanted: readonly WantedDayKey[]): Promise<readonly (Buffer | null)[]>;
}

/** A day key to be inserted if absent. */
export interface WantedDayKey {
  readonly tenant: TenantId;
  readonly day: string;
  readonly wrapped: Buffer;
}

export interface WrappedSubjectKey {
  readonly keyId: string;
  readonly wrapped: Buffer;
}

export interface WantedSubjectKey extends WrappedSubjectKey {
  readonly tenant: TenantId;
  readonly subject: SubjectId;
}

/** Where raw bytes are sealed: a place under a tenant's key of a UTC day (`2026-01-31`). */
export interface DayPlace {
  readonly tenant: TenantId;
  readonly day: string;
  readonly place: string;
}

/** Opens and makes keys; caches are bounded. */
export interface KeyRing {
  /** `sub_` + keyed HMAC of the normalised number; never a plain hash. */
  subjectId(tenant: TenantId, number: string): Promise<SubjectId>;
  /** Fetches what is missing of the subjects' keys, in one round trip; in the order asked for. */
  subjectKeys(
    wanted: readonly { tenant: TenantId; subject: SubjectId }[],
  ): Promise<readonly SubjectKey[]>;
  /**
   * Opens sealed fields of one tenant, in one round trip; a field whose key is destroyed opens as
   * null, one that was altered or moved throws `unseal_failed`.
   */
  open(
    tenant: TenantId,
    boxes: readonly { sealed: Sealed; place: string }[],
  ): Promise<readonly (string | null)[]>;
  /** Seals a raw delivery under the tenant's key of a UTC day (`2026-01-31`). */
  sealDay(tenant: TenantId, day: string, place: string, content: Buffer): Promise<Buffer>;
  /**
   * As `sealDay`, at once and into a box of `sealedLength`; false when the key is not at hand: then
   * `sealDay` fetches it.
   */
  sealDayInto(box: Buffer, where: DayPlace, content: Buffer): boolean;
  /**
   * Has the store make the keys of these days, if they are absent, in one round trip. One that is at
   * hand for sealing and is not the store's gives way to the store's; answers how many there were.
   */
  makeDays(wanted: readonly { tenant: TenantId; day: string }[]): Promise<number>;
  /** Throws `key_missing` when the day's key was destroyed. */
  openDay(tenant: TenantId, day: string, place: string, sealed: Buffer): Promise<Buffer>;
  /** Seals a credential or another secret of the installation under the tenant key. */
  sealSecret(tenant: TenantId, place: string, secret: string): Promise<string>;
  openSecret(tenant: TenantId, place: string, sealed: string): Promise<string>;
}

/** The keys that follow from one tenant key. */
interface TenantKeys {
  readonly pepper: Buffer;
  readonly wrapSubject: Buffer;
  readonly wrapDay: Buffer;
  readonly secret: Buffer;
}

const limits = { tenants: 10_000, days: 50_000, subjects: 50_000, ids: 50_000 };
/** How long an opened key is believed without asking the store again (an erasure must get through). */
const trustMs = 5 * 60_000;
const dayMs = 86_400_000;

/** Makes the key ring of one process. Nothing is read before the first use. */
export function createKeyRing(
  masterKey: Buffer,
  store: KeyStore,
  clock: Clock = systemClock,
): KeyRing {
  return new StoredKeyRing(masterKey, store, clock);
}

class StoredKeyRing implements KeyRing {
  readonly #wrapTenant: Buffer;
  /** Names the master key in what it wrapped, to tell a wrong master key from a damaged row. */
  readonly #masterId: Buffer;
  readonly #tenants: BoundedCache<TenantId, Promise<TenantKeys>>;
  readonly #sealing: BoundedCache<string, Promise<Buffer>>;
  /** Those of `#sealing` that have come. */
  readonly #atHand: BoundedCache<string, Buffer>;
  readonly #opening: BoundedCache<string, Promise<Buffer>>;
  readonly #subjects: BoundedCache<string, SubjectKey>;
  readonly #byId: BoundedCache<string, Buffer>;
  readonly #ids: BoundedCache<string, SubjectId>;

  constructor(
    masterKey: Buffer,
    private readonly store: KeyStore,
    clock: Clock,
  ) {
    this.#wrapTenant = deriveKey(masterKey, 'wrap-tenant');
    this.#masterId = createHash('sha256')
      .update(deriveKey(masterKey, 'master-id'))
      .digest()
      .subarray(0, 4);
    this.#tenants = new BoundedCache(limits.tenants, Infinity, clock);
    this.#sealing = new BoundedCache(limits.days, Infinity, clock);
    this.#atHand = new BoundedCache(limits.days, Infinity, clock);
    this.#opening = new BoundedCache(limits.days, trustMs, clock);
    this.#subjects = new BoundedCache(limits.subjects, trustMs, clock);
    this.#byId = new BoundedCache(limits.subjects, trustMs, clock);
    this.#ids = new BoundedCache(limits.ids, Infinity, clock);
  }

  async subjectId(tenant: TenantId, number: string): Promise<SubjectId> {
    const normal = normaliseNumber(number);
    const cacheKey = `${tenant}\0${normal}`;
    const known = this.#ids.get(cacheKey);
    if (known !== undefined) return known;
    const { pepper } = await this.#tenant(tenant);
    const mac = createHmac('sha256', pepper).update(`subject|${normal}`, 'utf8').digest();
    const id = subjectId(`sub_${mac.subarray(0, 20).toString('base64url')}`);
    this.#ids.set(cacheKey, id);
    return id;
  }

  async subjectKeys(
    wanted: readonly { tenant: TenantId; subject: SubjectId }[],
  ): Promise<readonly SubjectKey[]> {
    const found = new Map<string, SubjectKey>();
    const missing = new Map<string, { tenant: TenantId; subject: SubjectId }>();
    for (const one of wanted) {
      const name = `${one.tenant}\0${one.subject}`;
      const known = this.#subjects.get(name);
      if (known === undefined) missing.set(name, one);
      else found.set(name, known);
    }
    if (missing.size > 0) await this.#fetchSubjects(missing, found);
    return wanted.map(({ tenant, subject }) => {
      const key = found.get(`${tenant}\0${subject}`);
      if (key === undefined) throw missingKey('a subject key was not returned by the key store');
      return key;
    });
  }

  async #fetchSubjects(
    missing: ReadonlyMap<string, { tenant: TenantId; subject: SubjectId }>,
    found: Map<string, SubjectKey>,
  ): Promise<void> {
    const asked = [...missing];
    const wanted = await Promise.all(
      asked.map(async ([, { tenant, subject }]): Promise<WantedSubjectKey> => {
        const { wrapSubject } = await this.#tenant(tenant);
        const keyId = `k_${randomBytes(12).toString('base64url')}`;
        const key = randomBytes(keyBytes);
        return { tenant, subject, keyId, wrapped: wrapKey(wrapSubject, tenant, keyId, key) };
      }),
    );
    const winners = await this.store.subjectKeys(wanted);
    for (const [index, [name, { tenant }]] of asked.entries()) {
      const winner = winners[index];
      if (winner === undefined) continue;
      const { wrapSubject } = await this.#tenant(tenant);
      const { keyId, wrapped } = winner;
      const subjectKey = { keyId, key: unwrapKey(wrapSubject, tenant, keyId, wrapped) };
      found.set(name, subjectKey);
      this.#subjects.set(name, subjectKey);
    }
  }

  async open(
    tenant: TenantId,
    boxes: readonly { sealed: Sealed; place: string }[],
  ): Promise<readonly (string | null)[]> {
    if (boxes.length === 0) return [];
    const keys = await this.#keysById(tenant, [...new Set(boxes.map((box) => box.sealed.keyId))]);
    return boxes.map(({ sealed, place }) => {
      const key = keys.get(sealed.keyId);
      return key === undefined ? null : openField(key, place, sealed);
    });
  }

  async #keysById(tenant: TenantId, keyIds: readonly string[]): Promise<Map<string, Buffer>> {
    const keys = new Map<string, Buffer>();
    const missing: string[] = [];
    for (const keyId of keyIds) {
      const known = this.#byId.get(`${tenant}\0${keyId}`);
      if (known === undefined) missing.push(keyId);
      else keys.set(keyId, known);
    }
    if (missing.length === 0) return keys;
    const { wrapSubject } = await this.#tenant(tenant, 'read');
    for (const [keyId, wrapped] of await this.store.subjectKeysById(tenant, missing)) {
      const key = unwrapKey(wrapSubject, tenant, keyId, wrapped);
      keys.set(keyId, key);
      this.#byId.set(`${tenant}\0${keyId}`, key);
    }
    return keys;
  }

  async sealDay(tenant: TenantId, day: string, place: string, content: Buffer): Promise<Buffer> {
    return sealBytes(await this.#dayForSealing(tenant, day), dayPlace(tenant, day, place), content);
  }

  sealDayInto(box: Buffer, { tenant, day, place }: DayPlace, content: Buffer): boolean {
    const key = this.#atHand.get(`${tenant}\0${day}`);
    if (key === undefined) return false;
    sealInto(box, { key, place: dayPlace(tenant, day, place) }, content);
    return true;
  }

  async makeDays(wanted: readonly { tenant: TenantId; day: string }[]): Promise<number> {
    const drafts = await Promise.all(
      wanted.map(async ({ tenant, day }): Promise<WantedDayKey> => {
        const { wrapDay } = await this.#tenant(tenant);
        return { tenant, day, wrapped: wrapKey(wrapDay, tenant, day, randomBytes(keyBytes)) };
      }),
    );
    const winners = await this.store.dayKeys(drafts);
    let replaced = 0;
    for (const [index, { tenant, day }] of wanted.entries()) {
      const name = `${tenant}\0${day}`;
      const held = this.#atHand.get(name);
      const winner = winners[index] ?? null;
      if (held === undefined || winner === null) continue;
      const { wrapDay } = await this.#tenant(tenant);
      const key = unwrapKey(wrapDay, tenant, day, winner);
      if (key.equals(held)) continue;
      replaced += 1;
      this.#atHand.set(name, key);
      this.#sealing.set(name, Promise.resolve(key));
    }
    return replaced;
  }

  async openDay(tenant: TenantId, day: string, place: string, sealed: Buffer): Promise<Buffer> {
    return openBytes(await this.#dayForOpening(tenant, day), dayPlace(tenant, day, place), sealed);
  }

  /**
   * A key that seals is kept for as long as the process lives, and tomorrow's is fetched with today's:
   * ingest must not stop when Postgres is away over midnight.
   */
  async #dayForSealing(tenant: TenantId, day: string): Promise<Buffer> {
    const known = this.#sealing.get(`${tenant}\0${day}`);
    if (known !== undefined) return known;
    const tomorrow = new Date(Date.parse(day) + dayMs).toISOString().slice(0, 10);
    const key = await this.#loadForSealing(tenant, day);
    this.#loadForSealing(tenant, tomorrow).catch(() => undefined);
    return key;
  }

  #loadForSealing(tenant: TenantId, day: string): Promise<Buffer> {
    const name = `${tenant}\0${day}`;
    return remember(this.#sealing, name, async () => {
      const key = await this.#fetchDay(tenant, day, 'make');
      this.#atHand.set(name, key);
      return key;
    });
  }

  /** A key that opens is asked for again after a while, so that a destroyed day stays closed. */
  #dayForOpening(tenant: TenantId, day: string): Promise<Buffer> {
    return remember(this.#opening, `${tenant}\0${day}`, () => this.#fetchDay(tenant, day, 'read'));
  }

  async #fetchDay(tenant: TenantId, day: string, mode: 'make' | 'read'): Promise<Buffer> {
    const { wrapDay } = await this.#tenant(tenant, mode);
    const draft = mode === 'make' ? wrapKey(wrapDay, tenant, day, randomBytes(keyBytes)) : null;
    const wrapped = await this.store.dayKey(tenant, day, draft);
    if (wrapped === null) throw missingKey(`the day key of ${day} was destroyed or never made`);
    return unwrapKey(wrapDay, tenant, day, wrapped);
  }

  async sealSecret(tenant: TenantId, place: string, secret: string): Promise<string> {
    const { secret: key } = await this.#tenant(tenant);
    const sealed = sealBytes(key, `secret/${tenant}/${place}`, Buffer.from(secret, 'utf8'));
    return `v1.${sealed.toString('base64url')}`;
  }

  async openSecret(tenant: TenantId, place: string, sealed: string): Promise<string> {
    const { secret: key } = await this.#tenant(tenant, 'read');
    const bytes = Buffer.from(sealed.replace(/^v1\./, ''), 'base64url');
    return openBytes(key, `secret/${tenant}/${place}`, bytes).toString('utf8');
  }

  /** Tenant keys do not change while a process lives, so they are kept. */
  async #tenant(tenant: TenantId, mode: 'make' | 'read' = 'make'): Promise<TenantKeys> {
    if (mode === 'make') {
      return remember(this.#tenants, tenant, () => this.#fetchTenant(tenant, mode));
    }
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const keys = await this.#fetchTenant(tenant, mode);
    this.#tenants.set(tenant, Promise.resolve(keys));
    return keys;
  }

  async #fetchTenant(tenant: TenantId, mode: 'make' | 'read'): Promise<TenantKeys> {
    const place = `tenant-key/${tenant}`;
    const draft =
      mode === 'read'
        ? null
        : Buffer.concat([
            this.#masterId,
            sealBytes(this.#wrapTenant, place, randomBytes(keyBytes)),
          ]);
    const wrapped = await this.store.tenantKey(tenant, draft);
    if (wrapped === null) throw missingKey(`tenant ${tenant} has no key`);
    if (!wrapped.subarray(0, 4).equals(this.#masterId)) {
      throw missingKey(
        `the key of tenant ${tenant} is wrapped under another master key; ` +
          'set TRUNKLINE_MASTER_KEY to the one this database was made with',
      );
    }
    const key = openBytes(this.#wrapTenant, place, wrapped.subarray(4));
    return {
      pepper: deriveKey(key, 'subject-id'),
      wrapSubject: deriveKey(key, 'wrap-subject'),
      wrapDay: deriveKey(key, 'wrap-day'),
      secret: deriveKey(key, 'secret'),
    };
  }
}

/** One fetch for all who ask at the same time; a fetch that fails is not remembered. */
function remember<K, V>(
  cache: BoundedCache<K, Promise<V>>,
  name: K,
  fetch: () => Promise<V>,
): Promise<V> {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const fetched = fetch();
  cache.set(name, fetched);
  fetched.catch(() => {
    if (cache.get(name) === fetched) cache.delete(name);
  });
  return fetched;
}

const dayPlace = (tenant: TenantId, day: string, place: string): string =>
  `day/${tenant}/${day}/${place}`;

const wrapKey = (wrapping: Buffer, tenant: TenantId, name: string, key: Buffer): Buffer =>
  sealBytes(wrapping, `key/${tenant}/${name}`, key);

const unwrapKey = (wrapping: Buffer, tenant: TenantId, name: string, wrapped: Buffer): Buffer =>
  openBytes(wrapping, `key/${tenant}/${name}`, wrapped);

const missingKey = (detail: string): TrunklineError => new TrunklineError('key_missing', detail);
