// Station processors, pure. Comes in: a state and an event of a call. Goes out: the state after it.
// Decisions read what this makes, so it has a version (processors/evolver.ts).

import type { CallEventBody } from '../../schemas/events.js';
import { callStateOf, emptyCall, withFact, type AliasState, type CallState } from './state.js';
import type { AggregateState } from '../../schemas/aggregates.js';

/** Reason of a `call.fact_refused` that adds nothing, because the call holds as many as it may. */
export const tooManyFacts = 'too_many_facts';

/** A call after one of its events. Only events that carry a fact, or end a merged call, change it. */
export function evolveCall(state: AggregateState | null, body: CallEventBody): CallState {
  const { after, fact, callId } = body;
  const before = state === null ? emptyCall(callId, after.provider) : callStateOf(state);
  if (after.mergedInto !== null) {
    return { ...emptyCall(callId, after.provider), mergedInto: after.mergedInto };
  }
  // A call that was merged away can win later, when a link shows that it is the root after all.
  const open = before.mergedInto === null ? before : { ...before, mergedInto: null };
  if (fact !== null) return withFact(open, fact);
  const isOverflow = body.type === 'call.fact_refused' && body.reason === tooManyFacts;
  return isOverflow ? { ...open, overflow: open.overflow + 1 } : open;
}

export const evolveAlias = (body: CallEventBody): AliasState => ({ callId: body.callId });
