// The judge finds what it is there to find: each verdict with a history that breaks it and one that does not.

import { expect, test } from 'vitest';

import { MemoryStore, createMemoryLog } from '../../log/memory.js';
import { createLocalCodec } from '../../log/event-codec.js';
import { formatHeader } from '../../log/record-header.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { epoch, eventId, offset, ownerId, seq, tenantId } from '../../schemas/ids.js';
import {
  judgeDense,
  judgeLost,
  judgeParked,
  judgeSubscribers,
  judgeTwice,
  judgeZombies,
} from './judge.js';
import { readHistory, type History } from './record.js';
import type { Subscriber } from './subscribers.js';

const acme = tenantId('acme');

/** What the judge looks at, of one event. */
function event(
  at: number,
  more: { readonly factId?: string; readonly kind?: string; readonly type?: string } = {},
) {
  const { factId = `f${at}`, kind = 'call', type = 'call.ringing' } = more;
  const body = { kind, type, fact: {}, errorCode: 'value_unreadable' };
  return { seq: at, factId, correlationId: `c${at}`, body } as unknown as EventEnvelope;
}

const history = (events: readonly EventEnvelope[], more: Partial<History> = {}): History => ({
  tenants: new Map([[acme, events]]),
  ...{ ownerships: [], zombies: 0, zombiesAccepted: 0, deliveries: 0, ...more },
});

test('a delivery that was answered 2xx and is in no event is lost', () => {
  const whole = history([event(1), event(2)]);
  expect(judgeLost(whole, ['c1', 'c2']).ok).toBe(true);
  expect(judgeLost(whole, ['c1', 'c3'])).toMatchObject({
    ok: false,
    detail: '1 of 2 deliveries: c3',
  });
});

test('a fact that changed something twice is found; a copy that was seen to be one is none', () => {
  const copy = event(2, { factId: 'f1', type: 'call.duplicate_seen' });
  expect(judgeTwice(history([event(1), copy])).ok).toBe(true);
  const twice = judgeTwice(history([event(1), event(2, { factId: 'f1' })]));
  expect(twice).toMatchObject({ ok: false, detail: '1 of 2 facts: acme f1' });
});

test('a hole and a repeated number in a sequence are found', () => {
  expect(judgeDense(history([event(1), event(2)])).ok).toBe(true);
  expect(judgeDense(history([event(1), event(3)])).detail).toContain('acme at 2');
  expect(judgeDense(history([event(1), event(1)])).ok).toBe(false);
});

test('what is parked without a reason is found', () => {
  const parked = event(1, { kind: 'parked', type: 'fact.parked' });
  expect(judgeParked(history([parked])).ok).toBe(false);
});

test('a subscriber that missed or repeated an event is found; a loss that a snapshot told of is none', () => {
  const events = history([event(1), event(2), event(3, { kind: 'message' }), event(4)]);
  const saw = (applied: readonly [number, number][], told: Subscriber['told'] = []) =>
    judgeSubscribers(events, [
      { tenant: acme, applied: new Map(applied), told } as unknown as Subscriber,
    ]);
  const every = [1, 2, 4].map((at): [number, number] => [at, 1]);
  expect(saw(every).ok).toBe(true);
  expect(saw(every.slice(0, 2)).detail).toContain('acme 4 never came');
  expect(
    saw([
      [1, 1],
      [2, 2],
      [4, 1],
    ]).detail,
  ).toContain('acme 2 came 2 times');
  expect(
    saw(
      [
        [1, 1],
        [4, 1],
      ],
      [{ after: 1, upTo: 2 }],
    ).ok,
  ).toBe(true);
});

test('the log is read by the rule as it is written: a zombie’s records are told, and never accepted', async () => {
  const store = new MemoryStore({ partitions: 1, maxBatchBytes: 1_000_000 });
  const log = createMemoryLog(store, {
    step: () => Promise.resolve(),
    fate: () => 'ok',
    later: (land) => {
      setImmediate(land);
    },
    timer: (ms, fire) => {
      const timer = setTimeout(fire, ms);
      return () => {
        clearTimeout(timer);
      };
    },
  });
  const appender = await log.openAppender();
  const names = { epoch: epoch('e'), covered: { realtime: offset(0), bulk: offset(-1) } };
  const marker = (owner: string, term: number) =>
    formatHeader({ kind: 'marker', owner: ownerId(owner), term, epoch: names.epoch });
  const checkpoint = (owner: string) =>
    formatHeader({ kind: 'checkpoint', owner: ownerId(owner), ...names });
  const written = (owner: string, number: number) =>
    formatHeader({
      ...{ kind: 'event', owner: ownerId(owner), ...names },
      ...{ seq: seq(number), eventId: eventId(`ev${number}`) },
    });
  const headers = [marker('one', 1), checkpoint('one'), marker('two', 2), checkpoint('one')];
  const late = [written('one', 1), marker('three', 2), checkpoint('two')];
  for (const header of [...headers, ...late]) {
    await appender.append('events', 0, [
      { key: header.includes(' e ') ? 'acme' : '', header, value: null },
    ]);
  }
  const found = await readHistory(log, createLocalCodec());
  expect(found.ownerships.map(({ owner }) => owner)).toEqual(['one', 'two']);
  expect(found).toMatchObject({ zombies: 3, zombiesAccepted: 0 });
  expect(judgeZombies(found).ok).toBe(true);
  expect(judgeZombies({ ...found, zombiesAccepted: 1 }).ok).toBe(false);
});
