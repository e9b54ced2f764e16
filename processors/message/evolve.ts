// Station processors, pure. Comes in: a state and an event of a message. Goes out: the state after it.

import type { AggregateState } from '../../schemas/aggregates.js';
import type { MessageEventBody } from '../../schemas/events.js';
import { messageStateOf, type MessageState } from './state.js';

/** Only an event that carries a fact changes the state. */
export function evolveMessage(state: AggregateState | null, body: MessageEventBody): MessageState {
  const { messageId, after, fact } = body;
  const before: MessageState =
    state === null ? { messageId, provider: after.provider, facts: [] } : messageStateOf(state);
  if (fact === null) return before;
  const at = before.facts.findIndex(({ factId }) => factId === fact.factId);
  return { ...before, facts: at < 0 ? [...before.facts, fact] : before.facts.with(at, fact) };
}
