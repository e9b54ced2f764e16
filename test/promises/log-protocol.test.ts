// Promises 2, 3, 4 and 7 under the log protocol: nothing is applied twice, nothing is skipped, all readers agree and every
// decision sees all that came before it: under crashes at any await, zombies, delayed and repeated appends, lost
// acks, owners in parallel, projector pairs, a store and a hot tier that go back, clocks that jump. Seeded
// schedules over the production code; mutations.test.ts shows that each clause missing is found.

import { describe, expect, it } from 'vitest';
import { replayCommand, shrink } from '../log/simulation/shrink.js';
import { runWorld } from '../log/simulation/world.js';

const schedules = 20_000;
/** In as many tests, so that one that breaks is told before all have run. */
const parts = 10;

const happened = new Map<string, number>();
let events = 0;

describe(`the log protocol holds in ${schedules} schedules`, () => {
  it.each(Array.from({ length: parts }, (_, part) => part))(
    'part %i',
    async (part) => {
      const size = schedules / parts;
      for (let seed = part * size + 1; seed <= (part + 1) * size; seed += 1) {
        const result = await runWorld({ seed });
        if (result.violations.length > 0) {
          const small = await shrink({ seed });
          throw new Error(`${result.violations.join('; ')}\nreplay: ${replayCommand(small, null)}`);
        }
        events += result.events;
        for (const why of [...result.dropped, ...result.acts]) {
          happened.set(why, (happened.get(why) ?? 0) + 1);
        }
      }
    },
    // Alone a few seconds; on a machine with more to do it only has to end.
    300_000,
  );

  it('and everything that may go wrong did, often', () => {
    expect(events, 'the worlds are not empty').toBeGreaterThan(3 * schedules);
    const every = [
      ...['late_marker', 'not_owner', 'duplicate'],
      ...['an owner leaves', 'a projector leaves', 'a clock jumps', 'the store goes back'],
      ...['Redis is emptied', 'a key of Redis goes', 'Redis goes back'],
      ...['append twice', 'append copied_later', 'append lost', 'append unacked', 'append late'],
      ...['call unanswered', 'call lost', 'call late', 'read answered from Redis'],
    ];
    for (const why of every) {
      expect(happened.get(why) ?? 0, why).toBeGreaterThan(schedules / 40);
    }
  });

  it('and the same seed gives the same run', async () => {
    expect(await runWorld({ seed: 7 })).toEqual(await runWorld({ seed: 7 }));
  });
});
