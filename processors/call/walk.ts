// Station processors, pure. The state machine of one leg, or of a call. Comes in: facts in order. Goes
// out: the status with when, why and by which fact it was entered, and the steps nobody reported.

import type { StoredCallFact } from '../../schemas/call-state.js';
import type { CallStatus, Direction, FailureCause } from '../../schemas/facts.js';
import type { FactId } from '../../schemas/ids.js';
import { isTerminal, startOf, stepsBetween } from './transitions.js';

/** Where a walk through the table stands. Lives inside one fold, which alone changes it. */
export interface Walk {
  readonly direction: Direction | null;
  /** Null until a fact leads somewhere. */
  status: CallStatus | null;
  enteredAt: number | null;
  reason: string | null;
  sourceFact: FactId | null;
  inferred: boolean;
  cause: FailureCause | null;
  providerCode: string | null;
  ringingAt: number | null;
  answeredAt: number | null;
  /** A fact said so; an inferred answer has no time of its own. */
  answerReported: boolean;
  endedAt: number | null;
}

/** What a fact did to a walk. */
export interface Step {
  /** Where the fact leads, whether or not it could; null for a note. */
  readonly target: CallStatus | null;
  readonly moved: boolean;
  /** Steps that were skipped on the way, in order. */
  readonly skipped: readonly CallStatus[];
  /** Why the fact cannot stand. */
  readonly refused: string | null;
}

export const startWalk = (direction: Direction | null): Walk => ({
  direction,
  status: null,
  enteredAt: null,
  reason: null,
  sourceFact: null,
  inferred: false,
  cause: null,
  providerCode: null,
  ringingAt: null,
  answeredAt: null,
  answerReported: false,
  endedAt: null,
});

/** The provider's time of a fact, or our receipt where it signs none; ms since 1970. */
export const timeOf = (fact: StoredCallFact): number => fact.occurredAt ?? fact.receivedAt;

const stays: Step = { target: null, moved: false, skipped: [], refused: null };

/** Moves the walk by what the fact says about its own leg. */
export function follow(walk: Walk, fact: StoredCallFact): Step {
  const target = targetOf(walk, fact);
  if (target === null) return stays;
  if (target === walk.status) return { ...stays, target };
  const skipped = stepsBetween(walk.status ?? startOf(walk.direction), target);
  if (skipped === null) {
    const from = walk.status ?? 'the beginning';
    return { target, moved: false, skipped: [], refused: `${target} cannot follow ${from}` };
  }
  for (const step of skipped) enter(walk, step, fact, 'skipped');
  enter(walk, target, fact, null);
  return { target, moved: true, skipped, refused: null };
}

/** Moves the walk to a status that another leg's fact implies; empty when it cannot or need not. */
export function infer(
  walk: Walk,
  target: CallStatus,
  fact: StoredCallFact,
  reason: string,
): readonly CallStatus[] {
  if (walk.status === target) return [];
  const skipped = stepsBetween(walk.status ?? startOf(walk.direction), target);
  if (skipped === null) return [];
  const steps = [...skipped, target];
  for (const step of steps) enter(walk, step, fact, reason);
  return steps;
}

function targetOf(walk: Walk, { signal }: StoredCallFact): CallStatus | null {
  switch (signal.type) {
    case 'note':
    case 'timer':
      return null;
    case 'status':
      return signal.status;
    case 'hangup':
      // A hangup says that it ended, not how: it never contradicts an end that is known.
      if (walk.status !== null && isTerminal(walk.status)) return walk.status;
      return walk.answeredAt === null ? 'failed' : 'completed';
  }
}

function causeOf(signal: StoredCallFact['signal']): FailureCause | null {
  switch (signal.type) {
    case 'note':
      return null;
    case 'timer':
      return 'inferred';
    case 'status':
    case 'hangup':
      return signal.cause;
  }
}

/** Enters a status; `inferredBy` says why when no fact reported it. */
function enter(
  walk: Walk,
  status: CallStatus,
  fact: StoredCallFact,
  inferredBy: string | null,
): void {
  const at = timeOf(fact);
  const { signal } = fact;
  const isReported = inferredBy === null;
  walk.status = status;
  walk.enteredAt = at;
  walk.sourceFact = fact.factId;
  walk.inferred = !isReported;
  walk.reason = isReported ? (signal.type === 'status' ? signal.reason : null) : inferredBy;
  walk.providerCode = isReported ? fact.providerCode : null;
  walk.cause = null;
  if (status === 'failed') {
    walk.cause = causeOf(signal) ?? 'provider';
  }
  if (status === 'ringing') walk.ringingAt ??= at;
  if (status === 'answered') {
    walk.answeredAt ??= at;
    walk.answerReported ||= isReported;
  }
  if (isTerminal(status)) walk.endedAt = at;
}
