// What travels on `trunkline.deliveries`: facts as a provider's file maps them, before sealing.
// The clear personal fields here exist only inside a day-key seal and inside a processor.

import type { CallId, EndpointId, EventId, FactId, TenantId } from './ids.js';
import type { TimerName } from './timers.js';

export const callStatuses = [
  'initiated',
  'ringing',
  'answered',
  'on_hold',
  'transferring',
  'completed',
  'failed',
] as const;
/** The seven statuses of design section 5. */
export type CallStatus = (typeof callStatuses)[number];

export const failureCauses = [
  'busy',
  'no_answer',
  'canceled',
  'rejected',
  'invalid_number',
  'network',
  'provider',
  'inferred',
] as const;
export type FailureCause = (typeof failureCauses)[number];

/**
 * Name of a provider, e.g. `twilio`; the closed set is that of `ingest/providers/registry`, and `ownProvider`
 * on facts that no provider sent.
 */
export type ProviderName = string;

/** Stands where a fact of our own names no provider: an operator's act. No provider has this name. */
export const ownProvider: ProviderName = 'trunkline';

export type Direction = 'inbound' | 'outbound';

/**
 * Where a fact stands among the facts of its call, in the provider's own order. Compared by phase,
 * then time, then provider sequence, then fact id.
 */
export interface OrderKey {
  /** 0: what opens a leg (an inbound request); 1: anything in between; 2: what ends the leg. */
  readonly phase: 0 | 1 | 2;
  /** Microseconds since 1970: the provider's time, or our receipt where the provider signs none. */
  readonly atUs: number;
  /** The provider's sequence number, 0 where there is none. */
  readonly seq: number;
}

/** What a fact says about its leg. */
export type CallSignal =
  | {
      readonly type: 'status';
      readonly status: CallStatus;
      readonly cause: FailureCause | null;
      /** For people, e.g. `transferred`; null when the status says it all. */
      readonly reason: string | null;
    }
  /** The leg ended; completed when it was answered, otherwise failed with `cause`. */
  | { readonly type: 'hangup'; readonly cause: FailureCause }
  /** Something that never moves the status: answering machine, recording, queue, cost … */
  | { readonly type: 'note'; readonly name: string };

interface FactBase {
  /** Identity from signed bytes only: tenant, provider, external id, event type. */
  readonly factId: FactId;
  /** The provider's name of the event, e.g. `call.hangup` or `completed`; never personal. */
  readonly eventType: string;
  /** The provider's own time in ms since 1970; null where it signs none. */
  readonly occurredAt: number | null;
  readonly order: OrderKey;
}

/** A fact about one leg of a call. */
export interface CallFact extends FactBase {
  readonly kind: 'call';
  /**
   * The provider's id of the leg this fact is about. Where it tells of the whole call and names no leg
   * (a recording of a conversation): the session's id, and `sessionRef` is the same.
   */
  readonly legRef: string;
  /** The provider's id of the leg that caused this one (Twilio ParentCallSid). */
  readonly parentRef: string | null;
  /** The provider's id of the group of legs that is one call (Telnyx call_session_id). */
  readonly sessionRef: string | null;
  readonly direction: Direction | null;
  readonly signal: CallSignal;
  readonly durationSec: number | null;
  /** The provider's raw code beside our cause: SIP code, hangup cause, error code. */
  readonly providerCode: string | null;
  /**
   * Not personal, shown as it is. On any fact: `amd` (human, machine, fax, unknown), `recordingId` with
   * `recordingStatus`; else what the provider's file names: `queue`, `sipCode`, `conferenceId` …
   */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  /** Personal: E.164 numbers or SIP addresses. Null where the provider does not repeat them. */
  readonly from: string | null;
  readonly to: string | null;
  /** Personal or secret values by name, e.g. `recordingUrl`. Sealed under the call's own subject. */
  readonly personal: Readonly<Record<string, string>>;
}

export const messageStatuses = [
  'received',
  'queued',
  'sending',
  'sent',
  'delivered',
  'read',
  'undelivered',
  'failed',
] as const;
export type MessageStatus = (typeof messageStatuses)[number];

/** A fact about one SMS or MMS. */
export interface MessageFact extends FactBase {
  readonly kind: 'message';
  readonly messageRef: string;
  readonly direction: Direction | null;
  readonly status: MessageStatus;
  /** The provider's raw status and error code, e.g. `delivery_failed` and `40008`. */
  readonly providerStatus: string;
  readonly providerCode: string | null;
  readonly optOut: 'stop' | 'start' | 'help' | null;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly from: string | null;
  readonly to: string | null;
  /** Personal: the text. Null on status callbacks. */
  readonly body: string | null;
  readonly personal: Readonly<Record<string, string>>;
}

