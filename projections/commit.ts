// One transaction per batch: the rows of all projections that stand at its begin, and their marks,
// moved by compare-and-set (design 3.4). Comes in: a segment. Goes out: the outcome of the fence.

import { moveMarks, type MarkKey } from '../log/mark-store.js';
import type { Mark, MarkOutcome } from '../log/mark.js';
import { inTransaction, type Database, type Transaction } from '../runtime/postgres.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { Fold } from './projection.js';
import { runStatements, statementsOf, type Statement, type TableChange } from './table.js';

/** Everything that is known of a commit before its transaction begins. */
export interface PreparedCommit {
  readonly keys: readonly MarkKey[];
  readonly before: Mark;
  readonly after: Mark;
  readonly events: readonly EventEnvelope[];
  /** Of the projections whose changes depend on the events alone. */
  readonly statements: readonly Statement[];
  /** Of the others; they read their rows inside the transaction. */
  readonly folds: readonly Fold[];
}

/** Ends the transaction when the marks did not move: its rows must not stand. */
class NotStored extends Error {
  constructor(readonly outcome: MarkOutcome) {
    super(`marks: ${outcome}`);
  }
}

/**
 * Commits rows and marks together, or neither. The marks are moved first: their row locks make a
 * second projector wait before it does any work, and let the folds read rows that cannot move.
 * Throws what the database or a fold throws; then nothing is known to be committed.
 */
export async function commitBatch(
  database: Database,
  prepared: PreparedCommit,
): Promise<MarkOutcome> {
  try {
    await inTransaction(database, async (transaction) => {
      const { keys, before, after } = prepared;
      const outcome = await moveMarks(transaction, keys, before, after);
      if (outcome !== 'stored') throw new NotStored(outcome);
      await writeRows(transaction, prepared);
    });
  } catch (thrown) {
    for (const fold of prepared.folds) fold.forget();
    if (thrown instanceof NotStored) return thrown.outcome;
    throw thrown;
  }
  for (const fold of prepared.folds) fold.committed(prepared);
  return 'stored';
}

async function writeRows(transaction: Transaction, prepared: PreparedCommit): Promise<void> {
  const { events, folds, statements } = prepared;
  if (events.length === 0) return;
  for (const fold of folds) await fold.load(transaction, events);
  // The database writes the other rows while this process folds. Both are awaited even when one
  // fails: the connection is not given back with work under way.
  const writing = runStatements(transaction, statements);
  const folding = foldAll(folds);
  const [written, folded] = await Promise.allSettled([writing, folding]);
  if (written.status === 'rejected') throw written.reason;
  if (folded.status === 'rejected') throw folded.reason;
  await runStatements(transaction, folded.value);
}

async function foldAll(folds: readonly Fold[]): Promise<Statement[]> {
  const changes: TableChange[] = [];
  for (const fold of folds) changes.push(...(await fold.apply()));
  return statementsOf(changes);
}
