// What travels between a decision and its store: aggregates by key. `processors` implements the
// Evolver; `projections` keeps the rows (table aggregate_state); they meet here.

import type { EventEnvelope } from './events.js';
import type { TenantId } from './ids.js';

/** `alias`: a provider's reference → call id. */
export type AggregateKind = 'call' | 'alias' | 'message' | 'record';

export interface AggregateRef {
  readonly tenant: TenantId;
  readonly kind: AggregateKind;
  /** Call id, `<provider>:<reference>`, message id or record id; never anything personal. */
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
