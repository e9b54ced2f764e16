// The JSON form of our own (docs/own-events.md): calls and messages as they are told, everything else a
// record, nothing dropped.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newSigningSecret } from '../../../cli/simulator/secrets.js';
import { signAs } from '../signing.js';
import { factsOf, nowMs, post, told } from './message-senders.js';

const credentials = { signingSecret: newSigningSecret() };
const facts = (event: unknown) => told('standard-webhooks', event, credentials);
const only = (event: unknown) => {
  const [fact, ...more] = facts(event);
  if (fact === undefined || more.length > 0) throw new Error('not one fact');
  return fact;
};
const bytes = (body: string | Buffer) => {
  const signed = signAs('standard-webhooks', post(body), credentials, nowMs);
  return factsOf('standard-webhooks', signed, credentials);
};

describe('a call', () => {
  it('is told with its parties, its place among the legs and its time', () => {
    const fact = only({
      ...{
        type: 'call.answered',
        id: 'evt_1',
        occurredAt: '2026-10-01T10:00:03.250Z',
        sequence: 7,
      },
      call: {
        ...{ id: 'leg-2', parent: 'leg-1', session: 's-1', direction: 'inbound' },
        ...{ from: '+15555550142', to: 'sip:desk@example.com' },
        ...{ details: { queue: 'sales', waitSec: 4, note: 'call me at 555 0142' } },
        personal: { agentName: 'Grace' },
      },
    });
    expect(fact).toMatchObject({
      ...{ kind: 'call', legRef: 'leg-2', parentRef: 'leg-1', sessionRef: 's-1' },
      ...{ direction: 'inbound', from: '+15555550142', to: 'sip:desk@example.com' },
      ...{ signal: { type: 'status', status: 'answered' }, eventType: 'call.answered' },
      ...{ occurredAt: Date.parse('2026-10-01T10:00:03.250Z'), order: { phase: 1, seq: 7 } },
      ...{ details: { queue: 'sales', waitSec: 4 }, personal: { agentName: 'Grace' } },
    });
    expect(JSON.stringify({ ...fact, personal: {}, from: '', to: '' })).not.toContain('call me');
  });

  it.each([
    ['initiated', { status: 'initiated' }, 1],
    ['ringing', { status: 'ringing' }, 1],
    ['held', { status: 'on_hold' }, 1],
    ['on-hold', { status: 'on_hold' }, 1],
    ['resumed', { status: 'answered' }, 1],
    ['transferring', { status: 'transferring' }, 1],
    ['completed', { status: 'completed', cause: null }, 2],
    ['failed', { status: 'failed', cause: 'no_answer' }, 2],
    ['ended', { type: 'hangup', cause: 'no_answer' }, 2],
    ['transcript', { type: 'note', name: 'transcript' }, 1],
  ])('that is %s', (word, signal, phase) => {
    const fact = only({ type: `call.${word}`, call: { id: 'leg-1', cause: 'no-answer' } });
    expect(fact).toMatchObject({ kind: 'call', signal, order: { phase } });
  });

  it('fails with the sender’s own code where its cause is none of ours', () => {
    expect(only({ type: 'call.failed', call: { id: 'a', cause: 'meteor' } })).toMatchObject({
      ...{ signal: { status: 'failed', cause: 'provider' }, providerCode: 'meteor' },
    });
  });
});

describe('a message', () => {
  it('is told with its text, and by its status', () => {
    expect(
      only({
        ...{ type: 'message.received', timestamp: nowMs / 1000 },
        message: {
          id: 'm1',
          from: '+15555550142',
          to: '+15555550100',
          text: 'stop',
          mediaCount: 1,
        },
      }),
    ).toMatchObject({
      ...{ kind: 'message', messageRef: 'm1', direction: 'inbound', status: 'received' },
      ...{ body: 'stop', optOut: 'stop', details: { mediaCount: 1 }, occurredAt: nowMs },
    });
    expect(
      only({ type: 'message.undelivered', message: { id: 'm1', code: '30003' } }),
    ).toMatchObject({
      ...{ kind: 'message', status: 'undelivered', providerCode: '30003', order: { phase: 2 } },
    });
  });
});

