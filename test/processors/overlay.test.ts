// Store ⊕ overlay (design 3.3): under any schedule of lookups, acks, commits, takeovers and failovers a
// decision is made from the fold of all valid earlier events; each looser reading of log-protocol F10
// is found to break that.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Overlay } from '../../processors/overlay.js';
import { noQueue, queueRef, type QueueState } from '../../processors/parking/state.js';
import { nameOf } from '../../schemas/aggregates.js';
import type { SealedFact } from '../../processors/seal.js';
import { eventId, offset, tenantId } from '../../schemas/ids.js';
import { fact, note } from './facts.js';
import { OverlayWorld, readings, StaleState, type Reading } from './overlay-world.js';

type Op =
  | 'decide'
  | 'execute'
  | 'deliver'
  | 'ack'
  | 'project'
  | 'catchUp'
  | 'takeOver'
  | 'failOver'
  | 'revoke';

interface Step {
  readonly op: Op;
  readonly leg: number;
  readonly parent: number;
  readonly count: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  op: fc.oneof(
    // Runs of these make lookups and commits overlap; the rest happens now and then.
    {
      weight: 20,
      arbitrary: fc.constantFrom<Op[]>('decide', 'execute', 'deliver', 'ack', 'project'),
    },
    { weight: 2, arbitrary: fc.constantFrom<Op[]>('catchUp', 'revoke') },
    { weight: 1, arbitrary: fc.constantFrom<Op[]>('takeOver', 'failOver') },
  ),
  leg: fc.integer({ min: 0, max: 2 }),
  parent: fc.integer({ min: 0, max: 5 }),
  count: fc.integer({ min: 1, max: 4 }),
});

/** Facts of three legs; some name a parent, so that events touch several aliases and calls merge. */
function factOf({ leg, parent }: Step, n: number): SealedFact {
  const parentRef = parent < leg ? `L${parent}` : null;
  return {
    kind: 'call',
    fact: fact(`f${n}`, note('dtmf'), { at: n, legRef: `L${leg}`, parentRef }),
  };
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 12; i += 1) await Promise.resolve();
};

async function run(reading: Reading, steps: readonly Step[]): Promise<OverlayWorld> {
  const world = new OverlayWorld(reading);
  for (const [n, one] of steps.entries()) {
    if (one.op === 'decide') world.decide(factOf(one, n));
    if (one.op === 'execute') world.executeRead();
    if (one.op === 'deliver') world.deliverRead();
    if (one.op === 'ack') world.ack();
    if (one.op === 'project') world.project(one.count);
    if (one.op === 'catchUp') world.catchUp();
    if (one.op === 'failOver') world.failOver();
    if (one.op === 'revoke') world.revoke();
    await settle();
    if (one.op === 'takeOver' || world.mustTakeOver) {
      await world.takeOver(one.leg === 1, one.count - 1);
    }
    await settle();
    if (world.failure !== null) throw world.failure;
  }
  return world;
}

const schedules = fc.array(step, { minLength: 40, maxLength: 160, size: 'max' });

test('as designed, no decision sees a stale state', async () => {
  let decisions = 0;
  let takeovers = 0;
  await fc.assert(
    fc.asyncProperty(schedules, async (steps) => {
      const world = await run('as designed', steps);
      decisions += world.decisions;
      takeovers += world.takeovers;
    }),
    { numRuns: 1500 },
  );
  // The schedules must reach far for the silence to mean something.
  expect(decisions).toBeGreaterThan(5_000);
  expect(takeovers).toBeGreaterThan(1_000);
});

test('an alias kept for a revoked touch alone does not outstay the call it leads to', () => {
  const overlay = new Overlay();
  overlay.restore('alias', { callId: 'one' }, offset(5));
  overlay.restore('call one', {}, offset(5));
  overlay.restored();
  overlay.checkpoint();
  // A merge leads the alias to another call and leaves the one it led to alone.
  overlay.touch('alias', { callId: 'two' });
  overlay.touch('call two', {});
  overlay.evict(offset(6));
  expect(overlay.has('call one')).toBe(false);
  overlay.revoke();
  expect(['alias', 'call two'].filter((name) => overlay.has(name))).toEqual([]);
});

describe('a queue in the overlay', () => {
  const queueId = eventId('evt_1');
  const name = nameOf(queueRef(tenantId('acme'), queueId));
  const waiting: QueueState = { refs: ['call:1'], waiting: [queueId] };
  const find = (overlay: Overlay) => overlay.queues.find(tenantId('acme'), ['call:1']);

  test('stays while something waits in it, whatever the store has applied, and is no growth', () => {
    const overlay = new Overlay();
    overlay.checkpoint();
    overlay.touch(name, waiting);
    overlay.acknowledge(name, offset(1));
    overlay.evict(offset(9));
    expect([find(overlay), overlay.has(name), overlay.size]).toEqual([queueId, true, 0]);
    overlay.checkpoint();
    overlay.touch(name, noQueue);
    expect([find(overlay), overlay.size]).toEqual([null, 1]);
    overlay.acknowledge(name, offset(12));
    overlay.evict(offset(12));
    expect(overlay.has(name)).toBe(true);
    overlay.evict(offset(13));
    expect(overlay.has(name)).toBe(false);
  });

  test('is as it was when what was decided is revoked', () => {
    const overlay = new Overlay();
    overlay.checkpoint();
    overlay.touch(name, waiting);
    overlay.revoke();
    expect([find(overlay), overlay.has(name)]).toEqual([null, false]);
    overlay.restore(name, waiting, offset(-1));
    overlay.restored();
    overlay.evict(offset(5));
    overlay.checkpoint();
    overlay.touch(name, { refs: ['call:1', 'call:2'], waiting: [queueId, eventId('evt_2')] });
    overlay.touch(name, noQueue);
    expect(find(overlay)).toBeNull();
    overlay.revoke();
    expect([find(overlay), overlay.get(name)]).toEqual([queueId, waiting]);
  });
});

describe.each(readings.filter((reading) => reading !== 'as designed'))('%s', (reading) => {
  test('is found', async () => {
    const outcome = await fc.check(
      fc.asyncProperty(schedules, async (steps) => {
        await run(reading, steps);
      }),
      { numRuns: 5000, endOnFailure: true },
    );
    expect(outcome.failed).toBe(true);
    expect(outcome.errorInstance).toBeInstanceOf(StaleState);
  });
});
