// One owner per partition (design 3.2): take, restore, decide, append, one batch in flight.

import type { EventDraft } from '../schemas/events.js';
import type { Offset, TenantId, Seq } from '../schemas/ids.js';
import type { ValidEvent } from './consume.js';
import type { EventLog, StoredRecord } from './event-log.js';
import type { Mark } from './mark.js';

export interface SourceRecord extends StoredRecord {
  readonly lane: 'realtime' | 'bulk';
}

/** What a freshly taken ownership starts from. Nothing else counts (rule 2). */
export interface Restored {
  readonly partition: number;
  /** The mark of aggregate_state, read in one statement. */
  readonly mark: Mark;
  /** Valid events from `mark.next` up to and including the own marker. */
  readonly tail: readonly ValidEvent[];
}

/** What happens with the inputs; implemented by the processors. One instance per ownership. */
export interface Decider {
  /**
   * The outputs of each input, in the order of the inputs; may run ahead of the acks of earlier
   * batches. An input whose outputs the owner finds too large is decided again by `park`.
   */
  decide(inputs: readonly SourceRecord[]): Promise<readonly (readonly EventDraft[])[]>;
  /** Outputs for an input that cannot be processed or whose outputs exceed the batch limit. */
  park(input: SourceRecord, errorCode: string, error: string): readonly EventDraft[];
  /** The drafts of the oldest undecided batch are in the log from `base` on, with these numbers. */
  acknowledged(placed: readonly PlacedDraft[]): void;
}

export interface PlacedDraft {
  readonly draft: EventDraft;
  readonly offset: Offset;
  readonly seq: Seq;
}

export interface OwnerOptions {
  readonly log: EventLog;
  readonly partition: number;
  /** Reads the mark of aggregate_state in one statement. */
  readonly readMark: (partition: number) => Promise<Mark>;
  /** Makes the decider of this ownership; `again` when the store moved past the restored tail. */
  readonly begin: (restored: Restored) => Promise<Decider | 'again'>;
  readonly encode: EncodeEvent;
  readonly maxInputs: number;
  readonly signal: AbortSignal;
}

/** Makes the log value of an event once the owner has numbered it. */
export type EncodeEvent = (
  draft: EventDraft,
  numbered: { readonly tenant: TenantId; readonly seq: Seq } & Pick<
    import('../schemas/events.js').EventEnvelope,
    'epoch' | 'owner' | 'covered'
  >,
) => Buffer;

/**
 * Owns the partition until the signal aborts: takes it, works, and takes it again after a random
 * back-off whenever the ownership ends (unknown append, foreign marker, store below the floor).
 */
export declare function ownPartition(options: OwnerOptions): Promise<void>;
