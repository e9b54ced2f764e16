// Station processors: deciding one delivery. Comes in: its sealed facts and the states they touch. Goes
// out: what they mean, event by event; the states after each event are set on the way.

import { TrunklineError } from '../runtime/errors.js';
import type { AggregateRef } from '../schemas/aggregates.js';
import type { StoredCallFact } from '../schemas/call-state.js';
import type { CallEventBody, EventBody } from '../schemas/events.js';
import type { NotUnderstoodFact, ProviderName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import { decideCall, decideTimer, type CallDecision } from './call/decide.js';
import { aliasKey, refsOf } from './call/identity.js';
import { aliasStateOf, callStateOf, rememberFold, type CallState } from './call/state.js';
import { noChange } from './call/timeline-change.js';
import type { TimerRules } from './call/timers.js';
import type { Decided } from './drafts.js';
import { evolveBody, touchedBy } from './evolver.js';
import { decideMessage } from './message/decide.js';
import { messageStateOf } from './message/state.js';
import { decideRecord } from './record/decide.js';
import { recordStateOf } from './record/state.js';
import type { SealedFact } from './seal.js';
import type { BatchStates } from './state.js';

/** Whose facts are decided. */
export interface Whose {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  /** How long timers run; the defaults where nothing is said. */
  readonly rules?: TimerRules;
}

/** The aggregates a fact's decision begins with; the calls behind aliases come with their rows. */
export function refsOfFact({ tenant, provider }: Whose, sealed: SealedFact): AggregateRef[] {
  switch (sealed.kind) {
    case 'call':
      return refsOf([sealed.fact]).map((ref) => aliasRef({ tenant, provider }, ref));
    case 'message':
      return [{ tenant, kind: 'message', key: sealed.messageId }];
    case 'record':
      return [{ tenant, kind: 'record', key: sealed.recordId }];
    case 'timer':
      return [{ tenant, kind: 'call', key: sealed.fact.callId }];
    case 'not_understood':
      return sealed.fact.legRef === null
        ? []
        : [aliasRef({ tenant, provider }, sealed.fact.legRef)];
    case 'act':
      return [];
  }
}

const aliasRef = ({ tenant, provider }: Whose, reference: string): AggregateRef => ({
  tenant,
  kind: 'alias',
  key: aliasKey(provider, reference),
});

/** Decides the facts of one delivery in their order, each on the states the one before left. */
export function decideFacts(
  whose: Whose,
  facts: readonly SealedFact[],
  states: BatchStates,
): readonly Decided[] {
  return facts.flatMap((sealed) => {
    const { factId, occurredAt } = sealed.fact;
    return decideFact(whose, sealed, states).map((body) => ({ factId, occurredAt, body }));
  });
}

function decideFact(whose: Whose, sealed: SealedFact, states: BatchStates): readonly EventBody[] {
  switch (sealed.kind) {
    case 'call':
      return applyCall(whose, sealed.fact, states).bodies;
    case 'message': {
      const { messageId, fact } = sealed;
      const { tenant, provider } = whose;
      const known = states.get({ tenant, kind: 'message', key: messageId });
      const state = known === null ? null : messageStateOf(known);
      const body = decideMessage({ messageId, provider, state }, fact);
      evolveAll(tenant, [body], states);
      return [body];
    }
    case 'record': {
      const { recordId, fact } = sealed;
      const { tenant, provider } = whose;
      const known = states.get({ tenant, kind: 'record', key: recordId });
      const state = known === null ? null : recordStateOf(known);
      const body = decideRecord({ recordId, provider, state }, fact);
      evolveAll(tenant, [body], states);
      return [body];
    }
    case 'not_understood':
      return decideNotUnderstood(whose, sealed.fact, sealed.receivedAt, states);
    case 'act':
      // Decided on its own, beside the rules: what it releases is decided by them.
      return [];
    case 'timer':
      return applyTimer(whose, sealed, states);
  }
}

function applyCall(whose: Whose, fact: StoredCallFact, states: BatchStates): CallDecision {
  const found = new Map<string, CallState>();
  for (const ref of refsOf([fact])) {
    const state = callBehind(whose, ref, states);
    if (state !== null) found.set(state.callId, state);
  }
  const decision = decideCall({ ...whose, found: [...found.values()] }, fact);
  return evolveCalls(whose, decision, states);
}

function evolveCalls(whose: Whose, decision: CallDecision, states: BatchStates): CallDecision {
  evolveAll(whose.tenant, decision.bodies, states);
  const after = states.get({ tenant: whose.tenant, kind: 'call', key: decision.callId });
  if (after !== null) rememberFold(callStateOf(after), decision.folded);
  return decision;
}

/** Nothing for a call that is not known, or that went to another one. */
function applyTimer(
  whose: Whose,
  ranOut: Extract<SealedFact, { kind: 'timer' }>,
  states: BatchStates,
): readonly EventBody[] {
  const { tenant } = whose;
  const known = states.get({ tenant, kind: 'call', key: ranOut.fact.callId });
  if (known === null) return [];
  const state = callStateOf(known);
  const decision = decideTimer({ ...whose, provider: state.provider }, state, ranOut);
  return decision === null ? [] : evolveCalls(whose, decision, states).bodies;
}

function callBehind(whose: Whose, reference: string, states: BatchStates): CallState | null {
  const alias = states.get(aliasRef(whose, reference));
  if (alias === null) return null;
  const { callId } = aliasStateOf(alias);
  const state = states.get({ tenant: whose.tenant, kind: 'call', key: callId });
  // The event that touches an alias touches its call, so that neither is known without the other.
  if (state === null) {
    throw new TrunklineError('store_behind', 'an alias leads to a call that is not in the store');
  }
  return callStateOf(state);
}

function evolveAll(tenant: TenantId, bodies: readonly EventBody[], states: BatchStates): void {
  for (const body of bodies) {
    for (const ref of touchedBy(tenant, body)) {
      states.set(ref, evolveBody(ref, states.get(ref), body));
    }
  }
}

/**
 * What could not be read is told as it is; where it names a leg it also stands in the call's timeline,
 * as a fact like any other, so that its line follows the call through merges and rebuilds.
 */
function decideNotUnderstood(
  whose: Whose,
  fact: NotUnderstoodFact,
  receivedAt: number,
  states: BatchStates,
): readonly EventBody[] {
  const { legRef, eventType, reason } = fact;
  const base = { kind: 'not_understood', type: 'delivery.not_understood' } as const;
  const told = { ...base, eventType, receivedAt, reason };
  if (legRef === null) return [{ ...told, callId: null, legRef, timeline: noChange }];
  const { callId, bodies } = applyCall(whose, asNote(fact, legRef, receivedAt), states);
  if (bodies.every(({ type }) => type === 'call.duplicate_seen')) return bodies;
  const timeline = bodies.find((body) => body.fact?.factId === fact.factId)?.timeline ?? noChange;
  return [
    ...bodies.map((body): CallEventBody => ({
      ...body,
      timeline: body.timeline === timeline ? noChange : body.timeline,
    })),
    { ...told, callId, legRef, timeline },
  ];
}

const asNote = (fact: NotUnderstoodFact, legRef: string, receivedAt: number): StoredCallFact => ({
  factId: fact.factId,
  eventType: fact.eventType,
  occurredAt: fact.occurredAt,
  receivedAt,
  order: fact.order,
  legRef,
  parentRef: null,
  sessionRef: null,
  direction: null,
  signal: { type: 'note', name: 'not_understood' },
  durationSec: null,
  providerCode: null,
  details: { reason: fact.reason },
  from: null,
  to: null,
  personal: {},
});
