// Promise 2: nothing is applied twice, nothing is skipped: under redelivery, producer retry, crash at
// any await, rebalance, zombie owner. Seeded schedules over the production code of log/.

import { describe, expect, it } from 'vitest';
import { runWorld } from '../log/simulation/world.js';

/** Other seeds than those of log-protocol.test.ts, which runs many more. */
const first = 1_000_001;
const schedules = 1_000;

describe('nothing is applied twice, nothing is skipped', () => {
  it(`in ${schedules} schedules of crashes, zombies, delays, copies and lost acks`, async () => {
    let events = 0;
    const dropped = new Map<string, number>();
    for (let seed = first; seed < first + schedules; seed += 1) {
      const result = await runWorld({ seed });
      expect(result.violations, `seed ${seed}`).toEqual([]);
      events += result.events;
      for (const why of result.dropped) dropped.set(why, (dropped.get(why) ?? 0) + 1);
    }
    expect(events, 'the worlds are not empty').toBeGreaterThan(3 * schedules);
    for (const why of ['late_marker', 'not_owner', 'duplicate']) {
      expect(dropped.get(why) ?? 0, `records dropped: ${why}`).toBeGreaterThan(schedules / 10);
    }
  }, 120_000);

  it('and the same seed gives the same run', async () => {
    expect(await runWorld({ seed: 7 })).toEqual(await runWorld({ seed: 7 }));
  });
});
