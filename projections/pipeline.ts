// The way of an event through this station: read > decode > reduce > commit (rows and marks) > announce.
// Comes in: the events of the partitions this process leads. Goes out: rows, marks, notices.

import { follow } from '../log/consume.js';
import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { Mark } from '../log/mark.js';
import type { Database } from '../runtime/postgres.js';
import { runLane, type Committed, type LaneEnd } from './lane.js';
import { lowest, markIn, type Marks } from './positions.js';
import type { Member } from './prepare.js';
import type { Projection } from './projection.js';
import { BatchQueue } from './queue.js';

export interface PipelineOptions {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
  readonly projections: readonly Projection[];
  /** Partitions to lead, with the marks just read. */
  readonly partitions: readonly number[];
  readonly marks: Marks;
  readonly maxEvents: number;
  readonly signal: AbortSignal;
  readonly onCommitted: (committed: Committed) => void;
  /** The head of a partition, as a read saw it. */
  readonly onHead: (partition: number, head: number) => void;
  readonly onEnd: (partition: number, end: LaneEnd) => void;
  /** The log has a hole: what stood before it is still projected, the partition is read no further. */
  readonly onLoss: (partition: number, error: Error) => void;
  /** A read failed and is tried again, e.g. while the brokers are away. */
  readonly onRetry: (error: Error) => void;
}

// Bounds how late an abort is noticed by a driver that cannot be interrupted.
const maxWaitMs = 500;

/**
 * Projects the partitions until the signal aborts; every commit under way is awaited. Lanes that
 * end by themselves are reported once and the others go on. Throws what the reading of the log throws.
 */
export async function projectPartitions(options: PipelineOptions): Promise<void> {
  const lanes = new Map(
    options.partitions.map((partition) => [partition, openLane(options, partition)]),
  );
  const ends = [...lanes.values()].map(({ ended }) => ended);
  const closeAll = (): void => {
    for (const { queue } of lanes.values()) queue.close();
  };
  options.signal.addEventListener('abort', closeAll);
  try {
    await readInto(options, lanes);
    // The reading ended by itself: every partition has a hole. What stood before is still projected.
    for (const { queue } of lanes.values()) queue.end();
    await Promise.all(ends);
  } finally {
    options.signal.removeEventListener('abort', closeAll);
    closeAll();
    await Promise.all(ends);
  }
}

interface Lane {
  readonly start: Mark;
  readonly queue: BatchQueue;
  readonly ended: Promise<void>;
}

function openLane(options: PipelineOptions, partition: number): Lane {
  const { projections, marks, maxEvents, database, codec, onCommitted, onEnd } = options;
  const members = projections.map((projection): Member => ({
    projection,
    fold: 'open' in projection ? projection.open(partition, 'public') : null,
    mark: markIn(marks, projection, partition),
  }));
  const queue = new BatchQueue(maxEvents);
  const lane = runLane({ partition, members, queue, database, codec, onCommitted });
  return {
    start: lowest(members.map(({ mark }) => mark)),
    queue,
    ended: lane.then((end) => {
      queue.close();
      onEnd(partition, end);
    }),
  };
}

async function readInto(
  { log, signal, maxEvents, onLoss, onRetry, onHead }: PipelineOptions,
  lanes: ReadonlyMap<number, Lane>,
): Promise<void> {
  const starts = new Map([...lanes].map(([partition, { start }]) => [partition, start]));
  const reading = { log, starts, signal, maxEvents, maxWaitMs, onLoss, onRetry };
  for await (const batch of follow(reading)) {
    onHead(batch.partition, batch.end);
    await lanes.get(batch.partition)?.queue.push(batch);
  }
}
