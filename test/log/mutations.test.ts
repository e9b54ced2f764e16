// A test suite that cannot find the mutations of the protocol proves nothing: each clause is taken
// away in turn, and a schedule that breaks a promise must be found.

import { describe, expect, it } from 'vitest';
import { fatal, harmless } from './simulation/mutations.js';
import { everyFault, runWorld, type WorldOptions } from './simulation/world.js';

/** Schedules tried before a mutation counts as not found; the slowest takes about a quarter. */
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
    async ({ without }) => {
      const seed = await firstBroken(without);
      expect(seed, `no violation in ${bound} schedules`).not.toBeNull();
      const faults = without.faults ?? everyFault;
      const { violations } = await runWorld({ seed: seed ?? 0, founded: true, faults });
      expect(violations, 'the same schedule with every clause').toEqual([]);
    },
    60_000,
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
    60_000,
  );
});
