// Station processors, pure. Comes in: the facts of a call. Goes out: its legs, each with its own facts
// in its own order, and which of them is the call's own leg.

import type { Party } from '../../schemas/sealed.js';
import type { StoredCallFact } from '../../schemas/call-state.js';
import type { Direction } from '../../schemas/facts.js';
import { compareAcrossLegs, compareInLeg } from './order.js';
import { timeOf } from './walk.js';

/** A leg as its facts describe it, before any state. */
export interface Leg {
  readonly legRef: string;
  /** In the leg's own order. */
  readonly facts: readonly StoredCallFact[];
  readonly parentRef: string | null;
  readonly direction: Direction | null;
  readonly from: Party | null;
  readonly to: Party | null;
  readonly startedAt: number;
  readonly durationSec: number | null;
  /** The fact that stands first by time, which places the leg among the others. */
  readonly first: StoredCallFact;
}

/** Told of the call as a whole, naming no leg: the fact's leg is the session itself. */
export const isOfSession = ({ legRef, sessionRef }: StoredCallFact): boolean =>
  legRef === sessionRef;

/**
 * The legs of a call, the one that began first standing first. What is told of the session itself makes no
 * leg, unless nothing else is known yet.
 */
export function legsOf(facts: readonly StoredCallFact[]): readonly Leg[] {
  const byRef = new Map<string, StoredCallFact[]>();
  const hasLegs = !facts.every(isOfSession);
  for (const fact of facts) {
    if (hasLegs && isOfSession(fact)) continue;
    const known = byRef.get(fact.legRef);
    if (known === undefined) byRef.set(fact.legRef, [fact]);
    else known.push(fact);
  }
  const legs: Leg[] = [];
  for (const [legRef, own] of byRef) {
    const [some] = own;
    if (some !== undefined) legs.push(describe(legRef, own, some));
  }
  return legs.length < 2 ? legs : legs.sort((a, b) => compareAcrossLegs(a.first, b.first));
}

/**
 * The leg whose end is the call's end: the leg that is the root reference; where the root is a session
 * (Telnyx), the leg that began first. Null while only children of the root are known.
 */
export function primaryOf(legs: readonly Leg[], rootRef: string): Leg | null {
  const root = legs.find(({ legRef }) => legRef === rootRef);
  if (root !== undefined) return root;
  const inSession = legs.find(({ facts }) => facts.some((fact) => fact.sessionRef === rootRef));
  return inSession === undefined ? null : (legs[0] ?? null);
}

function describe(legRef: string, own: StoredCallFact[], some: StoredCallFact): Leg {
  if (own.length > 1) own.sort(compareInLeg);
  let first = some;
  let startedAt = Infinity;
  let parentRef: string | null = null;
  let direction: Direction | null = null;
  let from: Party | null = null;
  let to: Party | null = null;
  let durationSec: number | null = null;
  for (const fact of own) {
    if (compareAcrossLegs(fact, first) < 0) first = fact;
    startedAt = Math.min(startedAt, timeOf(fact));
    parentRef ??= fact.parentRef;
    direction ??= fact.direction;
    from ??= fact.from;
    to ??= fact.to;
    durationSec = fact.durationSec ?? durationSec;
  }
  return { legRef, facts: own, parentRef, direction, from, to, startedAt, durationSec, first };
}
