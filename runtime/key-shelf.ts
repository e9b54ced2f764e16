// Wrapped keys that a process keeps at hand, so that it can seal while Postgres is away. In: keys that
// Postgres has given out. Out: a key store that answers from them; it never makes a key by itself.

import { toError, TrunklineError } from './errors.js';
import type { KeyStore, WantedDayKey } from './keys.js';
import type { TenantId } from '../schemas/ids.js';

/** Wrapped keys as a snapshot holds them, base64. Each was the winner in Postgres. */
export interface KeptKeys {
  readonly tenants: readonly (readonly [tenant: TenantId, wrapped: string])[];
  readonly days: readonly (readonly [tenant: TenantId, day: string, wrapped: string])[];
}

/** Tenant keys and day keys, wrapped; nothing here opens anything without the master key. */
export class KeyShelf {
  readonly #tenants = new Map<TenantId, Buffer>();
  readonly #days = new Map<string, Map<TenantId, Buffer>>();
  #version = 0;

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  tenant(tenant: TenantId): Buffer | undefined {
    return this.#tenants.get(tenant);
  }

  day(tenant: TenantId, day: string): Buffer | undefined {
    return this.#days.get(day)?.get(tenant);
  }

  tenants(): readonly TenantId[] {
    return [...this.#tenants.keys()];
  }

  /** All day keys, as they are offered to a database that is back. */
  days(): readonly WantedDayKey[] {
    return [...this.#days].flatMap(([day, byTenant]) =>
      [...byTenant].map(([tenant, wrapped]) => ({ tenant, day, wrapped })),
    );
  }

  putTenant(tenant: TenantId, wrapped: Buffer): void {
    if (this.#tenants.get(tenant)?.equals(wrapped) === true) return;
    this.#tenants.set(tenant, wrapped);
    this.#version += 1;
  }

  putDay(tenant: TenantId, day: string, wrapped: Buffer): void {
    const ofDay = this.#days.get(day) ?? new Map<TenantId, Buffer>();
    if (ofDay.get(tenant)?.equals(wrapped) === true) return;
    ofDay.set(tenant, wrapped);
    this.#days.set(day, ofDay);
    this.#version += 1;
  }

  /** Forgets days before this one: what the law forgets must not stay here. */
  forgetBefore(day: string): void {
    for (const known of this.#days.keys()) {
      if (known >= day) continue;
      this.#days.delete(known);
      this.#version += 1;
    }
  }

  load(kept: KeptKeys): void {
    for (const [tenant, wrapped] of kept.tenants) {
      this.putTenant(tenant, Buffer.from(wrapped, 'base64'));
    }
    for (const [tenant, day, wrapped] of kept.days) {
      this.putDay(tenant, day, Buffer.from(wrapped, 'base64'));
    }
  }

  export(): KeptKeys {
    return {
      tenants: [...this.#tenants].map(([tenant, key]) => [tenant, key.toString('base64')]),
      days: this.days().map(({ tenant, day, wrapped }) => [
        tenant,
        day,
        wrapped.toString('base64'),
      ]),
    };
  }
}

/**
 * The store with the shelf before it: a tenant key or day key to seal with that lies there is taken
 * from there, all others from the store, and put there. A key that only reads is always the store's:
 * a destroyed one must be seen.
 */
export function createShelvedKeyStore(store: KeyStore, shelf: KeyShelf): KeyStore {
  return {
    async tenantKey(tenant, wrapped) {
      const shelved = shelf.tenant(tenant);
      if (shelved !== undefined) return shelved;
      const winner = await store.tenantKey(tenant, wrapped);
      if (winner !== null) shelf.putTenant(tenant, winner);
      return winner;
    },
    async dayKey(tenant, day, wrapped) {
      const shelved = shelf.day(tenant, day);
      if (shelved !== undefined && wrapped !== null) return shelved;
      const winner = await store.dayKey(tenant, day, wrapped);
      if (winner !== null && wrapped !== null) shelf.putDay(tenant, day, winner);
      return winner;
    },
    async dayKeys(wanted) {
      const drafts = wanted.map((one) => {
        const shelved = shelf.day(one.tenant, one.day);
        return shelved === undefined ? one : { ...one, wrapped: shelved };
      });
      const winners = await store.dayKeys(drafts);
      for (const [index, { tenant, day }] of wanted.entries()) {
        const winner = winners[index] ?? null;
        if (winner !== null) shelf.putDay(tenant, day, winner);
      }
      return winners;
    },
    subjectKeys: (wanted) => store.subjectKeys(wanted),
    subjectKeysById: (tenant, keyIds) => store.subjectKeysById(tenant, keyIds),
  };
}

/**
 * For a process that has sealed with keys of its shelf before it saw Postgres: gives them back to a
 * database that has lost them (one restored from an older backup). Throws `key_missing` when it holds
 * another key of a tenant: then it is not the database that the shelf is of.
 */
export async function offerKeys(store: KeyStore, shelf: KeyShelf): Promise<void> {
  for (const tenant of shelf.tenants()) {
    const own = shelf.tenant(tenant);
    if (own === undefined) continue;
    const winner = await store.tenantKey(tenant, own);
    if (winner?.equals(own) !== true) throw otherDatabase(tenant);
  }
}

const otherDatabase = (tenant: TenantId): Error =>
  new TrunklineError(
    'key_missing',
    `PostgreSQL has another key of tenant ${tenant} than the registry snapshot this process began ` +
      'with: it is another database; set DATABASE_URL to the one the snapshot was made of',
  );

/** True for a failure that the shelf bridges. */
export const isStoreAway = (thrown: unknown): boolean => {
  const error = toError(thrown);
  return error instanceof TrunklineError && error.code === 'service_unreachable';
};
