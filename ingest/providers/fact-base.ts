// Ingest, providers: what every provider's mapping builds its facts of: identity, order, safe values.
// Anything that is not provably harmless stays out of `details` and of every name.

import { hash } from 'node:crypto';
import type {
  CallFact,
  CallSignal,
  CallStatus,
  FailureCause,
  MessageFact,
  NotUnderstoodFact,
  OrderKey,
  ProviderName,
} from '../../schemas/facts.js';
import { factId, type FactId, type TenantId } from '../../schemas/ids.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';

/** Whose delivery is mapped, and when we got it. */
export interface FactSource {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  /** Ours, in ms: stands in where the provider signs no time. */
  readonly receivedAt: number;
}

export type Details = Readonly<Record<string, string | number | boolean>>;

export function sourceOf(delivery: VerifiedDelivery): FactSource {
  const { tenant, provider, raw } = delivery;
  return { tenant, provider, receivedAt: raw.receivedAt };
}

/**
 * Identity of a fact (design section 4): tenant, provider, external id and event type, all from signed
 * bytes. `externalId` holds status and sequence where the provider reuses one id. 22 characters.
 */
export function identify(
  source: FactSource,
  externalId: readonly string[],
  eventType: string,
): FactId {
  const name = JSON.stringify([source.tenant, source.provider, externalId, eventType]);
  return factId(hash('sha256', name, 'base64url').slice(0, 22));
}

/** A number that the log can hold exactly and that is no time before 1970: anything else is no time. */
const isTime = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Where a fact stands; `atUs` null, or no time that could be kept, takes our receipt. */
export function orderOf(
  source: FactSource,
  phase: OrderKey['phase'],
  atUs: number | null,
  seq = 0,
): OrderKey {
  const at = atUs !== null && isTime(atUs) ? atUs : source.receivedAt * 1000;
  return { phase, atUs: at, seq: isTime(seq) ? seq : 0 };
}

