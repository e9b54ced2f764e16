// Parking under random schedules: facts that fail and are mended, acts at any time, owners that come and go with
// the store behind. Each fact is applied once, in the order of its call, or discarded; and no other way.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { ParkingWorld } from './parking-world.js';

const calls = 3;
const call = fc.integer({ min: 0, max: calls - 1 });
const count = fc.integer({ min: 1, max: 6 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('fact' as const), call }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('decide' as const), count }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revoke' as const), count }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const), count }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('depose' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('project' as const), count }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const), call }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mend' as const), call }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('retry' as const, 'discard' as const),
      which: fc.double({ min: 0, max: 0.999, noNaN: true }),
    }),
  },
);

async function play(steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]) {
  const world = new ParkingWorld();
  const sent = Array.from({ length: calls }, () => 0);
  for (const one of steps) {
    switch (one.do) {
      case 'fact':
        await world.fact(one.call, (sent[one.call] ?? 0) + 1);
        sent[one.call] = (sent[one.call] ?? 0) + 1;
        break;
      case 'decide':
      case 'revoke':
        await world.decide(one.count, one.do === 'revoke');
        break;
      case 'lose':
        await world.lose(one.count);
        break;
      case 'depose':
        world.depose();
        break;
      case 'project':
        world.project(one.count);
        break;
      case 'break':
        world.failing.add(one.call);
        break;
      case 'mend':
        world.failing.delete(one.call);
        break;
      case 'retry':
      case 'discard':
        await world.act(one.do, one.which);
        break;
    }
  }
  await world.settle();
  return { world, sent };
}

test('each fact is applied once and in its call’s order, or discarded; live equals rebuilt', async () => {
  const seen = { parked: 0, released: 0, discarded: 0, still: 0, copies: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 70 }), async (steps) => {
      const { world, sent } = await play(steps);
      const applied = world.events.flatMap(({ body }) =>
        body.kind === 'call' && body.fact !== null ? [String(body.fact.factId)] : [],
      );
      const discarded = world.events.filter(({ body }) => body.type === 'fact.discarded').length;
      // Once each, and in order: what is missing was discarded, one for one.
      expect(new Set(applied).size).toBe(applied.length);
      expect(applied.length + discarded).toBe(sent.reduce((sum, n) => sum + n, 0));
      for (let n = 0; n < calls; n += 1) {
        const indexes = applied
          .filter((id) => id.startsWith(`f-${n}-`))
          .map((id) => Number(id.split('-')[2]));
        expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
      }
      // One event for each act, and none that reappears under an id that was used.
      const acts = world.inputs.length - sent.reduce((sum, n) => sum + n, 0);
      expect(world.events.filter(({ body }) => body.kind === 'act').length).toBe(acts);
      expect(new Set(world.events.map(({ eventId }) => eventId)).size).toBe(world.events.length);
      expect(world.stored()).toEqual(world.rebuilt());
      for (const { body } of world.events) {
        if (body.type === 'fact.parked') seen.parked += 1;
        if (body.type === 'fact.released') seen.released += 1;
        if (body.type === 'fact.discarded') seen.discarded += 1;
        if (body.type === 'fact.still_parked') seen.still += 1;
      }
    }),
    { numRuns: 400 },
  );
  // The schedules must reach far for the silence to mean something.
  expect(seen.parked).toBeGreaterThan(400);
  expect(seen.released).toBeGreaterThan(200);
  expect(seen.discarded).toBeGreaterThan(50);
  expect(seen.still).toBeGreaterThan(50);
});
