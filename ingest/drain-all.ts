// Ingest: the whole spool into the log, by hand, with no ingest running on it. Comes in: the spool and the
// log. Goes out: records in order per tenant; a segment leaves the disk once all of it is acknowledged.

import type { Appender, EventLog } from '../log/event-log.js';
import { pause } from '../log/pause.js';
import { partitionOf } from '../log/topics.js';
import { tenantId } from '../schemas/ids.js';
import { batchBytes, countThatFits } from './append-lane.js';
import type { DrainRate } from './drain-rate.js';
import type { Spool, SpoolHead } from './spool.js';
import type { SpooledRecord } from './spool-record.js';

export interface DrainAllOptions {
  readonly spool: Spool;
  readonly log: EventLog;
  readonly rate: DrainRate;
  /** When it aborts, the segment in hand is finished or left whole. */
  readonly signal: AbortSignal;
  /** Called after every batch with the records that are in the log so far. */
  readonly onProgress: (records: number) => void;
}

const attempts = 5;
const firstBackOffMs = 200;

/**
 * Answers with how many records were appended. Rejects when the log does not acknowledge after several
 * attempts, or with the signal's reason; what is not acknowledged stays in the spool. Partitions follow
 * from the tenant, not from where the spool kept a record: it may have been filled under another P.
 */
export async function drainAll(options: DrainAllOptions): Promise<number> {
  const { spool, log } = options;
  const batches = new Batches(log);
  let records = 0;
  try {
    for (const partition of spool.partitions()) {
      for (;;) {
        options.signal.throwIfAborted();
        const head = await spool.head(partition);
        if (head === null) break;
        await appendHead(options, batches, head, (count) => {
          records += count;
          options.onProgress(records);
        });
        await spool.drop(partition, head.segment);
      }
    }
  } finally {
    await batches.close();
  }
  return records;
}

async function appendHead(
  { log, rate, signal }: DrainAllOptions,
  batches: Batches,
  head: SpoolHead,
  onAppended: (count: number) => void,
): Promise<void> {
  const limit = Math.min(batchBytes, log.maxBatchBytes);
  for (const [target, records] of byTarget(head.records, log.partitions)) {
    let rest = records.map((record) => ({ record }));
    while (rest.length > 0) {
      const count = countThatFits(rest, limit);
      await rate.take(count, signal);
      await batches.append(
        target,
        rest.slice(0, count).map(({ record }) => record),
        signal,
      );
      onAppended(count);
      rest = rest.slice(count);
    }
  }
}

function byTarget(
  records: readonly SpooledRecord[],
  partitions: number,
): ReadonlyMap<number, SpooledRecord[]> {
  const sorted = new Map<number, SpooledRecord[]>();
  for (const record of records) {
    const target = partitionOf(tenantId(record.key), partitions);
    const known = sorted.get(target);
    if (known === undefined) sorted.set(target, [record]);
    else known.push(record);
  }
  return sorted;
}

/** Appends with a new appender after every unknown outcome. */
class Batches {
  #appender: Promise<Appender> | null = null;

  constructor(private readonly log: EventLog) {}

  async append(
    partition: number,
    records: readonly SpooledRecord[],
    signal: AbortSignal,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.#appender ??= this.log.openAppender();
        await (await this.#appender).append('deliveries', partition, records);
        return;
      } catch (thrown) {
        await this.close();
        if (attempt === attempts) throw thrown;
        await pause(firstBackOffMs * 2 ** attempt, signal);
        signal.throwIfAborted();
      }
    }
  }

  async close(): Promise<void> {
    const appender = await this.#appender?.catch(() => null);
    this.#appender = null;
    await appender?.close().catch(() => undefined);
  }
}