const iso = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** Reads an RFC 3339 time as microseconds since 1970; null when it is none. */
export function isoMicros(text: string | null | undefined): number | null {
  const match = iso.exec(text ?? '');
  if (match === null) return null;
  const [, seconds = '', fraction = '', zone = ''] = match;
  const ms = Date.parse(seconds + zone);
  return Number.isNaN(ms) ? null : ms * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

const rfc2822 =
  /^[A-Za-z]{3}, (\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/;
const months = 'JanFebMarAprMayJunJulAugSepOctNovDec';

/** Reads an RFC 2822 time (`Thu, 01 Oct 2026 10:00:51 +0000`) as microseconds; null when it is none. */
export function rfc2822Micros(text: string | null | undefined): number | null {
  // By hand: `Date.parse` of this form costs 5 µs, on the way of every Twilio callback.
  const match = rfc2822.exec(text ?? '');
  if (match === null) return null;
  const [, day, name = '', year, hour, minute, second, sign, zoneHour, zoneMinute] = match;
  const month = months.indexOf(name) / 3;
  const isTime = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60;
  if (!Number.isInteger(month) || month < 0 || !isTime) return null;
  const zoneMs = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  const date = Date.UTC(Number(year), month, Number(day));
  const time = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000;
  return (date + time - (sign === '-' ? -zoneMs : zoneMs)) * 1000;
}

const plainTime = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?$/;

/** Reads a time without a zone (`2026-10-01 10:00:09.000000`) as UTC, in microseconds; null when it is none. */
export function utcMicros(text: string | null | undefined): number | null {
  return text !== null && text !== undefined && plainTime.test(text)
    ? isoMicros(`${text.replace(' ', 'T')}Z`)
    : null;
}

/** An E.164 number with its `+`, of a provider that leaves it out; short codes, names and SIP stay as they are. */
export function plusNumber(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  return /^[1-9]\d{7,14}$/.test(text) ? `+${text}` : text;
}

export const millis = (micros: number | null): number | null =>
  micros === null || !isTime(micros) ? null : Math.floor(micros / 1000);

/** A count or a number of seconds, never negative; null for anything else. */
export function wholeNumber(text: string | null | undefined): number | null {
  return text !== null && text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

const nameShape = /^[A-Za-z][A-Za-z0-9_.-]{0,79}$/;
const codeShape = /^[A-Za-z0-9_.-]{1,60}$/;
const idShape = /^[A-Za-z0-9_:.-]{1,128}$/;
const digitRun = /\d[\d\s().-]{5,}\d/;

const looksDialable = (text: string): boolean => digitRun.test(text);

/** A provider's word (event, status, result), or null when it could be anything else. */
export function safeName(text: string | null | undefined): string | null {
  return text !== null && text !== undefined && nameShape.test(text) && !looksDialable(text)
    ? text
    : null;
}

/** A provider's code, e.g. `486`, `user_busy` or `30003`; never seven digits or more. */
export function safeCode(text: string | null | undefined): string | null {
  return text !== null && text !== undefined && codeShape.test(text) && !looksDialable(text)
    ? text
    : null;
}

/** A provider's reference of a leg, message, recording or conference: opaque, but one word. */
export function reference(text: string | null | undefined): string | null {
  return text !== null && text !== undefined && idShape.test(text) && !/^\+?\d{7,15}$/.test(text)
    ? text
    : null;
}

/** The entries whose value is known. */
export function known<T>(
  entries: Readonly<Record<string, T | null | undefined>>,
): Record<string, T> {
  const kept: Record<string, T> = {};
  for (const name of Object.keys(entries)) {
    const value = entries[name];
    if (value !== null && value !== undefined) kept[name] = value;
  }
  return kept;
}

export const statusSignal = (
  status: CallStatus,
  cause: FailureCause | null = null,
  reason: string | null = null,
): CallSignal => ({ type: 'status', status, cause, reason });

export const noteSignal = (name: string): CallSignal => ({ type: 'note', name });

type CallParts = Pick<CallFact, 'factId' | 'eventType' | 'order' | 'legRef' | 'signal'> &
  Partial<CallFact>;

/**
 * A call fact; what the delivery does not say is null or empty. Field by field: spreading defaults and
 * parts over each other costs 4 µs of every delivery.
 */
export function callFact(parts: CallParts): CallFact {
  return {
    kind: 'call',
    factId: parts.factId,
    eventType: parts.eventType,
    occurredAt: parts.occurredAt ?? null,
    order: parts.order,
    legRef: parts.legRef,
    parentRef: parts.parentRef ?? null,
    sessionRef: parts.sessionRef ?? null,
    direction: parts.direction ?? null,
    signal: parts.signal,
    durationSec: parts.durationSec ?? null,
    providerCode: parts.providerCode ?? null,
    details: parts.details ?? {},
    from: parts.from ?? null,
    to: parts.to ?? null,
    personal: parts.personal ?? {},
  };
}

type MessageParts = Pick<
  MessageFact,
  'factId' | 'eventType' | 'order' | 'messageRef' | 'status' | 'providerStatus'
> &
  Partial<MessageFact>;

/** A message fact; what the delivery does not say is null or empty. */
export function messageFact(parts: MessageParts): MessageFact {
  return {
    kind: 'message',
    occurredAt: null,
    direction: null,
    providerCode: null,
    optOut: null,
    details: {},
    from: null,
    to: null,
    body: null,
    personal: {},
    ...parts,
  };
}

/** What is known of content that cannot be read. */
export interface NotUnderstood {
  /** In words, without any value of the content. */
  readonly reason: string;
  readonly externalId: readonly string[];
  readonly eventType?: string | null;
  readonly legRef?: string | null;
  readonly atUs?: number | null;
}

/** Content that cannot be read, as a fact: kept, counted, shown, never dropped. */
export function notUnderstood(source: FactSource, what: NotUnderstood): NotUnderstoodFact {
  const eventType = what.eventType ?? 'not_understood';
  const atUs = what.atUs ?? null;
  return {
    kind: 'not_understood',
    factId: identify(source, ['not_understood', ...what.externalId], eventType),
    eventType,
    occurredAt: millis(atUs),
    order: orderOf(source, 1, atUs),
    legRef: what.legRef ?? null,
    reason: what.reason,
  };
}

/** Names bytes that carry no id of their own. */
export function bytesId(bytes: Buffer | string): string {
  return hash('sha256', bytes, 'base64url');
}
