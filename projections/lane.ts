// The lane of one partition: batches are committed one after another, each made ready while the one
// before it is under way. Comes in: the queue. Goes out: commits, and why the lane ended.

import type { Codec } from '../log/event-codec.js';
import type { Mark, MarkOutcome } from '../log/mark.js';
import { TrunklineError, toError } from '../runtime/errors.js';
import type { Database } from '../runtime/postgres.js';
import type { Seq, TenantId } from '../schemas/ids.js';
import { commitBatch, type PreparedCommit } from './commit.js';
import { readMarks } from './positions.js';
import { prepareBatch, type Member } from './prepare.js';
import type { BatchQueue } from './queue.js';

/**
 * Why a lane ended. `ahead`: another projector has taken over. `retry`: the database was away or in
 * trouble; go on from the stored mark. `stopped`: loud and for good; somebody must look. `closed`:
 * it was asked to.
 */
export type LaneEnd =
  | { readonly kind: 'closed' }
  | { readonly kind: 'ahead' }
  | { readonly kind: 'retry'; readonly error: Error }
  | { readonly kind: 'stopped'; readonly error: Error };

/** A commit as the rest of the process sees it. */
export interface Committed {
  readonly partition: number;
  /** The lowest mark of the partition's projections after this commit. */
  readonly mark: Mark;
  /** Last sequence of each tenant that this commit touched. */
  readonly lastSeqs: ReadonlyMap<TenantId, Seq>;
  readonly events: number;
  readonly seconds: number;
}

export interface LaneOptions {
  readonly partition: number;
  readonly members: readonly Member[];
  readonly queue: BatchQueue;
  readonly database: Database;
  readonly codec: Codec;
  readonly onCommitted: (committed: Committed) => void;
}

/**
 * Least time from the begin of one commit to the next while events keep coming: a commit costs the
 * database much the same for one event and for fifty. The first event after a pause does not wait.
 */
const commitGapMs = 25;

/** Runs until the queue is closed or something ends it; a commit under way is always awaited. */
export async function runLane(options: LaneOptions): Promise<LaneEnd> {
  let underWay: Promise<LaneEnd | null> = Promise.resolve(null);
  let notBeforeMs = 0;
  for (;;) {
    const batch = await options.queue.take(notBeforeMs);
    if (batch === null) return (await underWay) ?? { kind: 'closed' };
    const prepared = await prepare(options, batch);
    const ended = await underWay;
    if (ended !== null) return ended;
    if (!Array.isArray(prepared)) return prepared;
    notBeforeMs = performance.now() + commitGapMs;
    underWay = commitAll(options, prepared).then((end) => {
      // Nobody may wait for a next batch that will never be committed.
      if (end !== null) options.queue.close();
      return end;
    });
  }
}

type Batch = NonNullable<Awaited<ReturnType<BatchQueue['take']>>>;

async function prepare(options: LaneOptions, batch: Batch): Promise<PreparedCommit[] | LaneEnd> {
  try {
    return await prepareBatch(options.codec, options.members, batch);
  } catch (thrown) {
    const error = toError(thrown);
    // A schema that is fetched while the registry is away is no fault of the event.
    return isTransient(error) ? { kind: 'retry', error } : { kind: 'stopped', error };
  }
}

async function commitAll(
  options: LaneOptions,
  prepared: readonly PreparedCommit[],
): Promise<LaneEnd | null> {
  for (const commit of prepared) {
    const startedAt = performance.now();
    const end = await attempt(options, commit);
    if (end !== null) return end;
    options.onCommitted({
      partition: options.partition,
      mark: commit.after,
      lastSeqs: changedSequences(commit),
      events: commit.events.length,
      seconds: (performance.now() - startedAt) / 1000,
    });
  }
  return null;
}

async function attempt(options: LaneOptions, commit: PreparedCommit): Promise<LaneEnd | null> {
  try {
    const outcome = await commitBatch(options.database, commit);
    return outcome === 'mismatch' ? await mismatch(options, commit) : endOf(outcome);
  } catch (thrown) {
    const error = toError(thrown);
    return isTransient(error) ? { kind: 'retry', error } : { kind: 'stopped', error };
  }
}

const endOf = (outcome: Exclude<MarkOutcome, 'mismatch'>): LaneEnd | null =>
  outcome === 'ahead' ? { kind: 'ahead' } : null;

/**
 * A database that lost its last commits (failover, restore) has rows and marks of one earlier moment:
 * reading on from there is right. Any other mark is none that a projector can have left.
 */
async function mismatch(
  { database, partition, members }: LaneOptions,
  { before, keys }: PreparedCommit,
): Promise<LaneEnd> {
  const projections = members.map(({ projection }) => projection);
  const marks = await readMarks(database, projections);
  const stored = keys.map(({ projection }) => marks.get(projection)?.get(partition));
  const [first] = stored;
  const wentBack =
    keys.length === members.length &&
    stored.every((mark) => mark?.next === first?.next && mark?.epoch === before.epoch) &&
    first !== undefined &&
    first.next < before.next;
  const error = new TrunklineError(
    'mark_mismatch',
    wentBack
      ? `the database went back from offset ${before.next} to ${first.next}: it has lost commits`
      : `the stored mark is not at offset ${before.next}, term ${before.term}, where this projector left it`,
  );
  return { kind: wentBack ? 'retry' : 'stopped', error };
}

function changedSequences({ before, after }: PreparedCommit): Map<TenantId, Seq> {
  const changed = new Map<TenantId, Seq>();
  for (const [tenant, last] of after.lastSeq) {
    if (before.lastSeq.get(tenant) !== last) changed.set(tenant, last);
  }
  return changed;
}

// Classes of SQLSTATE where the same transaction can succeed later: connection, rollback (deadlock,
// serialization), resources, operator intervention and time-outs, locks, system error.
const transientState = /^(08|25006|40|53|55|57|58)/;

/** True when the database was away or in trouble, false when the batch itself cannot be written. */
export function isTransient(error: Error): boolean {
  if (error instanceof TrunklineError) return error.retryable;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string') return transientState.test(code) || /^E[A-Z]+$/.test(code);
  return /connection|time-?out/i.test(error.message);
}
