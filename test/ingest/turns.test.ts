import { setImmediate as nextRound } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { Turns } from '../../ingest/turns.js';
import { tenantId, type TenantId } from '../../schemas/ids.js';

const small = tenantId('small');
const big = tenantId('big');

/** Turns on a clock of which each delivery takes its part. */
function open(costMs: number) {
  let now = 0;
  const turns = new Turns(() => now);
  const order: TenantId[] = [];
  const deliver = async (tenant: TenantId): Promise<void> => {
    const turn = turns.take(tenant);
    if (turn !== null) await turn;
    order.push(tenant);
    now += costMs;
  };
  return { turns, order, deliver, pass: (ms: number) => (now += ms) };
}

test('with time at hand a delivery waits for nothing, not even a microtask', () => {
  const { turns } = open(0.1);
  expect(turns.take(big)).toBeNull();
  expect(turns.take(small)).toBeNull();
  expect(turns.waiting).toBe(0);
});

test('past the slice of a round deliveries wait, and tenants take turns', async () => {
  const { order, deliver } = open(0.6);
  const flood = Array.from({ length: 100 }, () => deliver(big));
  const calls = [deliver(small), deliver(small)];
  await Promise.all(calls);
  // Two of the flood went before anybody else was there, then one for one.
  expect(order.indexOf(small)).toBeLessThanOrEqual(4);
  expect(order.lastIndexOf(small)).toBeLessThanOrEqual(6);
  await Promise.all(flood);
  expect(order).toHaveLength(102);
});

test('the event loop goes round between two slices', async () => {
  const { order, deliver } = open(0.6);
  const flood = Array.from({ length: 50 }, () => deliver(big));
  let rounds = 0;
  const before: number[] = [];
  while (order.length < 50) {
    before.push(order.length);
    await nextRound();
    rounds += 1;
  }
  await Promise.all(flood);
  const most = Math.max(...before.slice(1).map((count, i) => count - (before[i] ?? 0)));
  expect(most).toBeLessThanOrEqual(4);
  expect(rounds).toBeGreaterThanOrEqual(50 / 4);
});

test('what a tenant sent first goes first, also past what comes while others are worked on', async () => {
  const { turns, pass } = open(0);
  const seen: number[] = [];
  const deliver = async (n: number): Promise<void> => {
    const turn = turns.take(n % 2 === 0 ? small : big);
    if (turn !== null) await turn;
    seen.push(n);
    pass(0.4);
  };
  const all: Promise<void>[] = [];
  for (let n = 0; n < 30; n += 1) all.push(deliver(n));
  await nextRound();
  for (let n = 30; n < 40; n += 1) all.push(deliver(n));
  await Promise.all(all);
  for (const parity of [0, 1]) {
    const own = seen.filter((n) => n % 2 === parity);
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
});

test('says how long the longest has waited, and nothing once all had their turn', async () => {
  const { turns, deliver, pass } = open(2);
  const all = [deliver(big), deliver(big), deliver(small)];
  pass(30);
  expect(turns.waiting).toBe(2);
  expect(turns.oldestMs).toBe(30);
  await Promise.all(all);
  expect([turns.waiting, turns.oldestMs]).toEqual([0, 0]);
});
