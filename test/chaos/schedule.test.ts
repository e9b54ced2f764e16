// The fault schedule follows from the seed, and breaks everything there is to break.

import { expect, test } from 'vitest';

import { describeFault, faultKinds, planFaults, quietMs } from './schedule.js';

const minute = 60_000;

test('the same seed gives the same schedule, another one another', () => {
  expect(planFaults(7, 10 * minute)).toEqual(planFaults(7, 10 * minute));
  expect(planFaults(7, 10 * minute)).not.toEqual(planFaults(8, 10 * minute));
  // A longer run begins like a shorter one.
  const short = planFaults(7, 2 * minute);
  expect(planFaults(7, 10 * minute).slice(0, short.length)).toEqual(short);
});

test('three minutes break every kind of thing at least twice, in order, with quiet at both ends', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = planFaults(seed, 3 * minute);
    for (const kind of faultKinds) {
      expect(plan.filter(({ fault }) => fault.kind === kind).length, kind).toBeGreaterThanOrEqual(
        2,
      );
    }
    const times = plan.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(quietMs.first);
    expect(times.at(-1)).toBeLessThan(3 * minute - quietMs.last);
  }
});

test('an ingest node’s clock never leaves the window of its providers’ signatures', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    for (const { fault } of planFaults(seed, 30 * minute)) {
      if (fault.kind !== 'clock_jump' || !fault.slot.startsWith('ingest')) continue;
      expect(Math.abs(fault.byMs)).toBeLessThanOrEqual(150_000);
    }
  }
});

test('a fault is told in a line', () => {
  const fault = { kind: 'latency', slot: 'ingest-1', part: 'kafka', delayMs: 400 } as const;
  expect(describeFault({ ...fault, forMs: 2_500 })).toBe('latency ingest-1 kafka 400 for 2.5 s');
});
