// What travels between a decision and its store: aggregates by key. `processors` implements the
// Evolver; `projections` keeps the rows (table aggregate_state); they meet here.

import type { EventEnvelope } from './events.js';
import type { TenantId } from './ids.js';

/**
 * `alias`: a provider's reference → call id. `queue`: what waits for a retry, in order; an owner holds all of
 * its partition's in memory. `parked`: one fact that waits.
 */
export type AggregateKind = 'call' | 'alias' | 'message' | 'record' | 'queue' | 'parked';

export interface AggregateRef {
  readonly tenant: TenantId;
  readonly kind: AggregateKind;
  /** Call id, `<provider>:<reference>`, message id, record id, or id of an event that parked a fact. */
  readonly key: string;
}

/** Name of an aggregate in maps and in the hot tier. */
export const nameOf = ({ tenant, kind, key }: AggregateRef): string => `${tenant}\0${kind}\0${key}`;

/** JSON of one aggregate, as `Evolver.evolve` makes it; keys in a fixed order. */
export type AggregateState = Readonly<Record<string, unknown>>;

/** The call that an alias leads to: whoever looks up the alias needs it too. Null for other aggregates. */
export function callBehind(
  { tenant, kind }: AggregateRef,
  state: AggregateState,
): AggregateRef | null {
  const { callId } = state;
  return kind === 'alias' && typeof callId === 'string'
    ? { tenant, kind: 'call', key: callId }
    : null;
}

/** The fold of events into aggregates; pure, and versioned because decisions read its results. */
export interface Evolver {
  /** Rows of another version are misses and are folded again. */
  readonly version: number;
  /** Every aggregate the event touches, the secondary ones too. */
  touched(event: EventEnvelope): readonly AggregateRef[];
  evolve(ref: AggregateRef, state: AggregateState | null, event: EventEnvelope): AggregateState;
}
