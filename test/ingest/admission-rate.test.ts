import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { AdmissionRate, fairQuota } from '../../ingest/admission-rate.js';

describe('a fair quota', () => {
  test('gives everybody what they want while it is enough', () => {
    expect(fairQuota([], 10)).toBe(Infinity);
    expect(fairQuota([3, 7], 10)).toBe(Infinity);
  });

  test('takes from whoever wants most', () => {
    expect(fairQuota([2, 1000], 100)).toBe(98);
    expect(fairQuota([2, 10, 1000], 30)).toBe(18);
    expect(fairQuota([50, 50, 50], 30)).toBe(10);
    expect(fairQuota([5], 0)).toBe(0);
  });

  test('is max-min: the budget is used up, and nobody who wants less than the quota is cut', () => {
    const demands = fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(demands, fc.nat({ max: 5000 }), (wanted, budget) => {
        const quota = fairQuota(wanted, budget);
        const taken = wanted.reduce((sum, demand) => sum + Math.min(demand, quota), 0);
        const all = wanted.reduce((sum, demand) => sum + demand, 0);
        expect(taken).toBeCloseTo(Math.min(all, budget), 6);
        expect(quota === Infinity).toBe(all <= budget);
      }),
    );
  });
});

describe('the rate that is let in', () => {
  const elapsedMs = 50;

  /** A server that takes `capacity` a tick and is pressed while more than `bearable` wait. */
  function simulate(ticks: number, demand: (tick: number) => number, capacity: number) {
    const rate = new AdmissionRate();
    const waits: number[] = [];
    let waiting = 0;
    let taken = 0;
    let refused = 0;
    for (let tick = 0; tick < ticks; tick += 1) {
      const arrived = demand(tick);
      const admitted = Math.min(arrived, Math.floor(rate.perMs * elapsedMs));
      refused += arrived - admitted;
      waiting += admitted;
      const done = Math.min(waiting, capacity);
      waiting -= done;
      taken += done;
      waits.push(waiting);
      rate.tick({ elapsedMs, arrived, answered: done, isPressed: waiting > capacity });
    }
    return { rate, waits, taken, refused };
  }

  test('has no limit while what comes can be taken', () => {
    const { rate, refused } = simulate(200, () => 90, 100);
    expect(rate.isLimited).toBe(false);
    expect(refused).toBe(0);
  });

  test('lets a burst pass: a queue that does not stand is no overload', () => {
    const { rate, refused } = simulate(200, (tick) => (tick % 50 === 0 ? 300 : 20), 100);
    expect(rate.isLimited).toBe(false);
    expect(refused).toBe(0);
  });

  test.each([1.2, 2, 10])(
    'at %s times the capacity keeps the queue short and the server busy',
    (times) => {
      const { waits, taken, refused } = simulate(1_000, () => 100 * times, 100);
      const settled = waits.slice(200);
      expect(Math.max(...settled)).toBeLessThan(600);
      expect(taken).toBeGreaterThan(0.85 * 1_000 * 100);
      expect(refused).toBeGreaterThan(0);
    },
  );

  test('is lifted once the flood is over', () => {
    const { rate, waits } = simulate(1_000, (tick) => (tick < 300 ? 400 : 30), 100);
    expect(rate.isLimited).toBe(false);
    expect(waits.at(-1)).toBe(0);
  });

  test('never falls to nothing, however long the pressure lasts', () => {
    const rate = new AdmissionRate();
    for (let tick = 0; tick < 1_000; tick += 1) {
      rate.tick({ elapsedMs, arrived: 500, answered: 100, isPressed: true });
    }
    expect(rate.perMs * elapsedMs).toBeGreaterThan(20);
  });
});
