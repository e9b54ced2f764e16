// Station processors, pure. Comes in: the calls a fact may belong to, and the fact. Goes out: the
// events that say what it meant. Exactly one event carries the fact; all carry the call after it.

import type { StoredCallFact, CallView, TimelineChange } from '../../schemas/call-state.js';
import type { CallEventBody, CallEventType } from '../../schemas/events.js';
import type { CallStatus, ProviderName, TimerFact } from '../../schemas/facts.js';
import type { CallId, TenantId } from '../../schemas/ids.js';
import type { ArmedTimer, TimerName } from '../../schemas/timers.js';
import { tooManyFacts } from './evolve.js';
import { foldCall, type FoldedCall } from './fold.js';
import { callIdOf, refsOf, rootOf } from './identity.js';
import { isEarlierCopy } from './order.js';
import { factsOf, foldedOf, type CallState } from './state.js';
import { changeBetween, noChange } from './timeline-change.js';
import { armedTimer, defaultTimerRules, ranOutOf, type TimerRules } from './timers.js';

/** Version of these rules, as events carry it. 2: with timers. */
export const callRuleVersion = 2;

/** Facts one call may hold; a call of a day with an event every minute stays below. */
export const maxFactsPerCall = 2000;

export interface CallContext {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  /** The calls to which the fact's references lead, each once. */
  readonly found: readonly CallState[];
  /** How long is waited; the defaults where nothing is said. */
  readonly rules?: TimerRules;
}

export interface CallDecision {
  readonly callId: CallId;
  readonly bodies: readonly CallEventBody[];
  /** The fold of the call after the fact. */
  readonly folded: FoldedCall;
}

/** What a fact means for the calls it belongs to. A function of its arguments alone. */
export function decideCall(context: CallContext, fact: StoredCallFact): CallDecision {
  for (const state of context.found) {
    const known = factsOf(state).find(({ factId }) => factId === fact.factId);
    if (known !== undefined) return seenAgain(context, state, { known, copy: fact });
  }
  const held = context.found.reduce((sum, state) => sum + state.facts.length, 0);
  const [some] = context.found;
  if (some !== undefined && held >= maxFactsPerCall) return refuseMore(context, some);
  return addFact(context, fact);
}

/**
 * What a timer that ran out means for its call. It counts while the call says that this very timer is armed; a
 * repeat is a duplicate, and of one that was armed anew meanwhile the event says which it is now, so that
 * whoever keeps the row sets it right. Null for a call that went to another one: that one has its own.
 */
export function decideTimer(
  context: Omit<CallContext, 'found'>,
  state: CallState,
  { fact, receivedAt }: { readonly fact: TimerFact; readonly receivedAt: number },
): CallDecision | null {
  if (state.facts.length === 0) return null;
  const whole = { ...context, found: [state] };
  const folded = foldedOf(context.tenant, state);
  const own = folded.view.legs.find(({ primary }) => primary) ?? null;
  const legRef = own?.legRef ?? rootOf(factsOf(state));
  const ranOut = ranOutOf(fact, receivedAt, legRef);
  const known = factsOf(state).find(({ factId }) => factId === fact.factId);
  if (known !== undefined) return seenAgain(whole, state, { known, copy: ranOut });
  const armed = timerOf(whole, factsOf(state), folded.view);
  if (armed?.timerId === fact.timerId) return addFact(whole, ranOut);
  const { callId } = state;
  const body = makeBody('call.timer_moved', folded.view, {
    callId,
    timer: armed,
    reason: fact.name,
  });
  return { callId, bodies: [body], folded };
}

const timerOf = (
  { tenant, rules = defaultTimerRules }: Omit<CallContext, 'found'>,
  facts: readonly StoredCallFact[],
  view: CallView,
): ArmedTimer | null => armedTimer({ tenant, rules }, facts, view);

interface Copies {
  readonly known: StoredCallFact;
  readonly copy: StoredCallFact;
}

/** A duplicate is recorded. Of two copies the one received first is kept, whichever came here first. */
function seenAgain(context: CallContext, state: CallState, copies: Copies): CallDecision {
  const { known, copy } = copies;
  const before = foldedOf(context.tenant, state);
  const base = { callId: state.callId, reason: null };
  if (!isEarlierCopy(copy, known)) {
    const timer = timerOf(context, factsOf(state), before.view);
    const body = makeBody('call.duplicate_seen', before.view, { ...base, timer });
    return { callId: state.callId, bodies: [body], folded: before };
  }
  const facts = factsOf(state).map((fact) => (fact === known ? copy : fact));
  const folded = fold(context, state.callId, facts, state.overflow);
  const body = makeBody('call.duplicate_seen', folded.view, {
    ...base,
    fact: copy,
    timer: timerOf(context, facts, folded.view),
    timeline: changeBetween(before.timeline, folded.timeline),
  });
  return { callId: state.callId, bodies: [body], folded };
}

function refuseMore(context: CallContext, state: CallState): CallDecision {
  const { view, timeline } = foldedOf(context.tenant, state);
  const after = { ...view, refusedCount: view.refusedCount + 1 };
  const { callId } = state;
  const timer = timerOf(context, factsOf(state), after);
  const body = makeBody('call.fact_refused', after, { callId, timer, reason: tooManyFacts });
  return { callId, bodies: [body], folded: { view: after, timeline } };
}

