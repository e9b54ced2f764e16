// Station processors, pure. Comes in: a state and an event of a record. Goes out: the state after it.

import type { AggregateState } from '../../schemas/aggregates.js';
import type { RecordEventBody } from '../../schemas/events.js';
import { recordStateOf, withFact, type RecordState } from './state.js';

/** Only an event that carries a fact changes the state. */
export function evolveRecord(state: AggregateState | null, body: RecordEventBody): RecordState {
  const { recordId, after, fact } = body;
  const before: RecordState =
    state === null ? { recordId, provider: after.provider, facts: [] } : recordStateOf(state);
  return fact === null ? before : { ...before, facts: withFact(before.facts, fact) };
}
