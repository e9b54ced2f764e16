// Scheduler: how it stands, for health, for `doctor` and for the gateway. Comes in: the lease and the timers.
// Goes out: whether timers are kept, and what to do when they are not.

import { postgresError, type Database } from '../runtime/postgres.js';
import type { HealthResult } from '../runtime/health.js';
import { readLate, type Lateness } from './due.js';

/** Timers that are due for so long are late: the rounds of a scheduler are a second apart. */
export const lateMs = 60_000;

/** Without a beat for so long nobody holds the lease; only said, never acted on. */
const silentMs = 30_000;

export interface SchedulerLook {
  /** Null where no scheduler has ever been at work. */
  readonly holderSilentMs: number | null;
  readonly isHeld: boolean;
  readonly late: Lateness;
  /** By the database's clock. */
  readonly nowMs: number;
}

/** Looks at lease and timers as they are now. */
export async function lookAtScheduler(database: Database): Promise<SchedulerLook> {
  try {
    const { rows } = await database.query<{ holder: string | null; silent: number; now: number }>(
      `select l.holder, extract(epoch from clock_timestamp() - l.renewed_at)::float8 * 1000 as silent,
          extract(epoch from clock_timestamp())::float8 * 1000 as now
        from (select 1) one left join scheduler_lease l on true`,
    );
    const { holder = null, silent = 0, now = 0 } = rows[0] ?? {};
    const holderSilentMs = holder === null ? null : Math.max(0, Math.round(silent));
    const isHeld = holder !== null && holder !== '' && silent < silentMs;
    return { holderSilentMs, isHeld, late: await readLate(database, now - lateMs), nowMs: now };
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

const seconds = (ms: number): number => Math.max(0, Math.round(ms / 1000));

/** What a look says; `failed` only where nobody keeps timers although some are due. */
export function schedulerHealth({ isHeld, late, nowMs }: SchedulerLook): HealthResult {
  const { count, firstDueAt } = late;
  if (count === 0) {
    return isHeld
      ? { status: 'ok', detail: 'a scheduler is at work, no timer is late' }
      : { status: 'degraded', detail: 'no scheduler holds the lease: start the role `scheduler`' };
  }
  const since = seconds(nowMs - (firstDueAt ?? nowMs));
  const many = `${count} timers are late, the first by ${since} s`;
  return isHeld
    ? { status: 'degraded', detail: `${many}: processors or projections lag behind` }
    : {
        status: 'failed',
        detail: `no scheduler holds the lease and ${many}: start the role \`scheduler\``,
      };
}
