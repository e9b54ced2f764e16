// What an ownership starts from: rows with their mark m1, and of the tail only what they have not seen.

import { expect, test } from 'vitest';
import type { Codec } from '../../log/event-codec.js';
import { startMark } from '../../log/mark.js';
import type { Restored } from '../../log/owner.js';
import type { Snapshot } from '../../processors/lookup.js';
import { queueRef } from '../../processors/parking/state.js';
import { takeOver } from '../../processors/takeover.js';
import { nameOf, type AggregateRef, type Evolver } from '../../schemas/aggregates.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { eventId, offset, tenantId } from '../../schemas/ids.js';
import { acme } from './facts.js';

const ref = (key: string): AggregateRef => ({ tenant: acme, kind: 'call', key });

/** Every event leaves a trace: one folded twice or left out shows. */
const tracing: Evolver = {
  version: 1,
  touched: (event) => Array.from(event.eventId.slice(1), (key) => ref(key)),
  evolve(_ref, state, event) {
    const before = state as { readonly trace: string } | null;
    return { trace: `${before?.trace ?? ''}${event.eventId.charAt(0)}` };
  },
};

const codec = {
  learn: () => null,
  decodeEvent: (value: Buffer) => ({ eventId: value.toString() }) as unknown as EventEnvelope,
} as unknown as Codec;

/** Event `3xy` is the event 3, which touches the aggregates x and y. */
const restored = (from: number, ...events: string[]): Restored =>
  ({
    partition: 0,
    mark: { ...startMark, next: offset(from) },
    tail: events.map((name, i) => ({ offset: offset(from + i), value: Buffer.from(name) })),
  }) as unknown as Restored;

const store = (mark: number, rows: Readonly<Record<string, string>>) => {
  const asked: string[] = [];
  const read = (_partition: number, refs: readonly AggregateRef[]): Promise<Snapshot> => {
    asked.push(...refs.map(({ key }) => key));
    const found = Object.entries(rows).map(([key, trace]): [string, { trace: string }] => [
      nameOf(ref(key)),
      { trace },
    ]);
    return Promise.resolve({ mark: offset(mark), rows: new Map(found), rebuilds: 0 });
  };
  return { read, asked };
};

test('the whole tail is folded on rows of its start', async () => {
  const { read, asked } = store(3, { x: '12' });
  const taken = await takeOver(restored(3, '3xy', '4x'), codec, read, tracing);
  if (taken === 'again') throw new Error('again');
  expect(asked).toEqual(['x', 'y']);
  expect(taken.floor).toBe(3);
  expect(taken.overlay.get(nameOf(ref('x')))).toEqual({ trace: '1234' });
  expect(taken.overlay.get(nameOf(ref('y')))).toEqual({ trace: '3' });
});

test('events that newer rows have already are not folded again (A11)', async () => {
  const { read } = store(4, { x: '123', y: '3' });
  const taken = await takeOver(restored(3, '3xy', '4x'), codec, read, tracing);
  if (taken === 'again') throw new Error('again');
  expect(taken.floor).toBe(4);
  expect(taken.overlay.get(nameOf(ref('x')))).toEqual({ trace: '1234' });
  // Nothing newer than its row is known of y: it is looked up when it is needed.
  expect(taken.overlay.has(nameOf(ref('y')))).toBe(false);
});

test('open queues come along, those that no event of the tail touches too, and stay', async () => {
  const tenant = tenantId('acme');
  const queueId = eventId('evt_1');
  const name = nameOf(queueRef(tenant, queueId));
  const waiting = { refs: ['call:1'], waiting: [queueId] };
  const read = (): Promise<Snapshot> =>
    Promise.resolve({ mark: offset(4), rows: new Map([[name, waiting]]), rebuilds: 0 });
  const taken = await takeOver(restored(3, '3x'), codec, read, tracing);
  if (taken === 'again') throw new Error('again');
  taken.overlay.evict(offset(100));
  expect(taken.overlay.get(name)).toEqual(waiting);
  expect(taken.overlay.queues.find(tenant, ['call:1'])).toBe(queueId);
});

test('rows older than the tail’s start ask to begin again', async () => {
  const { read } = store(2, {});
  expect(await takeOver(restored(3, '3x'), codec, read, tracing)).toBe('again');
});

test('what was restored leaves by the mark like everything else', async () => {
  const { read } = store(3, {});
  const taken = await takeOver(restored(3, '3xy', '4x'), codec, read, tracing);
  if (taken === 'again') throw new Error('again');
  const { overlay } = taken;
  overlay.evict(offset(4));
  expect([overlay.has(nameOf(ref('x'))), overlay.has(nameOf(ref('y')))]).toEqual([true, false]);
  overlay.evict(offset(5));
  expect(overlay.size).toBe(0);
});
