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
  /** The mark after the tail: epoch, own id and term, last sequence per tenant. */
  readonly after: Mark;
}

/** What happens with the inputs; implemented by the processors. One instance per ownership. */
export interface Decider {
  /**
   * The outputs of each input, in the order of the inputs; may run ahead of the acks of earlier
   * batches. Never called again before its promise has settled. An error of code `store_behind`
   * ends the ownership and the partition is taken again.
   */
  decide(inputs: readonly SourceRecord[]): Promise<readonly (readonly EventDraft[])[]>;
  /**
   * Forgets everything the last call of `decide` decided, as if it had not been called: the outputs
   * of one of its inputs exceed the batch limit, and what was decided after that input was decided
   * from events that will not be. Called at most once, right after that call settled; then come
   * `decide` for the inputs before, `park` for the input, `decide` for the inputs after.
   */
  revoke(): void;
  /** Outputs for an input whose outputs exceed the batch limit; later decisions build on them. */
  park(input: SourceRecord, errorCode: string, error: string): readonly EventDraft[];
  /**
   * These drafts are in the log, with these offsets and numbers. Called once per append that held
   * events, in the order of the decisions; one call of `decide` may take several appends.
   */
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
