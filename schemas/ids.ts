// What travels: the names of things. Branded strings and numbers, so that a tenant id cannot be
// passed where a call id is meant. Each brand is made only by the function beside it.

declare const brand: unique symbol;
/** A value of type `T` that only its maker function hands out. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A customer of this installation; the first column of every key, index and query. */
export type TenantId = Brand<string, 'TenantId'>;
/** Opaque id in a webhook URL; it alone picks tenant, provider and credentials. */
export type EndpointId = Brand<string, 'EndpointId'>;
/** One canonical id per call, derived from tenant, provider and the root reference. */
export type CallId = Brand<string, 'CallId'>;
/** One leg of a call. */
export type LegId = Brand<string, 'LegId'>;
/** One message (SMS/MMS), inbound or outbound. */
export type MessageId = Brand<string, 'MessageId'>;
/** One record of the tenant's own: a member, a subscription, an object of another sender. */
export type RecordId = Brand<string, 'RecordId'>;
/** A data subject of one tenant: keyed HMAC of a normalised number, never a plain hash. */
export type SubjectId = Brand<string, 'SubjectId'>;
/** Identity of a provider's fact, from signed bytes only; the dedupe key. */
export type FactId = Brand<string, 'FactId'>;
/** Identity of an event, derived from its fact and its index among the fact's events. */
export type EventId = Brand<string, 'EventId'>;
/** One attempt to own a partition of `events`; never reused (design 3.2, rule 1). */
export type OwnerId = Brand<string, 'OwnerId'>;
/** Incarnation of the log; changes only when a log is restored or re-created. Never empty. */
export type Epoch = Brand<string, 'Epoch'>;
/** A tenant's sequence number: dense, from 1. */
export type Seq = Brand<number, 'Seq'>;
/** Position of a record in one partition of one topic: dense, from 0. */
export type Offset = Brand<number, 'Offset'>;

const tenantPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const endpointPattern = /^ep_[A-Za-z0-9]{16,32}$/;

/** Reads a tenant id: 1 to 63 lower-case letters, digits and inner hyphens; null when it is none. */
export function parseTenantId(text: string): TenantId | null {
  return tenantPattern.test(text) ? (text as TenantId) : null;
}

/** Reads an endpoint id (`ep_` and 16 to 32 letters or digits); null when it is none. */
export function parseEndpointId(text: string): EndpointId | null {
  return endpointPattern.test(text) ? (text as EndpointId) : null;
}

/** Trusts a tenant id that was parsed when it was stored (log records, database rows). */
export const tenantId = (text: string): TenantId => text as TenantId;
export const endpointId = (text: string): EndpointId => text as EndpointId;
export const callId = (text: string): CallId => text as CallId;
export const legId = (text: string): LegId => text as LegId;
export const messageId = (text: string): MessageId => text as MessageId;
export const recordId = (text: string): RecordId => text as RecordId;
export const subjectId = (text: string): SubjectId => text as SubjectId;
export const factId = (text: string): FactId => text as FactId;
export const eventId = (text: string): EventId => text as EventId;
export const ownerId = (text: string): OwnerId => text as OwnerId;
export const epoch = (text: string): Epoch => text as Epoch;
export const seq = (value: number): Seq => value as Seq;
export const offset = (value: number): Offset => value as Offset;
