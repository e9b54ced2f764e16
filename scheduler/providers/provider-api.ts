// Scheduler, providers: what an API file says of its provider: how to ask after a call, how to list calls, and what the
// answers mean. Pure but for the questions, which the caller puts.

import type { z } from 'zod';

import { ownFactId, type OwnFact } from '../../log/own-facts.js';
import type { CallFact, CallSignal, CallStatus, ProviderName } from '../../schemas/facts.js';
import type { TenantId } from '../../schemas/ids.js';
import type { ApiAnswer, ApiQuestion } from '../call-api.js';

/** An account as an API file sees it. */
export interface ApiAccount {
  readonly baseUrl: string;
  readonly credentials: Readonly<Record<string, string>>;
}

/** The call that is asked after, by the provider's references. */
export interface AskedCall {
  readonly tenant: TenantId;
  /** Of the call's own leg. */
  readonly legRef: string;
  /** Telnyx: the handle of that leg, where a delivery named it. */
  readonly controlId: string | null;
  readonly status: CallStatus;
}

/** Puts one question; the gate of the account stands before it. */
export type Put = (question: ApiQuestion) => Promise<ApiAnswer>;

/** What a provider says of a call; `failed`: what came in place of an answer. */
export type CallReport =
  | { readonly kind: 'ended'; readonly ends: readonly ReportedFact[] }
  | { readonly kind: 'active'; readonly status: CallStatus | null }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'failed'; readonly answer: ApiAnswer };

/** A fact as a provider's API tells it. */
export interface ReportedFact {
  readonly legRef: string;
  /** The provider's word, e.g. `completed` or `call.hangup`. */
  readonly event: string;
  readonly signal: CallSignal;
  /** Null: the provider does not say when. */
  readonly atMs: number | null;
  readonly durationSec?: number | null;
  readonly providerCode?: string | null;
  readonly direction?: CallFact['direction'];
  readonly parentRef?: string | null;
  readonly sessionRef?: string | null;
  readonly details?: CallFact['details'];
  /** Personal: sealed on its way, like those of a delivery. */
  readonly from?: string | null;
  readonly to?: string | null;
}

/** A call in a provider's list. */
export interface ListedCall {
  readonly legRef: string;
  readonly startedAtMs: number | null;
  readonly isEnded: boolean;
  /** As the provider says it stands, in our statuses; null where it does not say. */
  readonly status: CallStatus | null;
  readonly facts: readonly ReportedFact[];
}

/** A page of a list; `next` is null at its end. */
export type CallPage =
  | { readonly kind: 'page'; readonly calls: readonly ListedCall[]; readonly next: string | null }
  | { readonly kind: 'failed'; readonly answer: ApiAnswer };

export interface ProviderApi {
  readonly provider: ProviderName;
  readonly defaultBaseUrl: string;
  readonly credentialSchema: z.ZodType<Readonly<Record<string, string>>>;
  /** What is shown to whoever adds an account: name and where to find it. */
  readonly credentialHelp: Readonly<Record<string, string>>;
  ask(account: ApiAccount, call: AskedCall, put: Put): Promise<CallReport>;
  /** `cursor` null: the first page. `sinceMs` bounds when calls started, as finely as the API can. */
  list(account: ApiAccount, range: ListRange, put: Put): Promise<CallPage>;
  /** What its list cannot show, for whoever reads a reconciliation; null where it shows all. */
  readonly listLimit: string | null;
}

export interface ListRange {
  readonly sinceMs: number;
  readonly cursor: string | null;
}

/** Where a fact was reported for; what it is made of names it, so that two reconciliations are one fact. */
export interface ReportPlace {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  /** Ours: stands in where the provider does not say when. */
  readonly nowMs: number;
}

/** An ordinary fact of the call, with the provider as its origin, marked as `reconciled`. */
export function reconciledFact(place: ReportPlace, reported: ReportedFact, more = ''): OwnFact {
  const { tenant, provider, nowMs } = place;
  const { legRef, event, signal, atMs, details = {} } = reported;
  const isEnd =
    signal.type === 'hangup' || (signal.type === 'status' && endStatuses.has(signal.status));
  const fact: CallFact = {
    kind: 'call',
    factId: ownFactId(tenant, 'reconciled', provider, legRef, event, more),
    eventType: `reconciled.${event}`,
    occurredAt: atMs,
    order: { phase: isEnd ? 2 : 1, atUs: (atMs ?? nowMs) * 1000, seq: 0 },
    legRef,
    parentRef: reported.parentRef ?? null,
    sessionRef: reported.sessionRef ?? null,
    direction: reported.direction ?? null,
    signal,
    durationSec: reported.durationSec ?? null,
    providerCode: reported.providerCode ?? null,
    details: { ...details, reconciled: true },
    from: reported.from ?? null,
    to: reported.to ?? null,
    personal: {},
  };
  return { tenant, provider, fact };
}

const endStatuses: ReadonlySet<CallStatus> = new Set(['completed', 'failed']);

/** A path below a base; each part is escaped. */
export const urlOf = (
  base: string,
  path: readonly string[],
  query: Readonly<Record<string, string>> = {},
): string => {
  const search = new URLSearchParams(query).toString();
  const whole = `${base.replace(/\/+$/, '')}/${path.map(encodeURIComponent).join('/')}`;
  return search === '' ? whole : `${whole}?${search}`;
};
