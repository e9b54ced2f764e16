// The mark (design 3.2, rule 5): how far a reader of `events[p]` has applied the log, written in the
// transaction of its rows and read in one statement.

import type { Coverage } from '../schemas/events.js';
import {
  offset,
  type Epoch,
  type Offset,
  type OwnerId,
  type Seq,
  type TenantId,
} from '../schemas/ids.js';

export interface Mark {
  /** Null only on a log that has no marker yet. */
  readonly epoch: Epoch | null;
  /** The next offset to apply: exclusive end of what is applied. */
  readonly next: Offset;
  /** The accepted owner and term at `next`, ownership markers included. */
  readonly owner: OwnerId | null;
  readonly term: number;
  /** Highest covered offset of each source topic, from valid records below `next`. */
  readonly covered: Coverage;
  /** Last sequence of each tenant of the partition. */
  readonly lastSeq: ReadonlyMap<TenantId, Seq>;
}

/** Where a reader without a mark starts: the beginning. */
export const startMark: Mark = {
  epoch: null,
  next: offset(0),
  owner: null,
  term: 0,
  covered: { realtime: offset(-1), bulk: offset(-1) },
  lastSeq: new Map(),
};

/**
 * Outcome of moving a mark by compare-and-set. `ahead`: another writer has taken over, stop quietly.
 * `mismatch`: the stored mark is none this reader could have left, stop loudly.
 */
export type MarkOutcome = 'stored' | 'same' | 'ahead' | 'mismatch';
