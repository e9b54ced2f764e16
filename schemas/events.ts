// What travels on `trunkline.events`: envelope version 1 and the events of calls, messages and
// records.

import type {
  CallView,
  MessageView,
  StoredCallFact,
  StoredMessageFact,
  TimelineChange,
} from './call-state.js';
import type { ProviderName } from './facts.js';
import type {
  CallId,
  EventId,
  FactId,
  MessageId,
  Offset,
  OwnerId,
  Epoch,
  RecordId,
  Seq,
  TenantId,
} from './ids.js';
import type { ActBody, Parking, ParkedEventType } from './parking.js';
import type { RecordView, StoredRecordFact } from './record-state.js';
import type { ArmedTimer } from './timers.js';

export const callEventTypes = [
  'call.discovered',
  'call.initiated',
  'call.ringing',
  'call.answered',
  'call.held',
  'call.resumed',
  'call.transferring',
  'call.completed',
  'call.failed',
  'call.leg_linked',
  'call.merged',
  'call.noted',
  'call.inferred',
  'call.overdue',
  'call.settled',
  'call.timer_moved',
  'call.fact_refused',
  'call.duplicate_seen',
] as const;
export type CallEventType = (typeof callEventTypes)[number];

export const messageEventTypes = [
  'message.received',
  'message.status_changed',
  'message.fact_refused',
  'message.duplicate_seen',
] as const;
export type MessageEventType = (typeof messageEventTypes)[number];

export const recordEventTypes = [
  'record.changed',
  'record.fact_refused',
  'record.duplicate_seen',
] as const;
export type RecordEventType = (typeof recordEventTypes)[number];

/**
 * Highest covered offset of each source topic, −1 where nothing is covered yet. Every batch and
 * checkpoint carries both lanes; readers keep the maximum, from valid records only (rule 8).
 */
export interface Coverage {
  readonly realtime: Offset;
  readonly bulk: Offset;
}

/** An event of a call. `fact` is set on exactly one event of each fact: the one that adds it. */
export interface CallEventBody {
  readonly kind: 'call';
  readonly type: CallEventType;
  readonly callId: CallId;
  readonly fact: StoredCallFact | null;
  /** The call after this event; the same value on every event of one fact. */
  readonly after: CallView;
  readonly timeline: TimelineChange;
  /** Provider references that now lead to this call (the alias table). */
  readonly aliases: readonly string[];
  /** The call these facts were taken over from (`call.merged`). */
  readonly mergedFrom: CallId | null;
  /** The timer that is armed after this event; null: none, or an event from before there were timers. */
  readonly timer: ArmedTimer | null;
  readonly reason: string | null;
}

export interface MessageEventBody {
  readonly kind: 'message';
  readonly type: MessageEventType;
  readonly messageId: MessageId;
  readonly fact: StoredMessageFact | null;
  readonly after: MessageView;
  readonly reason: string | null;
}

/** An event of a record: a member, a subscription, an object of a sender we have no file for. */
export interface RecordEventBody {
  readonly kind: 'record';
  readonly type: RecordEventType;
  readonly recordId: RecordId;
  /** What the delivery says happened, e.g. `billing.subscription_updated`; on repeats too. */
  readonly event: string;
  /** Set when this event adds the fact, or puts an earlier copy of it in its place. */
  readonly fact: StoredRecordFact | null;
  readonly after: RecordView;
  /** `late`: something that happened later was known already; or why the fact was refused. */
  readonly reason: string | null;
}

/** A verified delivery whose content we cannot read; in the call's timeline where it names one. */
export interface NotUnderstoodBody {
  readonly kind: 'not_understood';
  readonly type: 'delivery.not_understood';
  readonly callId: CallId | null;
  readonly legRef: string | null;
  readonly eventType: string;
  readonly receivedAt: number;
  readonly reason: string;
  /** The call's timeline line, when a call is named. */
  readonly timeline: TimelineChange;
}

/** A fact that cannot be processed. The partition goes on; the fact is kept for a retry. */
export interface ParkedBody {
  readonly kind: 'parked';
  readonly type: ParkedEventType;
  readonly sourceTopic: string;
  readonly sourceOffset: Offset;
  readonly errorCode: string;
  /** Names the fault without any value of the content. */
  readonly error: string;
  /** Null on events that were written before parked facts could be retried (decision 0013). */
  readonly parking: Parking | null;
}

export type EventBody =
  CallEventBody | MessageEventBody | RecordEventBody | NotUnderstoodBody | ParkedBody | ActBody;
export type EventType = EventBody['type'];

/** What a decision knows of an event; the owner adds the rest. */
export interface EventDraft {
  readonly tenant: TenantId;
  readonly eventId: EventId;
  readonly factId: FactId | null;
  readonly provider: ProviderName | null;
  readonly occurredAt: number | null;
  readonly receivedAt: number;
  readonly correlationId: string;
  readonly traceId: string;
  /** Versions of the rules that decided, by name, e.g. `{call: 1}`. */
  readonly ruleVersions: Readonly<Record<string, number>>;
  readonly body: EventBody;
}

/** An event as it stands in the log (stage CallEvent). Made by the owner of the partition. */
export interface EventEnvelope extends EventDraft {
  readonly schemaVersion: 1;
  readonly seq: Seq;
  readonly epoch: Epoch;
  readonly owner: OwnerId;
  readonly covered: Coverage;
}
