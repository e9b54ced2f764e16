import { expect, test } from 'vitest';

import { levelOf, SignedTimes, suspicion, type Drifts } from '../../ingest/clock-drift.js';
import { endpointId } from '../../schemas/ids.js';
import type { ProviderName } from '../../schemas/facts.js';

const now = Date.parse('2026-03-01T12:00:00Z');
const sender = (n: number, provider: ProviderName = 'telnyx') => ({
  id: endpointId(`ep_${String(n).padStart(16, '0')}`),
  provider,
});

/** Deliveries of a sender that ours is ahead of by so much; each took a moment to arrive. */
function deliver(times: SignedTimes, from: ReturnType<typeof sender>, driftMs: number, count = 5) {
  for (let i = 0; i < count; i += 1)
    times.note(from, now - driftMs - i * 1000, now - i * 1000 + 80);
}

test.each([
  [0, 'fine'],
  [29_999, 'fine'],
  [-30_000, 'warn'],
  [59_999, 'warn'],
  [60_000, 'alarm'],
  [-3_600_000, 'alarm'],
] as const)('a drift of %d ms is %s', (driftMs, level) => {
  expect(levelOf(driftMs)).toBe(level);
});

test.each([
  ['nothing is known', {}, null],
  ['all agree with us', { database: 20, log: -300, providers: 900 }, null],
  ['only the database is known and differs', { database: 40_000 }, 40_000],
  ['only the log is known and differs', { log: -90_000 }, -90_000],
  ['database and log differ alike', { database: 95_000, log: 94_000 }, 94_000],
  ['the database differs, the log does not', { database: 95_000, log: 10 }, null],
  ['database and log differ in opposite ways', { database: 95_000, log: -95_000 }, null],
  [
    'the senders differ and those beside us do not',
    { providers: 70_000, database: 0, log: 0 },
    70_000,
  ],
  [
    'those beside us differ and the senders do not',
    { providers: 200, database: 70_000, log: 70_000 },
    null,
  ],
] as const)('when %s, our own clock is suspected accordingly', (_what, drifts: Drifts, driftMs) => {
  expect(suspicion(drifts)?.driftMs ?? null).toBe(driftMs);
});

test('a suspicion says how bad it is and who says so', () => {
  expect(suspicion({ database: 95_000, log: 45_000, providers: 62_000 })).toEqual({
    driftMs: 62_000,
    level: 'alarm',
    sources: ['database', 'log', 'providers'],
  });
  expect(suspicion({ database: 31_000 })).toMatchObject({ level: 'warn', sources: ['database'] });
});

test('several providers that are off alike see our clock', () => {
  const times = new SignedTimes();
  deliver(times, sender(1, 'telnyx'), -120_000);
  expect(times.drift(now)).toBeNull();
  deliver(times, sender(2, 'twilio'), -119_000);
  expect(times.drift(now)).toBeCloseTo(-118_920, -2);
});

test('three endpoints of one provider that are off alike see our clock, two do not', () => {
  const times = new SignedTimes();
  deliver(times, sender(1), 70_000);
  deliver(times, sender(2), 70_500);
  expect(times.drift(now)).toBeNull();
  deliver(times, sender(3), 71_000);
  expect(times.drift(now)).toBeCloseTo(70_580, -2);
});

test('one sender that is off has a wrong clock of its own, however much it sends', () => {
  const times = new SignedTimes();
  deliver(times, sender(1, 'telnyx'), 0);
  deliver(times, sender(2, 'twilio'), 600_000, 30);
  expect(times.drift(now)).toBeLessThan(1_000);
  expect(times.driftOf(sender(2).id, now)).toBeGreaterThan(590_000);
  expect(times.driftOf(sender(1).id, now)).toBeLessThan(1_000);
});

test('many endpoints of one provider do not outvote another provider', () => {
  const times = new SignedTimes();
  for (let n = 1; n <= 20; n += 1) deliver(times, sender(n, 'telnyx'), 90_000);
  deliver(times, sender(21, 'twilio'), 0);
  expect(times.drift(now)).toBeLessThan(1_000);
});

test('deliveries that waited at the sender are no drift while some come in time', () => {
  const times = new SignedTimes();
  for (const one of [sender(1, 'telnyx'), sender(2, 'twilio')]) {
    for (let i = 0; i < 12; i += 1) {
      const lateMs = i % 3 === 0 ? 100 : 200_000;
      times.note(one, now - i * 500 - lateMs, now - i * 500);
    }
  }
  expect(times.drift(now)).toBeLessThan(1_000);
});

test('one delivery that is replayed again and again counts once', () => {
  const times = new SignedTimes();
  for (let i = 0; i < 50; i += 1) times.note(sender(1), now - 900_000, now + i);
  expect(times.driftOf(sender(1).id, now)).toBeNull();
});

test('what was seen more than ten minutes ago says nothing of now', () => {
  const times = new SignedTimes();
  deliver(times, sender(1), 70_000);
  expect(times.driftOf(sender(1).id, now + 9 * 60_000)).not.toBeNull();
  expect(times.driftOf(sender(1).id, now + 11 * 60_000)).toBeNull();
});

test('senders are bounded: the oldest gives way', () => {
  const times = new SignedTimes();
  for (let n = 0; n < 2_500; n += 1) deliver(times, sender(n), 0);
  expect(times.driftOf(sender(0).id, now)).toBeNull();
  expect(times.driftOf(sender(2_499).id, now)).not.toBeNull();
});
