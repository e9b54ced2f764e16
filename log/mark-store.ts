// Marks in Postgres: table `marks` (one row per projection, version and partition) and `mark_sequences`
// (last sequence per tenant). Read by the owner in one statement, moved by the projections by
// compare-and-set in the transaction of their rows.

import type { Database, Transaction } from '../runtime/postgres.js';
import type { Mark, MarkOutcome } from './mark.js';

export interface MarkKey {
  readonly projection: string;
  readonly version: number;
  readonly partition: number;
}

/** One statement. Null when the projection never committed. */
export declare function readMark(db: Database | Transaction, key: MarkKey): Promise<Mark | null>;

/**
 * Moves the marks of several projections of one partition from `before` to `after`, all or none;
 * anything but `stored` and `same` must roll the transaction back.
 */
export declare function moveMarks(
  transaction: Transaction,
  keys: readonly MarkKey[],
  before: Mark,
  after: Mark,
): Promise<MarkOutcome>;
