// Wall clocks: our arithmetic over spans against Temporal itself, in zones whose clocks change in odd ways.

import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';

import { instantOf, wallTime, weekdayOf, zoneNamed } from '../../../processors/policy/wall-time.js';

const zones = [
  ...['America/New_York', 'America/Chicago', 'America/Phoenix', 'America/St_Johns', 'Europe/Paris'],
  // Half an hour of summer time, changes at midnight, a day that was left out, quarters of an hour.
  ...['Australia/Lord_Howe', 'America/Havana', 'Asia/Beirut', 'Pacific/Apia', 'Asia/Kathmandu'],
];

describe.each(zones)('%s', (zone) => {
  test('every quarter of an hour around every change of fifteen years is what Temporal says', () => {
    let at = Temporal.Instant.from('2011-12-01T00:00:00Z').toZonedDateTimeISO(zone);
    const end = Date.UTC(2027, 11);
    const changes = [at.epochMilliseconds + 30 * 86_400_000];
    for (;;) {
      const next = at.getTimeZoneTransition('next');
      if (next === null || next.epochMilliseconds > end) break;
      changes.push(next.epochMilliseconds);
      at = next;
    }
    for (const change of changes) {
      for (let step = -110; step <= 110; step += 1) {
        const instant = change + step * 900_000 - (step % 2);
        const zoned = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
        const wall = wallTime(zone, instant);
        expect(wall.minute).toBe(zoned.hour * 60 + zoned.minute);
        expect(weekdayOf(wall.day) + 1).toBe(zoned.dayOfWeek);
        const local = Temporal.Instant.fromEpochMilliseconds(
          wall.day * 86_400_000 + wall.minute * 60_000,
        )
          .toZonedDateTimeISO('UTC')
          .toPlainDateTime();
        for (const plain of [local, local.add({ hours: 1 }), local.add({ minutes: 30 })]) {
          const ms = plain.toZonedDateTime('UTC').epochMilliseconds;
          const given = { day: Math.floor(ms / 86_400_000), minute: (ms / 60_000) % 1_440 };
          expect(instantOf(zone, given)).toBe(
            plain.toZonedDateTime(zone, { disambiguation: 'later' }).epochMilliseconds,
          );
        }
      }
    }
  });
});

test('names of zones are those of the database', () => {
  expect(zoneNamed('america/new_york')).toBe('America/New_York');
  for (const wrong of ['', 'America/Springfield', '+05:00', 'x'.repeat(100), '../etc/passwd']) {
    expect(zoneNamed(wrong)).toBeNull();
  }
});
