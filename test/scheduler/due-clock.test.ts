// The instant by which timers are judged, while clocks leap, go back and drift.

import { expect, test } from 'vitest';

import { DueClock } from '../../scheduler/due-clock.js';

const start = Date.UTC(2026, 10, 1, 5, 0, 0);

function clockOf() {
  const leaps: number[] = [];
  const clock = new DueClock({ holdMs: 30_000, onLeap: (byMs) => leaps.push(byMs) });
  return { clock, leaps };
}

test('follows the database’s clock, drift and slow answers included', () => {
  const { clock, leaps } = clockOf();
  for (let ms = 0; ms <= 60_000; ms += 1_000) {
    const drifted = start + ms * 1.001 + (ms % 7_000 === 0 ? 40 : 0);
    expect(clock.judge(drifted, ms)).toBe(drifted);
  }
  expect(leaps).toEqual([]);
});

test('believes a leap ahead once it has lasted, and until then goes on as before', () => {
  const { clock, leaps } = clockOf();
  clock.judge(start, 0);
  const hourMs = 3_600_000;
  expect(clock.judge(start + 1_000 + hourMs, 1_000)).toBe(start + 1_000);
  expect(clock.judge(start + 30_000 + hourMs, 30_000)).toBe(start + 30_000);
  expect(clock.judge(start + 31_000 + hourMs, 31_000)).toBe(start + 31_000 + hourMs);
  expect(clock.judge(start + 32_000 + hourMs, 32_000)).toBe(start + 32_000 + hourMs);
  expect(leaps).toEqual([hourMs]);
});

test('is not moved by a leap ahead that is taken back', () => {
  const { clock } = clockOf();
  clock.judge(start, 0);
  expect(clock.judge(start + 9_000_000, 1_000)).toBe(start + 1_000);
  expect(clock.judge(start + 2_000, 2_000)).toBe(start + 2_000);
  expect(clock.judge(start + 60_000, 60_000)).toBe(start + 60_000);
});

test('goes back with the database’s clock at once: nothing fires early', () => {
  const { clock, leaps } = clockOf();
  clock.judge(start, 0);
  expect(clock.judge(start - 3_600_000, 1_000)).toBe(start - 3_600_000);
  expect(leaps).toEqual([-3_601_000]);
  expect(clock.at(2_000)).toBe(start - 3_600_000 + 1_000);
});

test('knows instants only: the hour that a zone repeats or leaves out is an hour like any other', () => {
  // 1 November 2026: New York goes from UTC−4 to UTC−5 at 06:00 UTC. A call answered at 05:30 UTC is silent
  // for four hours at 09:30 UTC, whatever its people’s clocks say.
  const { clock } = clockOf();
  const answered = Date.UTC(2026, 10, 1, 5, 30);
  const dueAt = answered + 4 * 3_600_000;
  expect(new Date(dueAt).toISOString()).toBe('2026-11-01T09:30:00.000Z');
  clock.judge(answered, 0);
  const local = (ms: number): string =>
    new Date(ms).toLocaleTimeString('en-GB', { timeZone: 'America/New_York' });
  expect([local(answered), local(dueAt)]).toEqual(['01:30:00', '04:30:00']);
  for (let ms = 0; ms < 4 * 3_600_000; ms += 60_000) {
    expect(clock.judge(answered + ms, ms) >= dueAt).toBe(false);
  }
  expect(clock.judge(answered + 14_400_000, 14_400_000) >= dueAt).toBe(true);
});
