// A test suite that cannot find the mutations of the protocol proves nothing: each clause is taken
// away in turn, and a schedule that breaks a promise must be found.

import { describe, expect, it } from 'vitest';
import { fatal, harmless, soundWorldOf } from './simulation/mutations.js';
import { replayCommand, shrink } from './simulation/shrink.js';
import { runWorld, type WorldOptions } from './simulation/world.js';

/** Schedules tried before a mutation counts as not found; the slowest takes about a third. */
const bound = 6_000;
const harmlessSchedules = 400;

async function firstBroken(without: Omit<WorldOptions, 'seed'>): Promise<number | null> {
  for (let seed = 1; seed <= bound; seed += 1) {
    const { violations } = await runWorld({ ...without, seed, founded: true });
    if (violations.length > 0) return seed;
  }
  return null;
}

describe('a missing clause is found', () => {
  it.each(fatal)(
    '$name: $what',
    async (mutation) => {
      const seed = await firstBroken(mutation.without);
      expect(seed, `no violation in ${bound} schedules`).not.toBeNull();
      const sound = { ...soundWorldOf(mutation), seed: seed ?? 0, founded: true } as const;
      const { violations } = await runWorld(sound);
      expect(violations, 'the same schedule with every clause').toEqual([]);
    },
    120_000,
  );
});

describe('a change that is harmless is not found', () => {
  it.each(harmless)(
    '$name: $what',
    async ({ without }) => {
      for (let seed = 1; seed <= harmlessSchedules; seed += 1) {
        const { violations } = await runWorld({ ...without, seed, founded: true });
        expect(violations, `seed ${seed}`).toEqual([]);
      }
    },
    120_000,
  );
});

describe('a schedule that breaks a promise', () => {
  const missing = fatal.find(({ name }) => name === 'F11 (A13)');

  it('is made small, and the small one is run again by its seed', async () => {
    const without = missing?.without ?? {};
    const seed = (await firstBroken(without)) ?? 0;
    const options = { ...without, seed, founded: true } as const;
    const whole = await runWorld(options);
    const small = await shrink(options);
    expect(small.options.steps).toBeLessThan(whole.chaosSteps);
    expect(small.options.only.size).toBeLessThan(whole.faults.length);
    const again = await runWorld(small.options);
    expect(again).toEqual(small.result);
    expect(again.violations[0]?.split(' ')[0]).toBe(whole.violations[0]?.split(' ')[0]);
    // Nothing more can be left out of it.
    for (const id of small.options.only) {
      const only = new Set([...small.options.only].filter((one) => one !== id));
      const { violations } = await runWorld({ ...small.options, only });
      expect(violations[0]?.split(' ')[0], id).not.toBe(again.violations[0]?.split(' ')[0]);
    }
    expect(replayCommand(small, 'F11 (A13)')).toMatch(
      new RegExp(`^npm run model -- --seed ${seed} --without 'F11 \\(A13\\)' --steps \\d+ --only `),
    );
  });
});
