// Station processors, pure. Comes in: the facts that are kept of a record. Goes out: its view. As with calls,
// nothing but the set counts: of each value the last one in the provider's order stands.

import type { ProviderName } from '../../schemas/facts.js';
import type { RecordId } from '../../schemas/ids.js';
import type { RecordView, StoredRecordFact } from '../../schemas/record-state.js';

const timeOf = (fact: StoredRecordFact): number => fact.occurredAt ?? fact.receivedAt;

/** The last value in the provider's order; a fact that does not say it changes nothing. */
function lastOf<T>(
  facts: readonly StoredRecordFact[],
  pick: (fact: StoredRecordFact) => T | null,
): T | null {
  return facts.map(pick).findLast((value) => value !== null) ?? null;
}

/**
 * Folds a non-empty set that is sorted in the provider's order. A deletion names its object and nothing else
 * (Clerk's `user.deleted`): what was known before stays known.
 */
export function foldRecord(
  recordId: RecordId,
  provider: ProviderName,
  facts: readonly StoredRecordFact[],
): RecordView {
  const first = facts[0];
  const last = facts.at(-1);
  if (first === undefined || last === undefined) throw new Error('a record without facts');
  return {
    recordId,
    provider,
    area: last.area,
    objectType: last.objectType,
    objectRef: last.objectRef,
    parentRef: lastOf(facts, ({ parentRef }) => parentRef),
    status: lastOf(facts, ({ status }) => status),
    deleted: last.deleted,
    lastEvent: last.event,
    details: Object.assign({}, ...facts.map(({ details }) => details)) as RecordView['details'],
    subject: lastOf(facts, ({ subject }) => subject),
    personal: Object.assign({}, ...facts.map(({ personal }) => personal)) as RecordView['personal'],
    createdAt: timeOf(first),
    updatedAt: timeOf(last),
    factCount: facts.length,
  };
}
