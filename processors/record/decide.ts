// Station processors, pure. Comes in: a record's state and a fact. Goes out: the one event that says what
// the fact meant.

import type { RecordEventBody } from '../../schemas/events.js';
import type { ProviderName } from '../../schemas/facts.js';
import type { RecordId } from '../../schemas/ids.js';
import type { StoredRecordFact } from '../../schemas/record-state.js';
import { isEarlierCopy } from '../call/order.js';
import { foldRecord } from './fold.js';
import { withFact, type RecordState } from './state.js';

/** Version of these rules, as events carry it. */
export const recordRuleVersion = 1;

export interface RecordContext {
  readonly recordId: RecordId;
  readonly provider: ProviderName;
  readonly state: RecordState | null;
}

/** What a fact means for its record. A function of its arguments alone. */
export function decideRecord(
  { recordId, provider, state }: RecordContext,
  fact: StoredRecordFact,
): RecordEventBody {
  const prior = state?.facts ?? [];
  const base = { kind: 'record', recordId, event: fact.event } as const;
  const after = (facts: readonly StoredRecordFact[]) => foldRecord(recordId, provider, facts);
  const known = prior.find(({ factId }) => factId === fact.factId);
  if (known !== undefined) {
    // Of two copies the one received first is kept, whichever came here first.
    const replaces = isEarlierCopy(fact, known);
    const view = after(replaces ? withFact(prior, fact) : prior);
    const type = 'record.duplicate_seen';
    return { ...base, type, fact: replaces ? fact : null, after: view, reason: null };
  }
  const facts = withFact(prior, fact);
  if (!facts.includes(fact)) {
    // Older than all that is kept: seen before and let go of, or of no use any more.
    const type = 'record.fact_refused';
    return { ...base, type, fact: null, after: after(prior), reason: 'too_old' };
  }
  const reason = facts.at(-1) === fact ? null : 'late';
  return { ...base, type: 'record.changed', fact, after: after(facts), reason };
}
