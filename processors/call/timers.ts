// Station processors, pure. Timers of a call. Comes in: the set of its facts, what they fold to. Goes out:
// which timer is armed, what those that ran out mean. Like the view a function of the set (promise 3).

import type { CallView, StoredCallFact, TimerSignal } from '../../schemas/call-state.js';
import type { CallStatus, ProviderName, TimerFact } from '../../schemas/facts.js';
import type { TenantId } from '../../schemas/ids.js';
import {
  defaultBounds,
  defaultPatienceMs,
  defaultSettleMs,
  timerIdOf,
  type ArmedTimer,
  type StatusBounds,
} from '../../schemas/timers.js';
import { compareText } from './order.js';
import { isTerminal } from './transitions.js';

/** How long is waited. Set once for an installation; what they gave stands in the events. */
export interface TimerRules {
  readonly boundsOf: (tenant: TenantId, provider: ProviderName) => StatusBounds;
  readonly patienceMs: number;
  readonly settleMs: number;
}

export const defaultTimerRules: TimerRules = {
  boundsOf: () => defaultBounds,
  patienceMs: defaultPatienceMs,
  settleMs: defaultSettleMs,
};

/** A timer of the call that ran out, as one of its facts. */
export interface RanOut extends StoredCallFact {
  readonly signal: TimerSignal;
}

export const isRanOut = (fact: StoredCallFact): fact is RanOut => fact.signal.type === 'timer';

const none: readonly RanOut[] = [];

/** What somebody told of the call, and the timers that ran out; nearly every call has none of these. */
export function partsOf(facts: readonly StoredCallFact[]): {
  readonly told: readonly StoredCallFact[];
  readonly ranOut: readonly RanOut[];
} {
  if (!facts.some(isRanOut)) return { told: facts, ranOut: none };
  return { told: facts.filter((fact) => !isRanOut(fact)), ranOut: facts.filter(isRanOut) };
}

/**
 * The inference that ends the call whose own leg is `ownRef`, unless a fact ends it. It absorbs like any end:
 * what is told later is added to the call, and only a real end takes its place.
 */
export const inferenceOf = (ranOut: readonly RanOut[], ownRef: string): RanOut | null =>
  earliest(ranOut.filter(({ signal, legRef }) => signal.name === 'inference' && legRef === ownRef));

/** The earliest by receipt, then by id: a choice that depends on the set alone. */
function earliest(facts: readonly RanOut[]): RanOut | null {
  let first: RanOut | null = null;
  for (const fact of facts) {
    const byTime = first === null ? -1 : fact.receivedAt - first.receivedAt;
    if (first === null || byTime < 0 || (byTime === 0 && isBefore(fact, first))) first = fact;
  }
  return first;
}

const isBefore = (a: RanOut, b: RanOut): boolean => compareText(a.factId, b.factId) < 0;

const firstHeard = (facts: readonly StoredCallFact[]): number =>
  facts.reduce((first, { receivedAt }) => Math.min(first, receivedAt), Infinity);

/** When the last of these was received. */
const heardAt = (facts: readonly StoredCallFact[]): number =>
  facts.reduce((last, { receivedAt }) => Math.max(last, receivedAt), 0);

const sinceOf = ({ details }: RanOut): number => Number(details['since']);

/** When what the call waits for began: receipt of the fact that ended it. */
const endHeardAt = (
  facts: readonly StoredCallFact[],
  { sourceFact }: Pick<CallView, 'sourceFact'>,
): number => facts.find(({ factId }) => factId === sourceFact)?.receivedAt ?? 0;

/** Where a call stands, as far as its end goes. */
type End = Pick<CallView, 'status' | 'sourceFact' | 'answeredAt' | 'inferred'>;

/**
 * When the call was settled; null while late data may come. Of a call that nobody answered there is none;
 * Telnyx says with the cost that it is done; else the deadline says it.
 */
export function settledAt(facts: readonly StoredCallFact[], end: End): number | null {
  if (!isTerminal(end.status)) return null;
  const endedAt = endHeardAt(facts, end);
  if (end.answeredAt === null && !end.inferred) return endedAt;
  const costAt = end.inferred ? Infinity : firstHeard(facts.filter(isCost));
  if (costAt < Infinity) return Math.max(costAt, endedAt);
  const ranOut = facts.filter(isRanOut).filter(({ signal }) => signal.name === 'settle');
  return earliest(ranOut.filter((fact) => sinceOf(fact) >= endedAt))?.receivedAt ?? null;
}

const isCost = ({ signal }: StoredCallFact): boolean =>
  signal.type === 'note' && signal.name === 'cost';

/** Whose timer it is. */
export interface TimerPlace {
  readonly tenant: TenantId;
  readonly rules: TimerRules;
}

/**
 * The timer that is armed while the call's facts are these. A watchdog that ran out counts until anything
 * is heard or the status changes; then another one is armed.
 */
export function armedTimer(
  { tenant, rules }: TimerPlace,
  facts: readonly StoredCallFact[],
  view: CallView,
): ArmedTimer | null {
  const { status, provider } = view;
  if (view.mergedInto !== null) return null;
  if (status === 'completed' || status === 'failed') {
    if (view.settledAt !== null) return null;
    return arm('settle', status, { since: endHeardAt(facts, view), ms: rules.settleMs });
  }
  const { told, ranOut } = partsOf(facts);
  const since = heardAt(told);
  const overdue = earliest(ranOut.filter((fact) => isOverdue(fact, since, status)));
  if (overdue !== null) {
    // One that ended a leg which is no longer the call's own does not stand in the way of another.
    const inferred = ranOut.filter(({ signal }) => signal.name === 'inference');
    const from = Math.max(overdue.receivedAt, heardAt(inferred));
    return arm('inference', status, { since: from, ms: rules.patienceMs });
  }
  return arm('watchdog', status, { since, ms: rules.boundsOf(tenant, provider)[status] });
}

const isOverdue = (fact: RanOut, heard: number, status: CallStatus): boolean =>
  fact.signal.name === 'watchdog' && fact.details['status'] === status && sinceOf(fact) >= heard;

const arm = (
  name: ArmedTimer['name'],
  status: CallStatus,
  { since, ms }: { readonly since: number; readonly ms: number },
): ArmedTimer => ({ name, timerId: timerIdOf(name, status, since), since, dueAt: since + ms });

/** A timer's fact as the call keeps it: at the instant it was due, on the call's own leg. */
export function ranOutOf(fact: TimerFact, receivedAt: number, legRef: string): RanOut {
  const { factId, eventType, occurredAt, order, name, since, status, reason } = fact;
  return {
    factId,
    eventType,
    occurredAt,
    receivedAt,
    order,
    legRef,
    parentRef: null,
    sessionRef: null,
    direction: null,
    signal: { type: 'timer', name, reason },
    durationSec: null,
    providerCode: null,
    details: { status, since },
    from: null,
    to: null,
    personal: {},
  };
}
