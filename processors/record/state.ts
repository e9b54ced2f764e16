// Station processors, pure. What is kept of a record between events: its first fact and the newest ones.

import type { AggregateState } from '../../schemas/aggregates.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { RecordId } from '../../schemas/ids.js';
import type { StoredRecordFact } from '../../schemas/record-state.js';
import { compareInLeg } from '../call/order.js';

/** State of the aggregate `record`. A type, not an interface, so that it is an AggregateState. */
export type RecordState = {
  readonly recordId: RecordId;
  readonly provider: ProviderName;
  /** In the provider's order. */
  readonly facts: readonly StoredRecordFact[];
};

/** Reads a row that `evolve` made. */
export const recordStateOf = (state: AggregateState): RecordState => state as RecordState;

/** Facts kept of one record. A subscription lives for years, so the bound must not freeze it. */
export const maxFactsPerRecord = 32;

/**
 * The facts with one more, or with an earlier copy of one: sorted in the provider's order, the first and
 * the newest. Both are picked by a total order, so what is kept does not depend on the order of arrival.
 */
export function withFact(
  facts: readonly StoredRecordFact[],
  fact: StoredRecordFact,
): readonly StoredRecordFact[] {
  const others = facts.filter(({ factId }) => factId !== fact.factId);
  const line = [...others, fact].sort(compareInLeg);
  const [first, ...rest] = line;
  if (first === undefined || line.length <= maxFactsPerRecord) return line;
  return [first, ...rest.slice(rest.length - maxFactsPerRecord + 1)];
}
