// The last deliveries before a stop.

import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { Arrivals } from '../../ingest/arrivals.js';

test('takes what still comes on open connections, and ends when it is still', async () => {
  const arrivals = new Arrivals();
  let taken = 0;
  const sending = (async () => {
    for (; taken < 20 && !arrivals.isOver; taken += 1) {
      arrivals.note();
      await pause(20);
    }
  })();
  await arrivals.end(5_000);
  await sending;
  expect(taken).toBe(20);
  expect(arrivals.isOver).toBe(true);
});

test('a sender that never stops does not hold up the stop', async () => {
  const arrivals = new Arrivals();
  const endless = setInterval(() => arrivals.note(), 5);
  const begin = performance.now();
  await arrivals.end(200);
  clearInterval(endless);
  expect(arrivals.isOver).toBe(true);
  expect(performance.now() - begin).toBeGreaterThanOrEqual(200);
});
