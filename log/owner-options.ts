// What `ownPartition` is given: the log, the processors, and what tests replace (time, randomness).

import type { Logger } from '../runtime/logger.js';
import type { Coverage } from '../schemas/events.js';
import type { Clauses } from './clauses.js';
import type { Decider, EncodeEvent, Restored } from './decider.js';
import type { EventLog } from './event-log.js';
import type { Lane } from './lanes.js';
import type { Mark } from './mark.js';
import type { EndReason } from './ownership-end.js';
import type { Sleep } from './pause.js';

/** What may be watched, for metrics; none of it changes anything. */
export interface OwnerObserver {
  taken(info: { readonly partition: number; readonly term: number; readonly tail: number }): void;
  ended(info: { readonly partition: number; readonly reason: EndReason }): void;
  appended(info: {
    readonly partition: number;
    readonly inputs: number;
    readonly events: number;
    readonly bytes: number;
  }): void;
  /** What is covered, once restored and after each ack. */
  covered(info: { readonly partition: number; readonly covered: Coverage }): void;
  /** An input was parked because its outputs exceed the batch limit. */
  parked(info: { readonly partition: number }): void;
  /** Records of a lane that are read or waiting, but not yet decided. */
  lag(info: { readonly partition: number; readonly lane: Lane; readonly records: number }): void;
}

export interface OwnerOptions {
  readonly log: EventLog;
  readonly partition: number;
  /** Reads the mark of aggregate_state in one statement; `startMark` where there is none. */
  readonly readMark: (partition: number) => Promise<Mark>;
  /**
   * Makes the decider of this ownership; `again` when the store is before the restored tail. The
   * signal aborts when the ownership is over: what the decider waits for then has no sense.
   */
  readonly begin: (restored: Restored, signal: AbortSignal) => Promise<Decider | 'again'>;
  readonly encode: EncodeEvent;
  /**
   * Most records of `events[p]` that the store may be behind at a takeover, which keeps them all in
   * memory: a new version of its rules begins at the log's beginning. Default 50,000, some 150 MB.
   */
  readonly maxTail?: number;
  /** Most inputs of one micro-batch. */
  readonly maxInputs: number;
  readonly signal: AbortSignal;
  readonly logger?: Logger;
  readonly observe?: Partial<OwnerObserver>;
  /** Names owners, and the epoch of an empty log. Default: random UUIDs. */
  readonly newId?: () => string;
  /** From 0 to 1, spreads the back-off. Default: Math.random. */
  readonly random?: () => number;
  /** Default: a real timer. */
  readonly sleep?: Sleep;
  /** Monotonic ms. Default: performance.now. */
  readonly now?: () => number;
  /** Test only, see `clauses.ts`. */
  readonly clauses?: Clauses;
}
