// Applies a stretch of the log to the shadow of a rebuild. Comes in: where it stands and where it is to
// stop, by partition. Goes out: rows in the shadow schema, and nothing else.

import { follow, type ValidBatch } from '../log/consume.js';
import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { Mark } from '../log/mark.js';
import { inTransaction, type Database } from '../runtime/postgres.js';
import type { EventEnvelope } from '../schemas/events.js';
import { runStatements, statementsOf } from './table.js';
import { decodeAll } from './prepare.js';
import type { Fold, Projection } from './projection.js';
import { shadowOf } from './shadow.js';

export interface FillProgress {
  readonly events: number;
  /** Records of the log that are behind us, and to where. */
  readonly records: number;
  readonly totalRecords: number;
  readonly eventsPerSecond: number;
  /** Null while there is no rate to tell it from. */
  readonly etaSeconds: number | null;
}

export interface FillOptions {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
  readonly projection: Projection;
  readonly from: ReadonlyMap<number, Mark>;
  /** A mark is a function of the log below it, so reading stops exactly there. */
  readonly to: ReadonlyMap<number, Mark>;
  readonly eventsBefore: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: FillProgress) => void;
}

const maxEvents = 5_000;

/** Fills up to the marks of `to`; the number of events so far. Stops at the first thing that is wrong. */
export async function fillShadow(options: FillOptions): Promise<number> {
  const { log, from, to, signal } = options;
  const folds = new Map<number, Fold>();
  const starts = new Map([...from].filter(([p, mark]) => mark.next < (to.get(p)?.next ?? 0)));
  const progress = track(options, starts);
  const losses: Error[] = [];
  const onLoss = (_: number, error: Error): void => {
    losses.push(error);
  };
  if (starts.size === 0) return options.eventsBefore;
  const open = new Set(starts.keys());
  for await (const batch of follow({ log, starts, signal, maxEvents, maxWaitMs: 500, onLoss })) {
    const stop = to.get(batch.partition)?.next ?? 0;
    if (!open.has(batch.partition)) continue;
    const events = await decodeAll(
      options.codec,
      batch.events.filter(({ offset }) => offset < stop),
    );
    await apply(options, folds, batch, events);
    progress.advance(batch, Math.min(batch.mark.next, stop), events.length);
    if (batch.mark.next >= stop) open.delete(batch.partition);
    if (open.size === 0) break;
  }
  signal.throwIfAborted();
  if (losses[0] !== undefined) throw losses[0];
  return progress.events();
}

async function apply(
  { database, projection }: FillOptions,
  folds: Map<number, Fold>,
  { partition }: ValidBatch,
  events: readonly EventEnvelope[],
): Promise<void> {
  if (events.length === 0) return;
  const schema = shadowOf(projection);
  await inTransaction(database, async (transaction) => {
    // A crash costs the whole shadow anyway.
    await transaction.query('set local synchronous_commit = off');
    if ('reduce' in projection) {
      await runStatements(transaction, statementsOf(projection.reduce(events), schema));
      return;
    }
    const fold = folds.get(partition) ?? projection.open(partition, schema);
    folds.set(partition, fold);
    await fold.load(transaction, events);
    await runStatements(transaction, statementsOf(await fold.apply(), schema));
  });
  folds.get(partition)?.committed();
}

function track(options: FillOptions, starts: ReadonlyMap<number, Mark>) {
  const { to, eventsBefore, onProgress } = options;
  const at = new Map([...to].map(([p, mark]) => [p, starts.get(p)?.next ?? mark.next]));
  const sum = (offsets: Iterable<number>): number => [...offsets].reduce((a, b) => a + b, 0);
  const totalRecords = sum([...to.values()].map(({ next }) => next));
  const first: number = sum(at.values());
  const startedAt = performance.now();
  let events = eventsBefore;
  return {
    events: () => events,
    advance(batch: ValidBatch, next: number, count: number): void {
      at.set(batch.partition, next as Mark['next']);
      events += count;
      const records = sum(at.values());
      const seconds = (performance.now() - startedAt) / 1000;
      const rate = (records - first) / seconds;
      onProgress({
        ...{ events, records, totalRecords },
        eventsPerSecond: (events - eventsBefore) / seconds,
        etaSeconds: rate > 0 ? (totalRecords - records) / rate : null,
      });
    },
  };
}
