// Messages: statuses rank, the first outcome stands, what cannot follow is kept and refused.

import { expect, test } from 'vitest';
import { decideMessage } from '../../../processors/message/decide.js';
import { evolveMessage } from '../../../processors/message/evolve.js';
import type { MessageState } from '../../../processors/message/state.js';
import type { StoredMessageFact } from '../../../schemas/call-state.js';
import type { MessageStatus } from '../../../schemas/facts.js';
import { factId, messageId } from '../../../schemas/ids.js';

const id = messageId('msg_1');

/** Facts received one after the other, without a time of the provider's. */
const fact = (n: number, status: MessageStatus, more: Partial<StoredMessageFact> = {}) =>
  ({
    factId: factId(`f${n}`),
    eventType: status,
    occurredAt: null,
    receivedAt: n,
    order: { phase: 1, atUs: n * 1000, seq: 0 },
    messageRef: 'SM1',
    direction: 'outbound',
    status,
    providerStatus: status,
    providerCode: null,
    optOut: null,
    details: {},
    from: null,
    to: null,
    body: null,
    personal: {},
    ...more,
  }) satisfies StoredMessageFact;

function told(...facts: readonly StoredMessageFact[]) {
  let state: MessageState | null = null;
  return facts.map((one) => {
    const body = decideMessage({ messageId: id, provider: 'twilio', state }, one);
    state = evolveMessage(state, body);
    return body;
  });
}

test('statuses climb', () => {
  const bodies = told(fact(1, 'queued'), fact(2, 'sent'), fact(3, 'delivered'), fact(4, 'read'));
  expect(bodies.map(({ type, after }) => [type, after.status])).toEqual([
    ['message.status_changed', 'queued'],
    ['message.status_changed', 'sent'],
    ['message.status_changed', 'delivered'],
    ['message.status_changed', 'read'],
  ]);
});

test('a regression is kept and refused with the reason', () => {
  const bodies = told(fact(1, 'delivered'), fact(2, 'sent'));
  expect(bodies[1]).toMatchObject({
    type: 'message.fact_refused',
    reason: 'sent cannot follow delivered',
    fact: { factId: 'f2' },
    after: { status: 'delivered', factCount: 2 },
  });
});

test('a late fact with a time of its own is no regression', () => {
  const late = fact(9, 'sent', { occurredAt: 2, order: { phase: 1, atUs: 500, seq: 0 } });
  expect(told(fact(1, 'delivered'), late)[1]).toMatchObject({
    type: 'message.status_changed',
    reason: 'late',
    after: { status: 'delivered' },
  });
});

test('the first outcome stands, and nothing follows a failure', () => {
  const bodies = told(
    fact(1, 'undelivered'),
    fact(2, 'delivered'),
    fact(3, 'read'),
    fact(4, 'undelivered'),
  );
  expect(bodies.map(({ type }) => type)).toEqual([
    'message.status_changed',
    'message.fact_refused',
    'message.fact_refused',
    'message.status_changed',
  ]);
  expect(bodies[3]).toMatchObject({ reason: 'same_status', after: { status: 'undelivered' } });
});

test('an inbound message is received once, its copy is recorded', () => {
  const inbound = fact(1, 'received', { direction: 'inbound', details: { mediaCount: 2 } });
  const bodies = told(inbound, { ...inbound, receivedAt: 5 });
  expect(bodies.map(({ type }) => type)).toEqual(['message.received', 'message.duplicate_seen']);
  expect(bodies[1]).toMatchObject({
    fact: null,
    after: { mediaCount: 2, createdAt: 1, factCount: 1 },
  });
});

test('holds a bounded number of facts', () => {
  const bodies = told(...Array.from({ length: 201 }, (_, n) => fact(n, 'sent')));
  expect(bodies.at(-1)).toMatchObject({
    type: 'message.fact_refused',
    reason: 'too_many_facts',
    fact: null,
  });
});
