import { expect, test } from 'vitest';

import { DayKeys, daysAhead } from '../../ingest/day-keys.js';
import { TrunklineError } from '../../runtime/errors.js';
import { createShelvedKeyStore, KeyShelf } from '../../runtime/key-shelf.js';
import {
  createKeyRing,
  createMemoryKeyStore,
  sealedLength,
  type KeyRing,
  type KeyStore,
} from '../../runtime/keys.js';
import { endpoint, recordingLogger } from './fixtures.js';
import { registryOf } from './station.js';

const dayMs = 86_400_000;
const start = Date.parse('2026-03-01T23:00:00Z');

function setUp(shelf = new KeyShelf()) {
  const memory = createMemoryKeyStore();
  const state = { isAway: false, now: start, statements: 0 };
  const store: KeyStore = {
    ...memory,
    dayKey: (...args) => (state.isAway ? away() : memory.dayKey(...args)),
    tenantKey: (...args) => (state.isAway ? away() : memory.tenantKey(...args)),
    dayKeys: (...args) => {
      state.statements += 1;
      return state.isAway ? away() : memory.dayKeys(...args);
    },
  };
  const keyRing = createKeyRing(Buffer.alloc(32, 3), createShelvedKeyStore(store, shelf));
  const { logger, lines } = recordingLogger();
  const registry = registryOf([endpoint()]);
  const clock = (): number => state.now;
  const dayKeys = new DayKeys({ keyRing, registry, clock, logger, shelf });
  return { dayKeys, keyRing, state, shelf, lines };
}

const away = (): Promise<never> =>
  Promise.reject(new TrunklineError('service_unreachable', 'PostgreSQL cannot be reached'));
const tenant = endpoint().tenant;
const nothing = Buffer.alloc(0);

const isSealable = (keyRing: KeyRing, day: string): boolean =>
  keyRing.sealDayInto(Buffer.alloc(sealedLength(0)), { tenant, day, place: 'p' }, nothing);

test('keys are made fourteen days ahead, today and tomorrow are in the ring', async () => {
  const { dayKeys, keyRing } = setUp();
  expect(dayKeys.daysSealable).toBe(-1);
  await dayKeys.fetch();
  expect(dayKeys.daysSealable).toBe(daysAhead);
  expect(isSealable(keyRing, '2026-03-01')).toBe(true);
  expect(isSealable(keyRing, '2026-03-02')).toBe(true);
});

test('over midnights without the store deliveries are sealed at once, to the last day made', async () => {
  const { dayKeys, keyRing, state } = setUp();
  await dayKeys.fetch();
  state.isAway = true;
  for (let days = 1; days <= daysAhead; days += 1) {
    state.now = start + days * dayMs;
    await dayKeys.fetch();
    expect(dayKeys.daysSealable).toBe(daysAhead - days);
    const day = new Date(state.now).toISOString().slice(0, 10);
    expect(isSealable(keyRing, day), day).toBe(true);
  }
  state.now = start + (daysAhead + 1) * dayMs;
  await dayKeys.fetch();
  expect(dayKeys.daysSealable).toBe(-1);
  await expect(keyRing.sealDay(tenant, '2026-03-16', 'p', nothing)).rejects.toThrow('reached');
});

test('an outage is said once, and what is made is not asked for again', async () => {
  const { dayKeys, state, lines } = setUp();
  await dayKeys.fetch();
  const asked = state.statements;
  await dayKeys.fetch();
  expect(state.statements).toBe(asked);
  state.isAway = true;
  state.now = start + dayMs;
  await dayKeys.fetch();
  await dayKeys.fetch();
  expect(lines.map(({ fields }) => fields['code'])).toEqual(['day_keys_not_made']);
  state.isAway = false;
  await dayKeys.fetch();
  expect(dayKeys.daysSealable).toBe(daysAhead);
});

test('days that are over leave the shelf', async () => {
  const { dayKeys, state, shelf } = setUp();
  await dayKeys.fetch();
  state.now = start + 3 * dayMs;
  await dayKeys.fetch();
  expect(
    shelf
      .days()
      .map(({ day }) => day)
      .sort()[0],
  ).toBe('2026-03-04');
});
