// What travels inside call events: the facts of a call after sealing, and the view of the call that
// every reader shares. A call's view is a pure fold of its *set* of facts (promise 3).

import type {
  CallFact,
  CallSignal,
  CallStatus,
  Direction,
  FailureCause,
  MessageFact,
  MessageStatus,
  OrderKey,
  ProviderName,
} from './facts.js';
import type { TimerName } from './timers.js';
import type { CallId, FactId, LegId, MessageId } from './ids.js';
import type { Party, Sealed } from './sealed.js';

/** A timer of the call ran out. It is no word of the provider: it moves the call only where none has ended it. */
export interface TimerSignal {
  readonly type: 'timer';
  readonly name: TimerName;
  readonly reason: string | null;
}

/** A call fact as it is kept in events and in the call's state: nothing personal in the clear. */
export interface StoredCallFact extends Omit<
  CallFact,
  'kind' | 'from' | 'to' | 'personal' | 'signal'
> {
  readonly signal: CallSignal | TimerSignal;
  readonly receivedAt: number;
  readonly from: Party | null;
  readonly to: Party | null;
  readonly personal: Readonly<Record<string, Sealed>>;
}

/** One leg as the fold of its own facts. */
export interface LegView {
  readonly legId: LegId;
  readonly legRef: string;
  readonly parentRef: string | null;
  readonly primary: boolean;
  readonly status: CallStatus;
  readonly cause: FailureCause | null;
  readonly providerCode: string | null;
  readonly direction: Direction | null;
  readonly from: Party | null;
  readonly to: Party | null;
  readonly startedAt: number;
  readonly answeredAt: number | null;
  readonly endedAt: number | null;
  readonly durationSec: number | null;
}

/** The call as every reader sees it: carried by each call event as `after`. Times in ms. */
export interface CallView {
  readonly callId: CallId;
  readonly provider: ProviderName;
  readonly status: CallStatus;
  /** When the present status was entered, why, by which fact, and whether it was inferred. */
  readonly enteredAt: number;
  readonly reason: string | null;
  readonly sourceFact: FactId | null;
  readonly inferred: boolean;
  readonly cause: FailureCause | null;
  readonly providerCode: string | null;
  readonly direction: Direction | null;
  readonly from: Party | null;
  readonly to: Party | null;
  readonly startedAt: number;
  readonly ringingAt: number | null;
  readonly answeredAt: number | null;
  readonly endedAt: number | null;
  readonly durationSec: number | null;
  readonly amd: string | null;
  readonly recordings: number;
  readonly legs: readonly LegView[];
  readonly factCount: number;
  readonly refusedCount: number;
  /** When late data (duration, price, recording) was in or no longer waited for; null until then. */
  readonly settledAt: number | null;
  /** Set when this call turned out to be a leg of another one. */
  readonly mergedInto: CallId | null;
}

/** A line of a call's timeline. Sorted by `order` then `entryId`; a function of the set of facts. */
export interface TimelineEntry {
  /** The fact's id, or `inferred:<status>:<fact id>` for a step nobody reported. */
  readonly entryId: string;
  readonly type: string;
  readonly legRef: string | null;
  readonly status: CallStatus | null;
  readonly order: OrderKey;
  readonly occurredAt: number | null;
  readonly receivedAt: number;
  readonly inferred: boolean;
  /** True when a fact that stands later in the provider's order had been received before it. */
  readonly late: boolean;
  /** Why a refused fact cannot stand, or why a step was inferred. */
  readonly refused: string | null;
  readonly reason: string | null;
  readonly providerCode: string | null;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export interface TimelineChange {
  readonly upsert: readonly TimelineEntry[];
  /** Entry ids that no longer stand (a step was inferred and is now reported). */
  readonly remove: readonly string[];
}

/** A message fact after sealing. */
export interface StoredMessageFact extends Omit<
  MessageFact,
  'kind' | 'from' | 'to' | 'body' | 'personal'
> {
  readonly receivedAt: number;
  readonly from: Party | null;
  readonly to: Party | null;
  readonly body: Sealed | null;
  readonly personal: Readonly<Record<string, Sealed>>;
}

/** A message as the fold of its facts. */
export interface MessageView {
  readonly messageId: MessageId;
  readonly provider: ProviderName;
  readonly direction: Direction | null;
  readonly status: MessageStatus;
  readonly providerStatus: string;
  readonly providerCode: string | null;
  readonly optOut: 'stop' | 'start' | 'help' | null;
  readonly from: Party | null;
  readonly to: Party | null;
  readonly body: Sealed | null;
  readonly mediaCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly factCount: number;
}
