// The little world's deliveries and the tiny processor that decides them: a hash chain per tenant,
// so that every event says from which earlier events it was decided.

import type { Decider, Restored, SourceRecord } from '../../../log/owner.js';
import type { ValidEvent } from '../../../log/sequence.js';
import type { EventDraft } from '../../../schemas/events.js';
import { eventId, tenantId, type TenantId } from '../../../schemas/ids.js';

/** The value of an input: how many outputs it has. */
export interface Input {
  readonly tenant: TenantId;
  readonly outputs: number;
}

/** The value of an event. */
export interface Payload {
  /** The input it came from: `r0` is offset 0 of the real-time lane, `b0` of bulk. */
  readonly input: string;
  readonly index: number;
  readonly of: number;
  /** The tenant's chain when it was decided: every earlier event, in order. */
  readonly before: string;
}

/** Chain of each tenant: the fold of its events. */
export type Chains = ReadonlyMap<TenantId, string>;

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
export function draftOf(tenant: TenantId, payload: Payload): EventDraft {
  return {
    tenant,
    eventId: eventId(`${payload.input}.${payload.index}`),
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

/** Store ⊕ tail: events that the rows do not hold are folded on them, the others are not. */
export function foldTail(rows: Chains, rowsNext: number, tail: Restored['tail']): Chains {
  const chains = new Map(rows);
  for (const event of tail) {
    if (event.offset >= rowsNext) foldEvent(chains, event);
  }
  return chains;
}

export function foldEvent(
  chains: Map<TenantId, string>,
  event: Pick<ValidEvent, 'tenant' | 'eventId'>,
): void {
  chains.set(event.tenant, link(chains.get(event.tenant) ?? emptyChain, event.eventId));
}

/** Decides from the chains it is given and nothing else; every wait is a step of the scheduler. */
export function chainDecider(start: Chains, wait: () => Promise<void>): Decider {
  const chains = new Map(start);
  const decideOne = (input: SourceRecord): readonly EventDraft[] => {
    const { outputs } = JSON.parse(input.value?.toString() ?? '{}') as Input;
    const tenant = tenantId(input.key);
    return Array.from({ length: outputs }, (_, index) => {
      const before = chains.get(tenant) ?? emptyChain;
      const draft = draftOf(tenant, { input: inputName(input), index, of: outputs, before });
      foldEvent(chains, draft);
      return draft;
    });
  };
  return {
    async decide(inputs) {
      await wait();
      return inputs.map(decideOne);
    },
    revoke() {
      throw new Error('no input of this world is too large');
    },
    park() {
      throw new Error('no input of this world is too large');
    },
    acknowledged() {
      // The overlay of this world is never evicted.
    },
  };
}
