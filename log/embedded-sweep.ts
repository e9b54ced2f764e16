// The embedded log, retention: removes deliveries older than the raw-retention policy, in bounded steps.
// Comes in: the policy. Goes out: higher floors, fewer records. Events are kept.

import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { inTransaction, type Database } from '../runtime/postgres.js';

/** Most records of one partition removed in one step. */
const stepRecords = 5000;
const restMs = 60_000;
const sweepLock = 0x544c03;

export interface SweepOptions {
  readonly database: Database;
  readonly rawRetentionMs: number;
  readonly logger: Logger;
}

// Records are in the order of their times, so what is too old is a prefix.
const raiseText = `update log_floors f set first_offset = old.next
  from (
    select g.topic, g.partition, (
      select max(x."offset") + 1 from (
        select r."offset", r.appended_at from log_records r
        where r.topic = g.topic and r.partition = g.partition and r."offset" >= g.first_offset
        order by r."offset" limit $2
      ) x where x.appended_at < $1
    ) as next
    from log_floors g where g.topic in ('deliveries', 'deliveries.bulk')
  ) old
  where f.topic = old.topic and f.partition = old.partition and old.next is not null`;

const removeText = `delete from log_records r using log_floors f
  where f.topic in ('deliveries', 'deliveries.bulk') and r.topic = f.topic
    and r.partition = f.partition and r."offset" < f.first_offset`;

/**
 * One step: raises the floors over what was appended before `cutoffMs`, commits, then removes what is
 * below them: a reader sees the floor first, never a hole. The number of records removed.
 */
export async function sweepOnce(database: Database, cutoffMs: number): Promise<number> {
  await database.query(raiseText, [cutoffMs, stepRecords]);
  const { rowCount } = await database.query(removeText);
  return rowCount ?? 0;
}

/** Sweeps once a minute, and on at once while there is more; one process at a time. */
export function startSweep(options: SweepOptions): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const next = (ms: number): void => {
    if (stopped) return;
    timer = setTimeout(() => void step(), ms);
    timer.unref();
  };
  const step = async (): Promise<void> => {
    try {
      next((await exclusively(options)) > 0 ? 100 : restMs);
    } catch (thrown) {
      const fields = { code: 'log_sweep', error: toError(thrown).message };
      if (!stopped) options.logger.warn(fields, 'old deliveries could not be removed');
      next(restMs);
    }
  };
  next(restMs);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Zero when another process sweeps now. */
function exclusively({ database, rawRetentionMs }: SweepOptions): Promise<number> {
  return inTransaction(database, async (transaction) => {
    const { rows } = await transaction.query<{ ok: boolean; now: number }>(
      `select pg_try_advisory_xact_lock($1) as ok,
        (extract(epoch from clock_timestamp()) * 1000)::bigint as now`,
      [sweepLock],
    );
    const [row] = rows;
    if (row?.ok !== true) return 0;
    return sweepOnce(database, row.now - rawRetentionMs);
  });
}