function addFact(context: CallContext, fact: StoredCallFact): CallDecision {
  const { tenant, provider, found } = context;
  const prior = found.flatMap((state) => factsOf(state));
  const facts = [...prior, fact];
  const callId = callIdOf(tenant, provider, rootOf(facts));
  const winner = found.find((state) => state.callId === callId) ?? null;
  const losers = found.filter((state) => state !== winner);
  const overflow = found.reduce((sum, state) => sum + state.overflow, 0);
  const folded = fold(context, callId, facts, overflow);
  const before = winner === null ? null : foldedOf(tenant, winner);
  const timer = timerOf(context, facts, folded.view);
  const body = (type: CallEventType, more: Partial<CallEventBody> = {}): CallEventBody =>
    makeBody(type, folded.view, { callId, timer, ...more });
  const timeline = changeBetween(before?.timeline ?? [], folded.timeline);
  const carrier = carrierOf(fact, before, folded);

  const bodies: CallEventBody[] = [];
  if (winner === null) bodies.push(body('call.discovered'));
  for (const loser of losers) bodies.push(...takeOver(body, loser));
  if (isNewLink(fact, prior)) bodies.push(body('call.leg_linked', { reason: fact.legRef }));
  const inferred = newlyInferred(timeline);
  if (inferred.length > 0) bodies.push(body('call.inferred', { reason: inferred.join(',') }));
  bodies.push(
    body(carrier.type, { fact, timeline, reason: carrier.reason, ...newAliases(fact, prior) }),
  );
  for (const loser of losers) bodies.push(closeMerged(tenant, loser, callId));
  return { callId, bodies, folded };
}

const fold = (
  { tenant, provider }: CallContext,
  callId: CallId,
  facts: readonly StoredCallFact[],
  overflow: number,
): FoldedCall => foldCall({ tenant, provider, callId, rootRef: rootOf(facts), facts, overflow });

function makeBody(
  type: CallEventType,
  after: CallView,
  more: Partial<CallEventBody> & { readonly callId: CallId },
): CallEventBody {
  return {
    kind: 'call',
    type,
    fact: null,
    after,
    timeline: noChange,
    aliases: [],
    mergedFrom: null,
    timer: null,
    reason: null,
    ...more,
  };
}

/** A stand-alone child turned out to be a leg: its facts move one by one, its references at once. */
function takeOver(
  body: (type: CallEventType, more: Partial<CallEventBody>) => CallEventBody,
  loser: CallState,
): readonly CallEventBody[] {
  const taken = factsOf(loser);
  return taken.map((fact, i) =>
    body('call.merged', {
      fact,
      mergedFrom: loser.callId,
      aliases: i === 0 ? refsOf(taken) : [],
    }),
  );
}

/** The last event of a call that is no more: its lines go, its view says where to look. */
function closeMerged(tenant: TenantId, loser: CallState, winner: CallId): CallEventBody {
  const { view, timeline } = foldedOf(tenant, loser);
  return makeBody(
    'call.merged',
    { ...view, mergedInto: winner },
    {
      callId: loser.callId,
      timeline: { upsert: [], remove: timeline.map(({ entryId }) => entryId) },
    },
  );
}

/** A leg that was not known to hang under this call. */
function isNewLink(fact: StoredCallFact, prior: readonly StoredCallFact[]): boolean {
  if (fact.parentRef === null && (fact.sessionRef === null || prior.length === 0)) return false;
  return !prior.some(
    (known) =>
      known.legRef === fact.legRef && (known.parentRef !== null || known.sessionRef !== null),
  );
}

function newAliases(
  fact: StoredCallFact,
  prior: readonly StoredCallFact[],
): Pick<CallEventBody, 'aliases'> {
  const known = new Set(refsOf(prior));
  return { aliases: refsOf([fact]).filter((ref) => !known.has(ref)) };
}

const newlyInferred = ({ upsert }: TimelineChange): readonly CallStatus[] =>
  upsert.flatMap(({ inferred, status }) => (inferred && status !== null ? [status] : []));

interface Carrier {
  readonly type: CallEventType;
  readonly reason: string | null;
}

/** The event that carries the fact: the status the call entered, or that it entered none. */
function carrierOf(fact: StoredCallFact, before: FoldedCall | null, after: FoldedCall): Carrier {
  const { view } = after;
  const line = after.timeline.find(({ entryId }) => entryId === fact.factId);
  if (line !== undefined && line.refused !== null) {
    return { type: 'call.fact_refused', reason: line.refused };
  }
  const hasMoved = view.sourceFact !== null && view.status !== before?.view.status;
  if (hasMoved) return { type: typeOf(view.status, before?.view.status), reason: view.reason };
  const { signal } = fact;
  if (signal.type === 'timer') return timerCarrier(signal.name, view.status);
  if (signal.type === 'note') return { type: 'call.noted', reason: signal.name };
  return { type: 'call.noted', reason: line?.late === true ? 'late' : (line?.reason ?? null) };
}

/** An inference that ends the call is the event of that end; these move nothing. */
const timerCarrier = (name: TimerName, status: CallStatus): Carrier =>
  name === 'settle'
    ? { type: 'call.settled', reason: null }
    : { type: name === 'watchdog' ? 'call.overdue' : 'call.noted', reason: status };

function typeOf(status: CallStatus, before: CallStatus | undefined): CallEventType {
  switch (status) {
    case 'initiated':
    case 'ringing':
    case 'transferring':
    case 'completed':
    case 'failed':
      return `call.${status}`;
    case 'answered':
      return before === 'on_hold' ? 'call.resumed' : 'call.answered';
    case 'on_hold':
      return 'call.held';
  }
}
