// Ingest: day keys ahead of need. Comes in: the tenants of the registry. Goes out: their keys of today and
// the next two days in the key ring, so that deliveries are sealed while Postgres is away.

import type { Clock } from '../runtime/clock.js';
import { toError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Registry } from '../runtime/registry.js';
import { pause } from '../log/pause.js';
import { utcDay } from './record.js';

export interface DayKeyOptions {
  readonly keyRing: KeyRing;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
}

const dayMs = 86_400_000;
const everyMs = 10_000;
const nothing = Buffer.alloc(0);

/** Looks for new tenants and new days until the signal aborts; never rejects. */
export async function keepDayKeys(options: DayKeyOptions, signal: AbortSignal): Promise<void> {
  let held: ReadonlySet<string> = new Set();
  while (!signal.aborted) {
    held = await fetchDayKeys(options, held);
    await pause(everyMs, signal);
  }
}

/** Fetches what is not in `held`; answers with what is held now. A key that fails is tried again. */
export async function fetchDayKeys(
  { keyRing, registry, clock, logger }: DayKeyOptions,
  held: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const now = new Set<string>();
  const days = [0, 1, 2].map((ahead) => utcDay(clock() + ahead * dayMs));
  for (const tenant of registry.tenants()) {
    for (const day of days) {
      const name = `${tenant}/${day}`;
      try {
        // Sealing nothing makes the ring fetch the key and keep it.
        if (!held.has(name)) await keyRing.sealDay(tenant, day, 'prefetch', nothing);
        now.add(name);
      } catch (thrown) {
        const error = toError(thrown).message;
        logger.warn({ code: 'day_key_missing', tenant, day, error }, 'a day key is not at hand');
      }
    }
  }
  return now;
}
