// Station processors, pure. Comes in: the set of a call's facts. Goes out: its view and its timeline.
// Nothing but the set counts (promise 3): not the order of arrival, not how often a fact came.

import type { CallView, LegView, StoredCallFact, TimelineEntry } from '../../schemas/call-state.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { CallId, TenantId } from '../../schemas/ids.js';
import { legIdOf } from './identity.js';
import { isOfSession, legsOf, primaryOf, type Leg } from './legs.js';
import { compareInLeg } from './order.js';
import { Timeline, type Implied, type Placed } from './timeline.js';
import { inferenceOf, partsOf, settledAt, type RanOut } from './timers.js';
import { startOf, statusBefore, isTerminal } from './transitions.js';
import { follow, infer, startWalk, type Step, type Walk } from './walk.js';

/** The set and what it is called. */
export interface FactSet {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly callId: CallId;
  /** The reference the call id was made from. */
  readonly rootRef: string;
  readonly facts: readonly StoredCallFact[];
  /** Facts that were refused because the set was full; they are not in `facts`. */
  readonly overflow: number;
}

export interface FoldedCall {
  readonly view: CallView;
  /** Sorted by order, then entry id. */
  readonly timeline: readonly TimelineEntry[];
}

/** A leg other than the call's own, with its state and what its facts did to it. */
interface Child {
  readonly leg: Leg;
  readonly walk: Walk;
  readonly steps: ReadonlyMap<StoredCallFact, Step>;
  /** Made by its parent's dialling (Twilio); otherwise a further leg of one session (Telnyx, Vonage). */
  readonly isDialled: boolean;
}

/** Folds a non-empty set. Linear but for one sort. */
export function foldCall(set: FactSet): FoldedCall {
  const { told, ranOut } = partsOf(set.facts);
  const legs = legsOf(told);
  const primary = primaryOf(legs, set.rootRef);
  const children = new Map<string, Child>();
  for (const leg of legs) if (leg !== primary) children.set(leg.legRef, foldChild(leg));
  const walk = startWalk(primary?.direction ?? null);
  const lines = new Timeline(primary?.legRef ?? null);
  const line = inCallOrder(told, primary);
  const transfersByLeg = transferringByLeg.has(set.provider);
  const dialled: Dialled = { transfersByLeg, count: 0, transfer: null, opened: new Set() };
  for (const { fact, order } of line) {
    const child = children.get(fact.legRef);
    if (child === undefined) lines.own(fact, order, follow(walk, fact));
    else {
      lines.foreign(fact, order, child.steps.get(fact));
      lines.inferred(fact, order, inferFromChild(walk, child, fact, dialled));
    }
  }
  endByInference(set.rootRef, { walk, primary, lines, ranOut });
  lines.markLate(line);
  const legViews = legs.map((leg) => {
    const isPrimary = leg === primary;
    const own = isPrimary ? walk : (children.get(leg.legRef)?.walk ?? walk);
    return legView(set, leg, own, isPrimary);
  });
  return { view: viewOf(set, walk, primary, { legViews, line, lines }), timeline: lines.sorted() };
}

interface Ending {
  readonly walk: Walk;
  readonly primary: Leg | null;
  readonly lines: Timeline;
  readonly ranOut: readonly RanOut[];
}

/** What no fact has ended an inference ends: completed when it was answered, else failed. */
function endByInference(rootRef: string, { walk, primary, lines, ranOut }: Ending): void {
  if (ranOut.length === 0) return;
  const inference = inferenceOf(ranOut, primary?.legRef ?? rootRef);
  const isEnded = walk.status !== null && isTerminal(walk.status);
  for (const fact of ranOut) {
    const isIdle = fact.signal.name === 'inference' && (isEnded || fact !== inference);
    lines.timer(fact, isIdle);
  }
  if (inference === null || isEnded) return;
  const reason = inference.signal.reason ?? 'no_terminal_fact';
  const target = walk.answeredAt === null ? 'failed' : 'completed';
  const steps = infer(walk, target, inference, reason);
  lines.inferred(inference, inference.order, [{ steps, reason }]);
}

function foldChild(leg: Leg): Child {
  const walk = startWalk(leg.direction);
  const steps = new Map<StoredCallFact, Step>();
  for (const fact of leg.facts) steps.set(fact, follow(walk, fact));
  return { leg, walk, steps, isDialled: leg.parentRef !== null };
}

/**
 * All facts in one order. Phases count for the call's own leg only: that a child begins or ends says
 * nothing about where that stands in the call, its time does.
 */
function inCallOrder(facts: readonly StoredCallFact[], primary: Leg | null): readonly Placed[] {
  const line = facts.map((fact): Placed => {
    const { order, factId } = fact;
    const isOwn = order.phase === 1 || fact.legRef === primary?.legRef || isOfSession(fact);
    return { factId, fact, order: isOwn ? order : { ...order, phase: 1 } };
  });
  return line.length < 2 ? line : line.sort(compareInLeg);
}

/**
 * Where a further leg of a session is a transfer (provider sheet 4c). Elsewhere it is not: Vonage dials the
 * other party of every connected call into the same conversation, and has an event for transfers.
 */
const transferringByLeg: ReadonlySet<ProviderName> = new Set(['telnyx']);

