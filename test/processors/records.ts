// Facts of records for tests, made by hand.

import type { RecordFact } from '../../schemas/facts.js';
import { factId, recordId } from '../../schemas/ids.js';
import type { StoredRecordFact } from '../../schemas/record-state.js';
import type { SealedFact } from '../../processors/seal.js';

/** A fact as a provider's file maps it. */
export function recordFact(id: string, more: Partial<RecordFact> = {}): RecordFact {
  return {
    kind: 'record',
    factId: factId(id),
    eventType: 'user.updated',
    occurredAt: null,
    order: { phase: 1, atUs: 0, seq: 0 },
    area: 'organisation',
    event: 'organisation.user_updated',
    objectType: 'user',
    objectRef: 'user_1',
    parentRef: null,
    status: null,
    deleted: false,
    details: {},
    about: null,
    personal: {},
    ...more,
  };
}

/** A fact after sealing; `at` in seconds places it in the provider's order. */
export function storedRecord(
  id: string,
  at: number,
  more: Partial<StoredRecordFact> = {},
): StoredRecordFact {
  return {
    factId: factId(id),
    eventType: 'user.updated',
    occurredAt: at * 1000,
    receivedAt: at * 1000 + 300,
    order: { phase: 1, atUs: at * 1_000_000, seq: 0 },
    ...{ area: 'organisation', event: 'organisation.user_updated', objectType: 'user' },
    ...{ objectRef: 'user_1', parentRef: null, status: null, deleted: false, details: {} },
    ...{ subject: null, personal: {}, ...more },
  };
}

/** As decisions take it. */
export const sealedRecord = (fact: StoredRecordFact): SealedFact => ({
  kind: 'record',
  recordId: recordId('rec_1'),
  fact,
});
