// How a partition of `events` is read: density check, owner test, sequence test, in that order
// (design 3.1, 3.2 rule 3). Comes in: a mark. Goes out: valid events with the mark after them.

import type { Coverage } from '../schemas/events.js';
import type { Epoch, Offset, OwnerId, Seq, TenantId } from '../schemas/ids.js';
import type { EventLog } from './event-log.js';
import type { Mark } from './mark.js';

/** A record that passed every test of the reader. */
export interface ValidEvent {
  readonly offset: Offset;
  readonly appendedAt: number;
  readonly tenant: TenantId;
  readonly seq: Seq;
  readonly eventId: string;
  readonly epoch: Epoch;
  readonly owner: OwnerId;
  readonly covered: Coverage;
  /** Confluent wire format, see `event-codec.ts`. */
  readonly value: Buffer;
}

export interface ValidBatch {
  readonly partition: number;
  readonly before: Mark;
  /** May be empty: markers, checkpoints and dropped records move the mark too. */
  readonly events: readonly ValidEvent[];
  readonly mark: Mark;
  /** End of the partition as far as this read knows, for lag. */
  readonly end: Offset;
}

export interface FollowOptions {
  readonly log: EventLog;
  readonly starts: ReadonlyMap<number, Mark>;
  readonly signal: AbortSignal;
  readonly maxEvents: number;
  /** Longest wait for new records in ms; bounds how late an abort is noticed by the driver. */
  readonly maxWaitMs: number;
  /** A loss stops the reading of that whole partition for good; the others go on. */
  readonly onLoss: (partition: number, error: Error) => void;
}

export declare function follow(options: FollowOptions): AsyncGenerator<ValidBatch, void, void>;
