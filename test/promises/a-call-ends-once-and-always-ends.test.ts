// Promise 4: a call ends once, and always ends. Ends absorb; a call whose terminal delivery never came is ended by
// its timers and says so; the real end takes the place of an inferred one, whenever it comes. As pure decisions.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { mapped, twilio, whoseOf } from '../processors/facts.js';
import { PureWorld } from '../processors/pure-world.js';
import { runOut } from '../processors/run-out.js';
import { sealFacts, type SealedFact } from '../../processors/seal.js';
import type { Whose } from '../../processors/decide-input.js';
import type { CallView } from '../../schemas/call-state.js';
import { stored } from '../ingest/stored-deliveries.js';
import { testKeyRing } from '../processors/facts.js';

const isEnded = ({ status }: CallView): boolean => status === 'completed' || status === 'failed';

async function recorded(files: readonly string[]): Promise<readonly SealedFact[]> {
  const sealed = await sealFacts(
    testKeyRing(),
    files.map((file, i) => {
      const receivedAt = stored(file)._signedAt * 1000 + 250 + i * 1000;
      return { ...whoseOf(file), receivedAt, facts: mapped(file, { receivedAt }) };
    }),
  );
  return sealed.flat();
}

const stories: Readonly<Record<string, readonly string[]>> = {
  'an outbound Twilio call': [
    'twilio-voice-outbound-1-initiated',
    'twilio-voice-outbound-2-ringing',
    'twilio-voice-outbound-3-answered',
    'twilio-voice-outbound-4-amd-human',
    'twilio-voice-outbound-5-completed',
  ],
  'an inbound Twilio call with a dialled leg': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-2-dial-leg-initiated',
    'twilio-voice-inbound-3-dial-leg-ringing',
    'twilio-voice-inbound-4-dial-leg-answered',
    'twilio-voice-inbound-5-dial-leg-completed',
    'twilio-voice-inbound-7-completed',
  ],
  'a held and transferred Telnyx call': [
    'telnyx-voice-inbound-1-initiated',
    'telnyx-voice-inbound-2-answered',
    'telnyx-voice-inbound-3-hold',
    'telnyx-voice-transfer-1-legb-initiated',
    'telnyx-voice-transfer-2-legb-answered',
    'telnyx-voice-transfer-5-legb-hangup',
    'telnyx-voice-inbound-7-hangup',
  ],
};

/** Lets every timer run out that is armed, until none is. */
function runOutAll(world: PureWorld, whose: Whose): void {
  for (const { callId } of world.live) {
    for (let round = 0; runOut(world, whose, callId); round += 1) {
      if (round > 3) throw new Error('timers of a call run out for ever');
    }
  }
}

test.each(Object.entries(stories))(
  '%s ends, whichever of its deliveries are lost, and says when that is inferred',
  async (_title, files) => {
    const facts = await recorded(files);
    const [first = ''] = files;
    const whose = whoseOf(first);
    for (let kept = 1; kept < 2 ** facts.length; kept += 1) {
      const some = facts.filter((_, i) => (kept & (1 << i)) !== 0);
      const world = new PureWorld();
      world.take(whose, ...some);
      const before = new Map(world.live.map((view) => [view.callId, view]));
      runOutAll(world, whose);
      expect(world.live.length).toBeGreaterThan(0);
      for (const view of world.live) {
        const told = before.get(view.callId);
        expect(isEnded(view)).toBe(true);
        expect(view.settledAt).not.toBeNull();
        expect(view.inferred).toBe(told === undefined || !isEnded(told));
        if (view.inferred) expect(view.reason).toBe('provider_unreachable');
        const lines = world.timeline(view.callId).filter(({ status }) => status === view.status);
        expect(lines.some(({ inferred }) => inferred)).toBe(view.inferred);
      }
    }
  },
);

test.each(Object.entries(stories))(
  '%s is the same in the end, wherever between its deliveries it was ended by inference',
  async (_title, files) => {
    const facts = await recorded(files);
    const [first = ''] = files;
    const whose = whoseOf(first);
    const plain = new PureWorld();
    plain.take(whose, ...facts);
    const expected = [...plain.live];
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...facts], { minLength: facts.length }),
        fc.array(fc.boolean(), { minLength: facts.length, maxLength: facts.length }),
        fc.array(fc.nat({ max: facts.length - 1 }), { maxLength: 3 }),
        (order, ends, copies) => {
          const world = new PureWorld();
          for (const [i, one] of order.entries()) {
            world.take(whose, one);
            // The end is inferred, and settled, before the rest comes.
            if (ends[i] === true && i < order.length - 1) runOutAll(world, whose);
          }
          world.take(whose, ...copies.flatMap((at) => facts[at] ?? []));
          const found = world.live.map((view) => ({ ...view, settledAt: null }));
          expect(found).toEqual(expected.map((view) => ({ ...view, settledAt: null })));
        },
      ),
      { numRuns: 150 },
    );
  },
);

test('once a call has ended no delivery that comes late opens it again', async () => {
  const facts = await recorded(stories['an outbound Twilio call'] ?? []);
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...facts], { minLength: facts.length }),
      fc.nat({ max: facts.length - 1 }),
      (order, at) => {
        const world = new PureWorld();
        for (const [i, one] of order.entries()) {
          world.take(twilio, one);
          if (i === at) runOutAll(world, twilio);
          if (i >= at) expect(world.live.every(isEnded)).toBe(true);
        }
        const ends = world.events.filter(({ type }) => /call\.(completed|failed)$/.test(type));
        // An inferred one, and the real one in its place; failed by inference may be answered late.
        expect(ends.length).toBeLessThanOrEqual(3);
        expect(world.live).toMatchObject([{ status: 'completed', inferred: false }]);
      },
    ),
    { numRuns: 300 },
  );
});