interface Dialled {
  readonly transfersByLeg: boolean;
  count: number;
  /** The leg the call is being transferred to. */
  transfer: string | null;
  readonly opened: Set<string>;
}

const nothing: readonly Implied[] = [];

/** What a fact of another leg implies for the call. It may answer or transfer it, never end it. */
function inferFromChild(
  walk: Walk,
  child: Child,
  fact: StoredCallFact,
  dialled: Dialled,
): readonly Implied[] {
  const { legRef } = child.leg;
  const implied: Implied[] = [];
  if (!dialled.opened.has(legRef)) {
    dialled.opened.add(legRef);
    if (child.isDialled) dialled.count += 1;
    // Twilio has no transfer status: a second dialled child is one.
    const isTransfer = child.isDialled ? dialled.count > 1 : dialled.transfersByLeg;
    if (isTransfer && (walk.status === 'answered' || walk.status === 'on_hold')) {
      dialled.transfer = legRef;
      const steps = infer(walk, 'transferring', fact, 'further_leg');
      implied.push({ steps, reason: 'further_leg' });
    }
  }
  const step = child.steps.get(fact);
  if (step?.moved !== true || step.target === null) return implied.length === 0 ? nothing : implied;
  const isAnswer = step.target === 'answered' || step.skipped.includes('answered');
  if (isAnswer && (walk.status === 'transferring' || (child.isDialled && isUnanswered(walk)))) {
    const steps = infer(walk, 'answered', fact, 'leg_answered');
    implied.push({ steps, reason: 'leg_answered' });
  } else if (
    isTerminal(step.target) &&
    walk.status === 'transferring' &&
    dialled.transfer === legRef
  ) {
    const steps = infer(walk, 'answered', fact, 'transfer_failed');
    implied.push({ steps, reason: 'transfer_failed' });
  }
  return implied;
}

const isUnanswered = (walk: Walk): boolean =>
  walk.status === null || walk.status === 'initiated' || walk.status === 'ringing';

interface Folded {
  readonly legViews: readonly LegView[];
  readonly line: readonly Placed[];
  readonly lines: Timeline;
}

function viewOf(set: FactSet, walk: Walk, primary: Leg | null, folded: Folded): CallView {
  const { legViews, line, lines } = folded;
  const [firstLeg] = legViews;
  const startedAt = legViews.reduce((first, leg) => Math.min(first, leg.startedAt), Infinity);
  const { amd, recordings } = attributes(line);
  const status = walk.status ?? statusBefore(startOf(walk.direction));
  const inferred = walk.status === null || walk.inferred;
  const { sourceFact, answeredAt } = walk;
  return {
    callId: set.callId,
    provider: set.provider,
    status,
    enteredAt: walk.enteredAt ?? startedAt,
    reason: walk.reason,
    sourceFact,
    inferred,
    cause: walk.cause,
    providerCode: walk.providerCode,
    direction: walk.direction,
    from: primary?.from ?? firstLeg?.from ?? null,
    to: primary?.to ?? firstLeg?.to ?? null,
    startedAt,
    ringingAt: walk.ringingAt,
    answeredAt,
    endedAt: walk.endedAt,
    durationSec: durationOf(primary, walk),
    amd,
    recordings,
    legs: legViews,
    factCount: line.length,
    refusedCount: lines.refused + set.overflow,
    settledAt: settledAt(set.facts, { status, sourceFact, answeredAt, inferred }),
    mergedInto: null,
  };
}

function legView(set: FactSet, leg: Leg, walk: Walk, isPrimary: boolean): LegView {
  return {
    legId: legIdOf(set.tenant, set.provider, leg.legRef),
    legRef: leg.legRef,
    parentRef: leg.parentRef,
    primary: isPrimary,
    status: walk.status ?? statusBefore(startOf(walk.direction)),
    cause: walk.cause,
    providerCode: walk.providerCode,
    direction: leg.direction,
    from: leg.from,
    to: leg.to,
    startedAt: leg.startedAt,
    answeredAt: walk.answeredAt,
    endedAt: walk.endedAt,
    durationSec: durationOf(leg, walk),
  };
}

/** In seconds: the provider's, or where it reports none (Telnyx) from answer to end. */
function durationOf(leg: Leg | null, walk: Walk): number | null {
  if (leg !== null && leg.durationSec !== null) return leg.durationSec;
  // When a call whose end is inferred did end is not known.
  if (walk.status !== 'completed' || walk.inferred || !walk.answerReported) return null;
  if (walk.answeredAt === null || walk.endedAt === null) return null;
  return Math.max(0, Math.round((walk.endedAt - walk.answeredAt) / 1000));
}

/** Attributes of any leg: the last answering-machine result, and how many recordings exist. */
function attributes(line: readonly Placed[]): { amd: string | null; recordings: number } {
  let amd: string | null = null;
  const recordings = new Set<string>();
  for (const { fact } of line) {
    const { details } = fact;
    if (typeof details['amd'] === 'string') amd = details['amd'];
    const recording = details['recordingId'];
    if (typeof recording === 'string' && details['recordingStatus'] !== 'absent') {
      recordings.add(recording);
    }
  }
  return { amd, recordings: recordings.size };
}