describe('everything else', () => {
  it('is a record: of an object where one is named, with its content sealed', () => {
    const data = { id: 'inv_1', status: 'open', email: 'ada@example.com' };
    expect(
      only({ type: 'ticket.reply.created', timestamp: '2026-10-01T10:00:00Z', data }),
    ).toMatchObject({
      ...{ kind: 'record', area: 'external', event: 'external.ticket_reply_created' },
      ...{ objectType: 'ticket_reply', objectRef: 'inv_1', status: 'open', deleted: false },
      ...{ personal: { content: JSON.stringify(data) } },
    });
    expect(only({ type: 'ticket.deleted', data: { id: 'inv_1' } })).toMatchObject({
      deleted: true,
    });
  });

  it('is a record of itself where no object is named, or where its id might be somebody’s', () => {
    for (const data of [{}, { id: '+15555550142' }, { id: 'ada@example.com' }, undefined]) {
      const fact = only({ type: 'something.happened', data });
      expect(fact.kind === 'record' && fact.objectRef === fact.factId).toBe(true);
      expect(JSON.stringify({ ...fact, personal: {} })).not.toMatch(/5555550142|ada@/);
    }
  });

  it('is a record too when it is called a call and names none', () => {
    for (const event of [
      { type: 'call.answered' },
      { type: 'message.read', message: {} },
      { type: 'message.lost', message: { id: 'm' } },
    ]) {
      expect(only(event)).toMatchObject({ kind: 'record', area: 'external' });
    }
  });

  it('may be any JSON', () => {
    for (const value of [7, 'text', true, null, [], {}, { type: 'a b' }, { type: 7 }]) {
      expect(only(value)).toMatchObject({ kind: 'record' });
    }
  });

  it('keeps no content that is too long, and says how long it was', () => {
    const fact = only({ type: 'a.b', data: { text: 'x'.repeat(5000) } });
    expect(fact).toMatchObject({ personal: {}, details: { contentChars: 5011 } });
  });

  it('is not understood only where it is no JSON', () => {
    for (const body of ['{"type":', 'a=b', '', Buffer.from([0xff, 0xfe])]) {
      expect(bytes(body)[0]?.kind).toBe('not_understood');
    }
  });
});

describe('what no clock and no stack can hold', () => {
  it('of a time that no log can keep, our receipt stands in', () => {
    for (const occurredAt of ['0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z', 2 ** 53, -5]) {
      const fact = only({ type: 'call.answered', occurredAt, call: { id: 'a' } });
      expect(Number.isSafeInteger(fact.order.atUs) && fact.order.atUs > 0).toBe(true);
    }
  });

  it('of content that is nested deeper than the stack, the event stands without it', () => {
    const deep = '{"a":'.repeat(20_000) + '1' + '}'.repeat(20_000);
    const [fact] = bytes(`{"type":"a.b","data":${deep}}`);
    expect(fact).toMatchObject({ kind: 'record', personal: {}, details: {} });
  });
});

describe('a list', () => {
  it('is as many facts, each with an identity of its own', () => {
    const list = [
      { type: 'call.ringing', id: 'e1', call: { id: 'a' } },
      { type: 'message.sent', message: { id: 'm' } },
      { type: 'message.sent', message: { id: 'm' } },
      'text',
    ];
    const all = facts(list);
    expect(all.map(({ kind }) => kind)).toEqual(['call', 'message', 'message', 'record']);
    expect(new Set(all.map(({ factId }) => factId)).size).toBe(4);
    expect(facts(list).map(({ factId }) => factId)).toEqual(all.map(({ factId }) => factId));
  });

  it('that is longer than any batch is one record as a whole', () => {
    expect(facts(Array.from({ length: 101 }, () => ({})))).toHaveLength(1);
  });
});

it('every example of docs/own-events.md is read as it says there', () => {
  const text = readFileSync('docs/own-events.md', 'utf8');
  const examples = [...text.matchAll(/```json (call|message|record)\n([\s\S]*?)```/g)];
  expect(examples.length).toBeGreaterThan(3);
  for (const [, kind, json = ''] of examples) expect(only(JSON.parse(json)).kind).toBe(kind);
});
