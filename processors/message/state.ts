// Station processors, pure. What is kept of a message between events: its facts.

import type { AggregateState } from '../../schemas/aggregates.js';
import type { StoredMessageFact } from '../../schemas/call-state.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { MessageId } from '../../schemas/ids.js';

/** State of the aggregate `message`. A type, not an interface, so that it is an AggregateState. */
export type MessageState = {
  readonly messageId: MessageId;
  readonly provider: ProviderName;
  readonly facts: readonly StoredMessageFact[];
};

/** Reads a row that `evolve` made. */
export const messageStateOf = (state: AggregateState): MessageState => state as MessageState;
