// The little world's deliveries and what they are about: calls behind aliases, and a contact for each
// tenant. States are hash chains, so that every event says from which earlier events it was decided.

import type { Codec } from '../../../log/event-codec.js';
import type { SourceRecord } from '../../../log/lanes.js';
import type { AggregateRef, AggregateState, Evolver } from '../../../schemas/aggregates.js';
import type { EventDraft, EventEnvelope } from '../../../schemas/events.js';
import { eventId, tenantId, type TenantId } from '../../../schemas/ids.js';

/** The value of an input: how many outputs it has, and what they are about. */
export interface Input {
  readonly tenant: TenantId;
  readonly outputs: number;
  /** The call it is about, by its alias. */
  readonly call: string;
  /** Its events touch the tenant's contact too. */
  readonly contact: boolean;
}

/** The value of an event. */
export interface Payload {
  readonly tenant: TenantId;
  /** The input it came from: `r0` is offset 0 of the real-time lane, `b0` of bulk. */
  readonly input: string;
  readonly index: number;
  readonly of: number;
  readonly call: string;
  readonly contact: boolean;
  /** The first event of a call, as far as its decision knew. */
  readonly isFirst: boolean;
  /** The chains when it was decided: every earlier event of each aggregate, in order. */
  readonly before: { readonly call: string; readonly contact: string };
}

export const emptyChain = '';

/** The fold: a checksum over the chain so far and the event. */
export function link(chain: string, id: string): string {
  let hash = 0x811c9dc5;
  for (const char of `${chain}/${id}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}

export const readPayload = (event: { readonly value: Buffer }): Payload =>
  JSON.parse(event.value.toString()) as Payload;

/** The payload travels in a field that any draft has. */
export const encodePayload = (draft: EventDraft): Buffer => Buffer.from(draft.correlationId);

export const inputName = (input: SourceRecord): string =>
  `${input.lane === 'realtime' ? 'r' : 'b'}${input.offset}`;

/** A draft with this payload; everything else in it is filler. */
export function draftOf(payload: Payload): EventDraft {
  return {
    tenant: payload.tenant,
    eventId: eventId(idOf(payload)),
    factId: null,
    provider: null,
    occurredAt: null,
    receivedAt: 0,
    correlationId: JSON.stringify(payload),
    traceId: '',
    ruleVersions: {},
    body: {
      kind: 'not_understood',
      type: 'delivery.not_understood',
      callId: null,
      legRef: null,
      eventType: 'test',
      receivedAt: 0,
      reason: 'test',
      timeline: { upsert: [], remove: [] },
    },
  };
}

export const idOf = ({ input, index }: Payload): string => `${input}.${index}`;

export const aliasRef = (tenant: TenantId, call: string): AggregateRef => ({
  ...{ tenant, kind: 'alias', key: `alias of ${call}` },
});
export const callRef = (tenant: TenantId, call: string): AggregateRef => ({
  ...{ tenant, kind: 'call', key: call },
});
export const contactRef = (tenant: TenantId): AggregateRef => ({
  ...{ tenant, kind: 'message', key: 'contact' },
});

/** Every aggregate an event touches; the call first. */
export function touchedBy({ tenant, call, contact, isFirst }: Payload): readonly AggregateRef[] {
  return [
    callRef(tenant, call),
    ...(isFirst ? [aliasRef(tenant, call)] : []),
    ...(contact ? [contactRef(tenant)] : []),
  ];
}

export const chainOf = (state: AggregateState | null | undefined): string =>
  typeof state?.chain === 'string' ? state.chain : emptyChain;

export function evolvePayload(
  ref: AggregateRef,
  state: AggregateState | null,
  payload: Payload,
): AggregateState {
  if (ref.kind === 'alias') return { callId: payload.call };
  return { chain: link(chainOf(state), idOf(payload)) };
}

/** The envelope is no more than its payload here. */
const payloadOf = (event: EventEnvelope): Payload => event as unknown as Payload;

/** This world's rules in the form that a takeover folds with. */
export const evolver: Evolver = {
  version: 1,
  touched: (event) => touchedBy(payloadOf(event)),
  evolve: (ref, state, event) => evolvePayload(ref, state, payloadOf(event)),
};

export const codec = {
  learn: () => Promise.resolve(),
  decodeEvent: (value: Buffer) => readPayload({ value }) as unknown as EventEnvelope,
} as unknown as Codec;

/** The input in a record of a lane. */
export function inputOf(record: { readonly key: string; readonly value: Buffer | null }): Input {
  const input = JSON.parse(record.value?.toString() ?? '{}') as Input;
  return { ...input, tenant: tenantId(record.key) };
}
