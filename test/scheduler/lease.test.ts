// The lease of the scheduler on a real database (services/): one holder at a time, whatever the wall clocks say.

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Database } from '../../runtime/postgres.js';
import { Lease } from '../../scheduler/lease.js';
import { wholeStore } from './station.js';

let database: Database;
beforeAll(async () => {
  ({ database } = await wholeStore());
});
afterAll(() => database.end());

const leaseMs = 10_000;
let now = 0;
const leaseOf = (holder: string): Lease => new Lease({ database, holder, leaseMs, now: () => now });

test('goes to the first, to nobody else while it is renewed, and to the next when its holder is silent', async () => {
  const [a, b] = [leaseOf('a'), leaseOf('b')];
  expect(await a.keep()).toBe(true);
  expect(a.term).toBe(1);
  for (let i = 0; i < 6; i += 1) {
    now += 4_000;
    expect(await b.keep()).toBe(false);
    expect(await a.keep()).toBe(true);
  }
  now += 1;
  expect(await b.keep()).toBe(false);
  now += leaseMs - 1;
  expect(await b.keep()).toBe(false);
  // The holder has long stopped trusting it.
  expect(a.isHeld).toBe(false);
  now += 1;
  expect(await b.keep()).toBe(true);
  expect(b.term).toBe(2);
  expect(await a.keep()).toBe(false);
  expect([a.isHeld, b.isHeld]).toEqual([false, true]);
  await b.giveBack();
});

test('goes on at once when it was given back', async () => {
  const [a, b] = [leaseOf('c'), leaseOf('d')];
  expect(await a.keep()).toBe(true);
  await a.giveBack();
  expect(await b.keep()).toBe(true);
  // What is no longer its own it cannot give back.
  await a.giveBack();
  now += 1_000;
  expect(await b.keep()).toBe(true);
  await b.giveBack();
});

test('of two who want it at once one gets it', async () => {
  const many = Array.from({ length: 12 }, (_, i) => leaseOf(`many-${i}`));
  const got = await Promise.all(many.map((lease) => lease.keep()));
  expect(got.filter(Boolean)).toHaveLength(1);
  const holder = many[got.indexOf(true)];
  await holder?.giveBack();
});

test('is moved by no wall clock: a time of renewal far off changes nothing', async () => {
  const [a, b] = [leaseOf('e'), leaseOf('f')];
  expect(await a.keep()).toBe(true);
  expect(await b.keep()).toBe(false);
  for (const off of ['-1 day', '1 day']) {
    await database.query(`update scheduler_lease set renewed_at = now() + $1::interval`, [off]);
    now += 100;
    expect(await b.keep()).toBe(false);
    expect(await a.keep()).toBe(true);
  }
  await a.giveBack();
});
