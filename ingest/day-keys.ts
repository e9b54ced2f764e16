// Ingest: day keys ahead of need. Comes in: the tenants of the registry. Goes out: their keys of today and
// the days to come, made by Postgres alone and kept at hand, so that deliveries are sealed while it is away.

import type { Clock } from '../runtime/clock.js';
import { toError } from '../runtime/errors.js';
import type { KeyShelf } from '../runtime/key-shelf.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Registry } from '../runtime/registry.js';
import type { TenantId } from '../schemas/ids.js';
import { utcDay } from '../log/fact-record.js';
import { pause } from '../log/pause.js';

export interface DayKeyOptions {
  readonly keyRing: KeyRing;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where wrapped keys lie for a start without Postgres. */
  readonly shelf: Pick<KeyShelf, 'day' | 'forgetBefore'>;
}

/**
 * So many days after today have their key made: how long an outage of Postgres may last. A key is never
 * made without Postgres, so there is nothing to lose and nothing to reconcile (decision 0008).
 */
export const daysAhead = 14;

const dayMs = 86_400_000;
const everyMs = 10_000;
/** All keys are offered again: a database that was restored from a backup gets back what it lost. */
const offerAgainMs = 3_600_000;
/** Keys of one round trip. */
const chunk = 500;
const nothing = Buffer.alloc(0);

/** Looks for new tenants and new days until the signal aborts; never rejects. */
export class DayKeys {
  /** Tenants whose keys Postgres has, by day. */
  #made = new Map<string, Set<TenantId>>();
  /** Tenants whose keys are in the ring, by day. */
  readonly #atHand = new Map<string, Set<TenantId>>();
  #offeredAt = performance.now();
  #isAway = false;

  constructor(private readonly options: DayKeyOptions) {}

  /** Whole days after today that every tenant can be sealed for as things are; -1: not even today. */
  get daysSealable(): number {
    const { registry, shelf } = this.options;
    const tenants = registry.tenants();
    const isMissing = (day: string): boolean =>
      tenants.some((tenant) => shelf.day(tenant, day) === undefined);
    const first = this.#days(daysAhead).findIndex(isMissing);
    return first === -1 ? daysAhead : first - 1;
  }

  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.fetch();
      await pause(everyMs, signal);
    }
  }

  /** One round: today and tomorrow into the ring first, then the days ahead, in chunks. */
  async fetch(): Promise<void> {
    const now = performance.now();
    if (now - this.#offeredAt > offerAgainMs) {
      this.#made = new Map();
      this.#offeredAt = now;
    }
    const days = this.#days(daysAhead);
    const [today = ''] = days;
    this.options.shelf.forgetBefore(today);
    for (const known of [...this.#made.keys(), ...this.#atHand.keys()]) {
      if (known >= today) continue;
      this.#made.delete(known);
      this.#atHand.delete(known);
    }
    await this.prefetch();
    for (const day of days) if (!(await this.#make(day))) return;
    this.#isAway = false;
  }

  /** The keys of today and tomorrow into the ring: they seal without a wait. */
  async prefetch(): Promise<void> {
    for (const day of this.#days(1)) await this.#takeInHand(day);
  }

  /** Today and so many days after it. */
  #days(ahead: number): readonly string[] {
    const today = this.options.clock();
    return Array.from({ length: ahead + 1 }, (_, index) => utcDay(today + index * dayMs));
  }

  async #takeInHand(day: string): Promise<void> {
    const held = this.#atHand.get(day) ?? new Set<TenantId>();
    this.#atHand.set(day, held);
    for (const tenant of this.options.registry.tenants()) {
      if (held.has(tenant)) continue;
      try {
        // Sealing nothing makes the ring fetch the key and keep it.
        await this.options.keyRing.sealDay(tenant, day, 'prefetch', nothing);
        held.add(tenant);
      } catch (thrown) {
        const error = toError(thrown).message;
        const fields = { code: 'day_key_missing', tenant, day, error };
        this.options.logger.warn(fields, 'a day key is not at hand');
      }
    }
  }

  /** False when Postgres does not answer: the rest of the round is left out. */
  async #make(day: string): Promise<boolean> {
    const { keyRing, logger, registry } = this.options;
    const made = this.#made.get(day) ?? new Set<TenantId>();
    this.#made.set(day, made);
    const missing = registry.tenants().filter((tenant) => !made.has(tenant));
    for (let at = 0; at < missing.length; at += chunk) {
      const tenants = missing.slice(at, at + chunk);
      try {
        const replaced = await keyRing.makeDays(tenants.map((tenant) => ({ tenant, day })));
        for (const tenant of tenants) made.add(tenant);
        if (replaced === 0) continue;
        const fields = { code: 'day_key_replaced', day, keys: replaced };
        logger.error(fields, 'PostgreSQL has other day keys than those in use here');
      } catch (thrown) {
        const fields = { code: 'day_keys_not_made', day, error: toError(thrown).message };
        // Once per outage, not once per try.
        if (!this.#isAway)
          logger.warn(fields, 'day keys ahead are not made while Postgres is away');
        this.#isAway = true;
        return false;
      }
    }
    return true;
  }
}
