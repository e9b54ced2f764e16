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

/** JSON of one aggregate, as `Evolver.evolve` makes it; keys in a fixed order. */
export type AggregateState = Readonly<Record<string, unknown>>;

/** The fold of events into aggregates; pure, and versioned because decisions read its results. */
export interface Evolver {
  /** Rows of another version are misses and are folded again. */
  readonly version: number;
  /** Every aggregate the event touches, the secondary ones too. */
  touched(event: EventEnvelope): readonly AggregateRef[];
  evolve(ref: AggregateRef, state: AggregateState | null, event: EventEnvelope): AggregateState;
}
