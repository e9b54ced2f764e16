// Ingest: the way back from the spool to the log. Comes in: a partition with spooled records. Goes out:
// the same records in the log, in order, and the lane back at the log when nothing is left.

import type { EventLog } from '../log/event-log.js';
import { pause } from '../log/pause.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { batchBytes, batchRecords, countThatFits, type AppendLane } from './append-lane.js';
import type { DrainRate } from './drain-rate.js';
import type { Spool, SpoolHead } from './spool.js';

export interface DrainOptions {
  readonly partition: number;
  readonly lane: AppendLane;
  readonly spool: Spool;
  readonly log: EventLog;
  readonly logger: Logger;
  readonly rate: DrainRate;
  readonly signal: AbortSignal;
}

/** So little of the spool is left that newer deliveries may wait for it instead of joining it. */
const handoverRecords = 2 * batchRecords;
const firstBackOffMs = 100;
const lastBackOffMs = 3000;
const sayEvery = 20;

/** Ends when the lane is back at the log; rejects with the signal's reason when it is aborted. */
export async function drainPartition(options: DrainOptions): Promise<void> {
  const { partition, lane, spool, logger, signal } = options;
  let drained = 0;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    const head = await spool.head(partition);
    if (head === null) {
      if (!lane.resume()) continue;
      logger.info({ code: 'spool_drained', partition, records: drained }, 'back at the log');
      return;
    }
    try {
      const few = Math.min(handoverRecords, options.rate.perSecond);
      const isLast = failures === 0 && spool.backlog(partition) <= few;
      if (isLast) lane.holdForHandover();
      await appendSegment(options, head, isLast);
      await spool.drop(partition, head.segment);
      drained += head.records.length;
      failures = 0;
    } catch (thrown) {
      signal.throwIfAborted();
      failures += 1;
      lane.startSpooling('still_away');
      await waitForLog(options, failures, thrown);
    }
  }
}

/** The last of the spool goes without a bound: deliveries wait for it. */
async function appendSegment(
  { lane, log, rate, signal }: DrainOptions,
  head: SpoolHead,
  isLast: boolean,
): Promise<void> {
  const limit = Math.min(batchBytes, log.maxBatchBytes);
  let rest = head.records.map((record) => ({ record }));
  while (rest.length > 0) {
    const count = countThatFits(rest, limit);
    if (!isLast) await rate.take(count, signal);
    await lane.appendSpooled(rest.slice(0, count).map(({ record }) => record));
    rest = rest.slice(count);
  }
}

async function waitForLog(options: DrainOptions, failures: number, thrown: unknown): Promise<void> {
  const { partition, logger, signal } = options;
  const error = toError(thrown).message;
  // At once, then about once a minute.
  if (failures % sayEvery === 1) {
    logger.warn({ code: 'spool_waits', partition, failures, error }, 'the log is still away');
  }
  const ms = Math.min(lastBackOffMs, firstBackOffMs * 2 ** (failures - 1));
  await pause(ms * (0.5 + Math.random()), signal);
}
