// What travels to live clients: the frames of design section 8, and the JSON views in them.

import type {
  CallStatus,
  Direction,
  FailureCause,
  MessageStatus,
  ProviderName,
  RecordArea,
} from './facts.js';

/** A party as a client sees it; `number` only for roles that may see personal data. */
export interface PartyItem {
  readonly subjectId: string;
  readonly masked: string;
  readonly number?: string;
}

export interface LegItem {
  readonly id: string;
  readonly status: CallStatus;
  readonly primary: boolean;
  readonly direction: Direction | null;
  readonly from: PartyItem | null;
  readonly to: PartyItem | null;
  readonly startedAt: string;
  readonly answeredAt: string | null;
  readonly endedAt: string | null;
  readonly durationSec: number | null;
  readonly cause: FailureCause | null;
  readonly providerCode: string | null;
}

/** A call in snapshots, events and `GET /v1/calls`: one shape everywhere. Times are RFC 3339. */
export interface CallItem {
  readonly id: string;
  readonly provider: ProviderName;
  readonly status: CallStatus;
  readonly enteredAt: string;
  readonly reason: string | null;
  readonly inferred: boolean;
  readonly cause: FailureCause | null;
  readonly providerCode: string | null;
  readonly direction: Direction | null;
  readonly from: PartyItem | null;
  readonly to: PartyItem | null;
  readonly startedAt: string;
  readonly ringingAt: string | null;
  readonly answeredAt: string | null;
  readonly endedAt: string | null;
  readonly durationSec: number | null;
  readonly amd: string | null;
  readonly recordings: number;
  readonly legs: readonly LegItem[];
  readonly factCount: number;
  readonly refusedCount: number;
  /** When late data was in or no longer waited for. */
  readonly settledAt: string | null;
  readonly mergedInto: string | null;
}

export interface TimelineItem {
  readonly id: string;
  readonly type: string;
  readonly status: CallStatus | null;
  readonly leg: string | null;
  readonly occurredAt: string | null;
  readonly receivedAt: string;
  readonly inferred: boolean;
  readonly late: boolean;
  readonly refused: string | null;
  readonly reason: string | null;
  readonly providerCode: string | null;
  /** The provider's order as text: entries sort by it, then by id. */
  readonly order: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export interface MessageItem {
  readonly id: string;
  readonly provider: ProviderName;
  readonly direction: Direction | null;
  readonly status: MessageStatus;
  readonly providerStatus: string;
  readonly providerCode: string | null;
  readonly optOut: 'stop' | 'start' | 'help' | null;
  readonly from: PartyItem | null;
  readonly to: PartyItem | null;
  /** Only for roles that may see personal data. */
  readonly body?: string;
  readonly mediaCount: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A member, a subscription or another object of the tenant's own; one shape everywhere. */
export interface RecordItem {
  readonly id: string;
  readonly provider: ProviderName;
  readonly area: RecordArea;
  /** What it is, e.g. `user`, `subscription`. */
  readonly type: string;
  /** The provider's id of it, and of the object it belongs to. */
  readonly ref: string;
  readonly parent: string | null;
  readonly status: string | null;
  readonly deleted: boolean;
  readonly lastEvent: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  /** Whom `personal` is about; null where nothing personal is known. */
  readonly subjectId: string | null;
  /** Only for roles that may see personal data; without what was erased. */
  readonly personal?: Readonly<Record<string, string>>;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly factCount: number;
}

/** Statistics of one minute, UTC. */
export interface StatsItem {
  readonly minute: string;
  readonly started: number;
  readonly answered: number;
  readonly completed: number;
  readonly failed: number;
  readonly inboundMessages: number;
  readonly outboundMessages: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly notUnderstood: number;
  readonly parked: number;
  /** Facts about members, subscriptions and other objects of the tenant's own. */
  readonly records: number;
}

/** The one item of a snapshot of `call:{id}`; there is none while the call is not known. */
export interface CallDetailItem {
  readonly call: CallItem;
  readonly entries: readonly TimelineItem[];
}

export interface Cursor {
  readonly epoch: string;
  readonly seq: number;
}

/** An event as a client sees it. */
export interface LiveEvent {
  readonly type: string;
  readonly at: string;
  readonly callId?: string;
  readonly call?: CallItem;
  readonly message?: MessageItem;
  readonly record?: RecordItem;
  /** Of a record: what the delivery says happened, e.g. `organisation.user_created`. */
  readonly event?: string;
  readonly entries?: readonly TimelineItem[];
  /** On `call:{id}`: timeline entries that no longer stand. On `calls`: calls that are legs of this one. */
  readonly removed?: readonly string[];
  readonly stats?: StatsItem;
  readonly reason?: string;
  /** The parked fact it is about (`/v1/dead-letters/{id}`). */
  readonly deadLetter?: string;
  /** The call was, or may have been, in the subscription's filter and no longer is: drop `callId`. */
  readonly left?: true;
  /** Sent to a slow reader: this many earlier events of the same thing are folded into this one. */
  readonly conflated?: number;
}

export type ClientFrame =
  | { readonly type: 'auth'; readonly token: string }
  | { readonly type: 'refresh'; readonly token: string }
  | {
      readonly type: 'subscribe';
      readonly id: string;
      readonly topic: string;
      readonly filter?: Readonly<Record<string, string>> | undefined;
      readonly since?: Cursor | undefined;
    }
  | { readonly type: 'unsubscribe'; readonly id: string }
  | { readonly type: 'ping' };

export type ResyncReason = 'epoch' | 'too_old' | 'gap' | 'slow';

export type ServerFrame =
  | {
      readonly type: 'ready';
      readonly epoch: string;
      readonly tenant: string;
      readonly expiresAt: string | null;
      readonly heartbeatMs: number;
    }
  | {
      readonly type: 'snapshot';
      readonly id: string;
      readonly asOf: Cursor;
      readonly items: readonly unknown[];
      readonly more: boolean;
    }
  | { readonly type: 'event'; readonly id: string; readonly seq: number; readonly event: LiveEvent }
  | { readonly type: 'live'; readonly id: string; readonly seq: number }
  | {
      readonly type: 'heartbeat';
      /** By subscription: everything up to this seq that concerns it stands before this frame. */
      readonly tops: Readonly<Record<string, number>>;
      /** By subscription: seq of the last event frame sent to it, 0 when none; a client that has
       * applied less has missed something. */
      readonly sent: Readonly<Record<string, number>>;
      readonly at: string;
    }
  | { readonly type: 'pong' }
  | { readonly type: 'resync'; readonly id: string; readonly reason: ResyncReason }
  | { readonly type: 'drain'; readonly retryInMs: number }
  | {
      readonly type: 'error';
      readonly code: string;
      readonly detail: string;
      /** The subscription it is about, where it is about one. */
      readonly id?: string;
    };
