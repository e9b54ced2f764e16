// What an owner asks of the processors: outputs for inputs. Comes in: inputs, and the state an
// ownership starts from. Goes out: drafts, which the owner numbers, encodes and appends.

import type { EventDraft, EventEnvelope } from '../schemas/events.js';
import type { Offset, Seq, TenantId } from '../schemas/ids.js';
import type { SourceRecord } from './lanes.js';
import type { Mark } from './mark.js';
import type { ValidEvent } from './sequence.js';

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
  park(
    input: SourceRecord,
    errorCode: string,
    error: string,
  ): readonly EventDraft[] | Promise<readonly EventDraft[]>;
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

/** Makes the log value of an event once the owner has numbered it. */
export type EncodeEvent = (
  draft: EventDraft,
  numbered: { readonly tenant: TenantId } & Pick<
    EventEnvelope,
    'seq' | 'epoch' | 'owner' | 'covered'
  >,
) => Buffer;
