// Rebuilds a read model from the log's beginning, beside the live one (promise 7). Comes in: the log
// and the live rows. Goes out: a proof that both are equal byte for byte, or the rows put right.

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { startMark, type Mark } from '../log/mark.js';
import { TrunklineError } from '../runtime/errors.js';
import { inTransaction, type Database, type Transaction } from '../runtime/postgres.js';
import { compareTables, replaceRows, type TableComparison } from './compare.js';
import { fillShadow, type FillProgress } from './fill.js';
import { readMarks } from './positions.js';
import type { Projection } from './projection.js';
import { createShadow, dropShadow, shadowOf } from './shadow.js';

export interface RebuildOptions {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
  readonly projection: Projection;
  /** Only says whether rebuilt equals live. */
  readonly compareOnly: boolean;
  /** An abort ends the rebuild at any point and leaves everything as it was. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RebuildProgress) => void;
}

/** `filling` beside the live projector, then `comparing` while it waits. */
export interface RebuildProgress extends FillProgress {
  readonly stage: 'filling' | 'comparing';
}

export interface RebuildReport {
  readonly projection: string;
  readonly version: number;
  readonly events: number;
  readonly seconds: number;
  /** How long the live projectors waited for the comparison and the swap. */
  readonly heldSeconds: number;
  readonly tables: readonly TableComparison[];
  readonly equal: boolean;
  /** True when live rows differed and were replaced. */
  readonly swapped: boolean;
}

/**
 * Fills a shadow schema from the log's beginning to the live mark with nothing but rows as its
 * effect, compares it with the live tables, and unless told to compare only, replaces what differs.
 * The live projectors go on meanwhile; at the end they wait, so that both sides stand at one mark.
 * What readers see changes in one transaction. Whatever happens, no shadow is left behind; what a
 * killed process left is removed by the next rebuild.
 */
export async function rebuildProjection(options: RebuildOptions): Promise<RebuildReport> {
  const { database, projection } = options;
  return withLock(database, projection, async () => {
    const startedAt = performance.now();
    await createShadow(database, projection);
    try {
      const filled = await fillBeside(options);
      const ended = await settle(options, filled);
      const seconds = (performance.now() - startedAt) / 1000;
      const { name, version } = projection;
      return { projection: name, version, seconds, ...ended };
    } finally {
      await dropShadow(database, projection);
    }
  });
}

/** One rebuild of a projection at a time, over all processes; a dead holder's lock is gone with it. */
async function withLock<T>(
  database: Database,
  projection: Projection,
  work: () => Promise<T>,
): Promise<T> {
  const client = await database.connect();
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as locked',
      [shadowOf(projection)],
    );
    if (rows[0]?.locked !== true) {
      throw new TrunklineError('rebuild_running', `${projection.name} is being rebuilt already`);
    }
    return await work();
  } finally {
    await client.query('select pg_advisory_unlock_all()').catch(() => undefined);
    client.off('error', onError);
    client.release(broken);
  }
}

/** How far the shadow is, by partition. */
interface Filled {
  readonly marks: ReadonlyMap<number, Mark>;
  readonly events: number;
}

// Fewer records than this are read in less time than a reader notices.
const smallTail = 1_000;

/** Follows the live mark until little is left, or until it runs away as fast as we come. */
async function fillBeside(options: RebuildOptions): Promise<Filled> {
  let filled: Filled = { marks: new Map(), events: 0 };
  for (let before = Infinity; ;) {
    const targets = await liveMarks(options.database, options.projection);
    const left = distance(filled.marks, targets);
    if (filled.marks.size > 0 && (left <= smallTail || left >= before)) return filled;
    before = left;
    filled = await fillTo(options, filled, targets);
    if (targets.size === 0) return filled;
  }
}

async function fillTo(
  options: RebuildOptions,
  filled: Filled,
  targets: ReadonlyMap<number, Mark>,
): Promise<Filled> {
  const events = await fillShadow({
    ...options,
    from: new Map([...targets.keys()].map((p) => [p, filled.marks.get(p) ?? startMark])),
    to: targets,
    eventsBefore: filled.events,
    onProgress: (progress) => options.onProgress?.({ stage: 'filling', ...progress }),
  });
  return { marks: targets, events };
}

async function liveMarks(
  database: Database | Transaction,
  projection: Projection,
): Promise<ReadonlyMap<number, Mark>> {
  return (await readMarks(database, [projection])).get(projection.name) ?? new Map<number, Mark>();
}

function distance(from: ReadonlyMap<number, Mark>, to: ReadonlyMap<number, Mark>): number {
  return [...to].reduce((sum, [p, mark]) => sum + mark.next - (from.get(p)?.next ?? 0), 0);
}

type Settled = Pick<RebuildReport, 'events' | 'heldSeconds' | 'tables' | 'equal' | 'swapped'>;

/**
 * With every projector held before its next mark: the rest of the log, the comparison, the swap.
 * The lock is the first thing both sides take, so neither can hold what the other needs.
 */
async function settle(options: RebuildOptions, filled: Filled): Promise<Settled> {
  const { database, projection, compareOnly, signal } = options;
  return inTransaction(database, async (transaction) => {
    await transaction.query('set local statement_timeout = 0');
    await transaction.query('set local idle_in_transaction_session_timeout = 0');
    await transaction.query('lock table marks in share row exclusive mode');
    const heldAt = performance.now();
    const { events, marks } = await fillTo(
      options,
      filled,
      await liveMarks(transaction, projection),
    );
    const records = distance(new Map(), marks);
    options.onProgress?.({
      ...{ stage: 'comparing', events, records, totalRecords: records },
      ...{ eventsPerSecond: 0, etaSeconds: 0 },
    });
    const tables = await compareTables(transaction, projection, shadowOf(projection));
    signal.throwIfAborted();
    const equal = tables.every((table) => table.equal);
    const swapped = !equal && !compareOnly;
    if (swapped) await replaceRows(transaction, projection, shadowOf(projection));
    signal.throwIfAborted();
    return { events, tables, equal, swapped, heldSeconds: (performance.now() - heldAt) / 1000 };
  });
}