export const recordAreas = ['organisation', 'billing', 'external'] as const;
/** What part of a tenant's business a record belongs to; `external`: of a sender we have no file for. */
export type RecordArea = (typeof recordAreas)[number];

/**
 * A fact about something of the tenant's own that is neither call nor message: a member, a
 * subscription, whatever a sender we have no file for tells of (decision 0011).
 */
export interface RecordFact extends FactBase {
  readonly kind: 'record';
  readonly area: RecordArea;
  /** Our name of what happened, the area first: `organisation.user_created`, `billing.invoice_paid`. */
  readonly event: string;
  /** What it happened to, e.g. `user`, `subscription`; never personal. */
  readonly objectType: string;
  /** The provider's id of the object; opaque, never personal. */
  readonly objectRef: string;
  /** The object this one belongs to: the organisation of a member, the customer of a subscription. */
  readonly parentRef: string | null;
  /** The provider's own word for how the object stands; null where the delivery does not say. */
  readonly status: string | null;
  /** True when the object is no more. */
  readonly deleted: boolean;
  /** Not personal, shown as it is. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  /**
   * Whom `personal` is about, where that is not the object itself: the user behind a membership, the
   * customer of an invoice. Erasing that object erases these values too.
   */
  readonly about: { readonly objectType: string; readonly objectRef: string } | null;
  /** Personal values by name, e.g. `email`. Sealed under the subject of `about`, else of the object. */
  readonly personal: Readonly<Record<string, string>>;
}

/** A delivery whose signature is right but whose content we cannot read; kept, never dropped. */
export interface NotUnderstoodFact extends FactBase {
  readonly kind: 'not_understood';
  /** The call it belongs to as far as the content tells. */
  readonly legRef: string | null;
  /** In words for the timeline, without any value of the content. */
  readonly reason: string;
}

export const actNames = ['retry', 'discard'] as const;
/** What an operator may do with a parked fact: have it decided again, or let go of it. */
export type ActName = (typeof actNames)[number];

/**
 * An operator's act on a parked fact. Nobody but us appends it (log/own-facts); its id follows from the
 * request, so that the same request twice is one act.
 */
export interface ActFact extends FactBase {
  readonly kind: 'act';
  readonly act: ActName;
  /** The parked fact it is about, by the id of the event that parked it. */
  readonly about: EventId;
  /** Who: the id of a credential or of a user; never a name or an address. */
  readonly actor: string;
  /** Why, in the operator's words; checked to hold no number and no address. */
  readonly reason: string;
}

export type ProviderFact = CallFact | MessageFact | RecordFact | NotUnderstoodFact;

/** A timer of a call that is due, or that need not run out: the scheduler says it, nobody else. */
export interface TimerFact extends FactBase {
  readonly kind: 'timer';
  readonly callId: CallId;
  readonly name: TimerName;
  /** Which arming: it counts only while the call says that this very timer is armed. */
  readonly timerId: string;
  readonly since: number;
  readonly status: CallStatus;
  /** Why the end of the call is inferred; null where the name says it all. */
  readonly reason: string | null;
}

/** Everything that may stand in `deliveries`: what providers send, and what only we say. */
export type SourceFact = ProviderFact | ActFact | TimerFact;

/** A body that was larger than a record may be: what is known of it instead. */
export interface OmittedBody {
  /** Lower-case hex of the body as it came: whoever has the bytes can show that they are these. */
  readonly sha256: string;
  readonly bytes: number;
}

/** The raw delivery as it is kept under the tenant's day key. */
export interface KeptDelivery {
  readonly method: string;
  readonly url: string;
  /** Allow-listed headers only; credentials and signatures are not kept. */
  readonly headers: Readonly<Record<string, string>>;
  /** As it came; empty where it was omitted. */
  readonly body: Uint8Array;
  /** Absent where the body was kept. */
  readonly omitted?: OmittedBody;
}

/**
 * The sealed half of a record of `deliveries`: facts and the bytes they came from. As bytes:
 * schemas/delivery-content.
 */
export interface DeliveryContent {
  readonly facts: readonly SourceFact[];
  readonly raw: KeptDelivery;
}

/** A record of `deliveries`: a clear header and sealed content. Made by `log/fact-record.ts`. */
export interface RecordedFact {
  readonly tenant: TenantId;
  readonly endpoint: EndpointId;
  readonly provider: ProviderName;
  readonly deliveryId: string;
  /** Ours, in ms since 1970: the only `now` a decision sees. */
  readonly receivedAt: number;
  readonly correlationId: string;
  readonly traceId: string;
  readonly schemaVersion: 1;
  /** Version of the provider's mapping that made the facts. */
  readonly mappingVersion: number;
  /** Day key under which `sealed` was made: `YYYY-MM-DD` (UTC). */
  readonly dayKey: string;
  /** The bytes of a DeliveryContent under the day key (runtime/seal `sealBytes`). */
  readonly sealed: Uint8Array;
}
