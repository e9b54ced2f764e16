// What travels inside events of records: facts about members, subscriptions and objects of other senders
// after sealing, and the view that every reader shares. A view is a pure fold of the facts that are kept.

import type { ProviderName, RecordArea, RecordFact } from './facts.js';
import type { RecordId, SubjectId } from './ids.js';
import type { Sealed } from './sealed.js';

/** A record's fact as it is kept in events and in its state: nothing personal in the clear. */
export interface StoredRecordFact extends Omit<RecordFact, 'kind' | 'about' | 'personal'> {
  readonly receivedAt: number;
  /** Whose key seals `personal`; null where there is nothing personal. */
  readonly subject: SubjectId | null;
  /** By name; the place of a box is (schemas/sealed) owner = the record's id, field `personal.<name>`. */
  readonly personal: Readonly<Record<string, Sealed>>;
}

/** A record as every reader sees it: carried by each of its events as `after`. Times in ms. */
export interface RecordView {
  readonly recordId: RecordId;
  readonly provider: ProviderName;
  readonly area: RecordArea;
  readonly objectType: string;
  readonly objectRef: string;
  readonly parentRef: string | null;
  readonly status: string | null;
  readonly deleted: boolean;
  /** What happened last, in the provider's order: `organisation.member_added`. */
  readonly lastEvent: string;
  /** The last known value of each. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly subject: SubjectId | null;
  readonly personal: Readonly<Record<string, Sealed>>;
  /** Of the first fact in the provider's order, which is kept for ever. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Facts that are kept; at most as many as processors/record keeps. */
  readonly factCount: number;
}
