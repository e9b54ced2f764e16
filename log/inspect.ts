// The log, looked at: who owns each partition, how far it is, and how far behind everyone else is. Comes
// in: log and marks. Goes out: one report per partition, for `trunkline log inspect`.

import { toError } from '../runtime/errors.js';
import type { Database } from '../runtime/postgres.js';
import type { Bounds, EventLog, Topic } from './event-log.js';
import { startMark, type Mark } from './mark.js';
import { markColumns, markOf, type MarkRow } from './mark-store.js';
import { PartitionReader } from './sequence.js';
import { topics } from './topics.js';

/** How far one projection has applied `events[p]`. */
export interface ProjectionStand {
  readonly projection: string;
  readonly version: number;
  readonly next: number;
  readonly term: number;
  /** Records of `events[p]` not applied yet. */
  readonly lagRecords: number;
}

export interface PartitionReport {
  readonly partition: number;
  readonly offsets: Readonly<Record<Topic, Bounds>>;
  /** Of the last accepted marker; null where there never was one. */
  readonly owner: string | null;
  readonly term: number;
  readonly epoch: string | null;
  /** Highest covered offset of each lane, −1 for none, and the records after it. */
  readonly covered: { readonly realtime: number; readonly bulk: number };
  readonly sourceLagRecords: { readonly realtime: number; readonly bulk: number };
  readonly projections: readonly ProjectionStand[];
  /** Last sequence number of each tenant of the partition. */
  readonly lastSeq: Readonly<Record<string, number>>;
  /** Why reading stopped before the end, null when it did not. */
  readonly fault: string | null;
}

export interface InspectDeps {
  readonly log: EventLog;
  readonly database: Database;
  readonly signal: AbortSignal;
}

interface StoredMark {
  readonly projection: string;
  readonly version: number;
  readonly mark: Mark;
}

/** Reports on one partition. Reads `events[p]` from the highest mark to the end that it has now. */
export async function inspectPartition(
  deps: InspectDeps,
  partition: number,
): Promise<PartitionReport> {
  const offsets = await readOffsets(deps.log, partition);
  const marks = await readMarks(deps.database, partition);
  const highest = marks.reduce(
    (best, { mark }) => (mark.next > best.next ? mark : best),
    startMark,
  );
  const { mark, fault } = await readOn(deps, partition, highest, offsets.events.next);
  const { covered } = mark;
  return {
    partition,
    offsets,
    owner: mark.owner,
    term: mark.term,
    epoch: mark.epoch,
    covered,
    sourceLagRecords: {
      realtime: offsets.deliveries.next - covered.realtime - 1,
      bulk: offsets['deliveries.bulk'].next - covered.bulk - 1,
    },
    projections: marks.map((stored) => ({
      projection: stored.projection,
      version: stored.version,
      next: stored.mark.next,
      term: stored.mark.term,
      lagRecords: Math.max(0, offsets.events.next - stored.mark.next),
    })),
    lastSeq: Object.fromEntries([...mark.lastSeq].sort(([a], [b]) => (a < b ? -1 : 1))),
    fault,
  };
}

async function readOffsets(log: EventLog, partition: number): Promise<Record<Topic, Bounds>> {
  const entries = topics.map(async (topic) => [topic, await log.bounds(topic, partition)] as const);
  return Object.fromEntries(await Promise.all(entries)) as Record<Topic, Bounds>;
}

async function readMarks(database: Database, partition: number): Promise<readonly StoredMark[]> {
  const { rows } = await database.query<MarkRow & { projection: string; version: number }>(
    `select m.projection, m.version, ${markColumns} from marks m where m.partition = $1
      order by m.projection, m.version`,
    [partition],
  );
  return rows.map((row) => ({
    projection: row.projection,
    version: row.version,
    mark: markOf(row),
  }));
}

/** From a mark to `end`, with the tests of every reader; a loss ends it and is told. */
async function readOn(
  { log, signal }: InspectDeps,
  partition: number,
  from: Mark,
  end: number,
): Promise<{ readonly mark: Mark; readonly fault: string | null }> {
  const reader = new PartitionReader(from, `events[${partition}]`);
  const fetcher = await log.openFetcher();
  const limits = { maxWaitMs: 1000, maxBytesPerPartition: 1 << 20 };
  try {
    while (reader.next < end) {
      const position = { topic: 'events' as const, partition, from: reader.next };
      const [found] = await fetcher.fetch([position], limits, signal);
      for (const record of found?.records ?? []) reader.read(record);
    }
    return { mark: reader.mark(), fault: null };
  } catch (thrown) {
    signal.throwIfAborted();
    return { mark: reader.mark(), fault: toError(thrown).message };
  } finally {
    await fetcher.close();
  }
}
