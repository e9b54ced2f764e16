import { expect, test } from 'vitest';

import type { ValidBatch, ValidEvent } from '../../log/consume.js';
import { startMark } from '../../log/mark.js';
import { BatchQueue } from '../../projections/queue.js';
import { offset } from '../../schemas/ids.js';

const at = (next: number) => ({ ...startMark, next: offset(next) });
const batch = (from: number, to: number): ValidBatch => ({
  ...{ partition: 0, before: at(from), mark: at(to), end: offset(99) },
  events: Array.from({ length: to - from }, (_, i) => ({ offset: offset(from + i) }) as ValidEvent),
});

test('what waits is taken as one batch, up to the limit, from the first mark to the last', async () => {
  const queue = new BatchQueue(6);
  for (const each of [batch(0, 2), batch(2, 5), batch(5, 8)]) await queue.push(each);
  const first = await queue.take();
  expect([first?.before.next, first?.mark.next, first?.events.length]).toEqual([0, 5, 5]);
  expect((await queue.take())?.before.next).toBe(5);
});

test('a full queue makes the reader wait until there is room', async () => {
  const queue = new BatchQueue(2);
  await queue.push(batch(0, 4));
  let pushed = false;
  const pushing = queue.push(batch(4, 5)).then(() => (pushed = true));
  await Promise.resolve();
  expect(pushed).toBe(false);
  await queue.take();
  await pushing;
  expect((await queue.take())?.mark.next).toBe(5);
});

test('an ended queue hands out what waits, a closed one drops it and lets nobody wait', async () => {
  const ended = new BatchQueue(2);
  await ended.push(batch(0, 2));
  ended.end();
  expect((await ended.take())?.mark.next).toBe(2);
  expect(await ended.take()).toBeNull();
  const closed = new BatchQueue(2);
  await closed.push(batch(0, 4));
  const waiting = closed.push(batch(4, 5));
  closed.close();
  await waiting;
  expect(await closed.take()).toBeNull();
});

test('before its time a batch gathers what comes, but half a batch does not wait', async () => {
  const queue = new BatchQueue(6);
  await queue.push(batch(0, 1));
  const taken = queue.take(performance.now() + 60_000);
  await queue.push(batch(1, 2));
  await queue.push(batch(2, 3));
  expect((await taken)?.mark.next).toBe(3);
  await queue.push(batch(3, 4));
  expect((await queue.take(performance.now() + 5))?.mark.next).toBe(4);
});
