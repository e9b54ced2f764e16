// Promise 3: order does not matter. The state of a call is a pure function of the *set* of its facts:
// any permutation and any duplication of one call's deliveries gives the same view and timeline.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { callStateOf, foldedOf } from '../../processors/call/state.js';
import type { Whose } from '../../processors/decide-input.js';
import { sealFacts, type SealedFact } from '../../processors/seal.js';
import { nameOf, type AggregateState } from '../../schemas/aggregates.js';
import type { StoredCallFact } from '../../schemas/call-state.js';
import {
  callStatuses,
  failureCauses,
  messageStatuses,
  type CallSignal,
} from '../../schemas/facts.js';
import { factId, messageId } from '../../schemas/ids.js';
import { maxFactsPerRecord } from '../../processors/record/state.js';
import { stored } from '../ingest/stored-deliveries.js';
import { acme, fact, mapped, telnyx, testKeyRing, twilio, whoseOf } from '../processors/facts.js';
import { PureWorld } from '../processors/pure-world.js';
import { sealedRecord, storedRecord } from '../processors/records.js';

/** Deliveries received one second after the other, in this order, whatever order they come in. */
async function recorded(files: readonly string[], laterMs = 0): Promise<SealedFact[]> {
  const keyRing = testKeyRing();
  const sealed = await sealFacts(
    keyRing,
    files.map((file, i) => {
      const receivedAt = stored(file)._signedAt * 1000 + 250 + i * 1000 + laterMs;
      return { ...whoseOf(file), receivedAt, facts: mapped(file, { receivedAt }) };
    }),
  );
  return sealed.flat();
}

function outcomeOf(whose: Whose, facts: readonly SealedFact[]): string {
  const world = new PureWorld();
  world.take(whose, ...facts);
  return JSON.stringify(world.outcome);
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length < 2) {
    yield items;
    return;
  }
  for (const [i, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(i, 1))) yield [item, ...rest];
  }
}

const small = {
  'an outbound Twilio call': [
    'twilio-voice-outbound-1-initiated',
    'twilio-voice-outbound-2-ringing',
    'twilio-voice-outbound-3-answered',
    'twilio-voice-outbound-4-amd-human',
    'twilio-voice-outbound-5-completed',
    'twilio-recording-completed',
  ],
  'an inbound Twilio call with a dialled leg': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-2-dial-leg-initiated',
    'twilio-voice-inbound-3-dial-leg-ringing',
    'twilio-voice-inbound-4-dial-leg-answered',
    'twilio-voice-inbound-5-dial-leg-completed',
    'twilio-voice-inbound-6-dial-action',
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
} as const;

describe.each(Object.entries(small))('%s', (_title, files) => {
  test('ends the same in every permutation', async () => {
    const facts = await recorded(files);
    const whose = whoseOf(files[0]);
    const expected = outcomeOf(whose, facts);
    let tried = 0;
    for (const order of permutations(facts)) {
      tried += 1;
      if (outcomeOf(whose, order) !== expected) {
        expect(outcomeOf(whose, order), order.map((one) => one.fact.eventType).join()).toBe(
          expected,
        );
      }
    }
    expect(tried).toBe([720, 5040][files.length - 6]);
  });

  test('ends the same with any copies in any order', async () => {
    const facts = await recorded(files);
    // A redelivery has another time of receipt, which some order keys are made from.
    const copies = await recorded(files, 30_000);
    const whose = whoseOf(files[0]);
    const expected = outcomeOf(whose, facts);
    fc.assert(
      fc.property(
        fc.subarray(copies).chain((some) => {
          const all = [...facts, ...some];
          return fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length });
        }),
        (order) => {
          expect(outcomeOf(whose, order)).toBe(expected);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('everything that was recorded of each provider ends the same in any order', async () => {
  const all: [Whose, readonly string[]][] = [
    [
      twilio,
      [
        ...small['an inbound Twilio call with a dialled leg'],
        'twilio-voice-transfer-dial-leg-answered',
        'twilio-voice-inbound-dial-leg-no-answer',
        'twilio-conference-2-participant-join',
        'twilio-conference-3-participant-hold',
        'twilio-conference-4-participant-unhold',
        'twilio-conference-5-participant-leave',
      ],
    ],
    [
      telnyx,
      [
        ...small['a held and transferred Telnyx call'],
        'telnyx-voice-inbound-4-unhold',
        'telnyx-voice-inbound-5-enqueued',
        'telnyx-voice-inbound-6-dequeued',
        'telnyx-voice-refer-1-started',
        'telnyx-voice-refer-2-completed',
        'telnyx-voice-refer-failed',
        'telnyx-voice-transfer-3-bridged-lega',
        'telnyx-voice-transfer-4-bridged-legb',
      ],
    ],
  ];
  for (const [whose, files] of all) {
    const facts = await recorded(files);
    const expected = outcomeOf(whose, facts);
    fc.assert(
      fc.property(fc.shuffledSubarray(facts, { minLength: facts.length }), (order) => {
        expect(outcomeOf(whose, order)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  }
});

const signal: fc.Arbitrary<CallSignal> = fc.oneof(
  fc.record({
    type: fc.constant('status' as const),
    status: fc.constantFrom(...callStatuses),
    cause: fc.constantFrom(null, ...failureCauses),
    reason: fc.constantFrom(null, 'why'),
  }),
  fc.record({ type: fc.constant('hangup' as const), cause: fc.constantFrom(...failureCauses) }),
  fc.record({ type: fc.constant('note' as const), name: fc.constantFrom('amd', 'recording') }),
);

/** Nonsense too: rings of parents, legs in two sessions, equal times, contradicting statuses. */
const anyFacts: fc.Arbitrary<readonly StoredCallFact[]> = fc
  .array(
    fc.record({
      signal,
      legRef: fc.constantFrom('A', 'B', 'C', 'D'),
      parentRef: fc.constantFrom(null, null, 'A', 'B', 'E'),
      sessionRef: fc.constantFrom(null, null, null, 'S'),
      direction: fc.constantFrom(null, 'inbound' as const, 'outbound' as const),
      phase: fc.constantFrom(0 as const, 1 as const, 1 as const, 2 as const),
      at: fc.integer({ min: 0, max: 5 }),
      receivedAt: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((all) =>
    all.map(({ signal: said, phase, at, ...rest }, i) => ({
      ...fact(`f${i}`, said, { at }),
      order: { phase, atUs: at, seq: i % 2 },
      details: said.type === 'note' ? { amd: `m${i}`, recordingId: `RE${i % 3}` } : {},
      ...rest,
    })),
  );

test('any set of facts whatever ends the same in any order', () => {
  fc.assert(
    fc.property(
      anyFacts.chain((facts) =>
        fc.tuple(
          fc.constant(facts),
          fc.shuffledSubarray([...facts], { minLength: facts.length }),
          fc.subarray([...facts]),
        ),
      ),
      ([facts, shuffled, copies]) => {
        const asCalls = (some: readonly StoredCallFact[]): SealedFact[] =>
          some.map((one) => ({ kind: 'call', fact: one }));
        expect(outcomeOf(twilio, asCalls([...shuffled, ...copies]))).toBe(
          outcomeOf(twilio, asCalls(facts)),
        );
      },
    ),
    { numRuns: 1500 },
  );
});

/** Copies of one fact as a callback configured twice sends them: same identity and legs, other content. */
const copiesOf = (facts: readonly StoredCallFact[]): fc.Arbitrary<readonly StoredCallFact[]> =>
  fc
    .array(
      fc.record({
        of: fc.nat({ max: facts.length - 1 }),
        signal,
        receivedAt: fc.integer({ min: 0, max: 2 }),
        atUs: fc.integer({ min: 0, max: 2 }),
        durationSec: fc.constantFrom(null, 1, 2),
        details: fc.constantFrom({}, { amd: 'human' }, { amd: 'fax', queue: 'q' }),
      }),
      { maxLength: 6 },
    )
    .map((all) =>
      all.flatMap(({ of, atUs, ...content }) => {
        const known = facts[of];
        return known === undefined
          ? []
          : [{ ...known, ...content, order: { ...known.order, atUs } }];
      }),
    );

test('copies that say different things end the same in any order', () => {
  fc.assert(
    fc.property(
      anyFacts
        .chain((facts) => copiesOf(facts).map((copies) => [...facts, ...copies]))
        .chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
        ),
      ([all, shuffled]) => {
        const asCalls = (some: readonly StoredCallFact[]): SealedFact[] =>
          some.map((one) => ({ kind: 'call', fact: one }));
        expect(outcomeOf(twilio, asCalls(shuffled))).toBe(outcomeOf(twilio, asCalls(all)));
      },
    ),
    { numRuns: 1500 },
  );
});

test('what the events say is what the stored state folds to', () => {
  fc.assert(
    fc.property(anyFacts, (facts) => {
      const world = new PureWorld();
      for (const one of facts) {
        world.takeCall(twilio, one);
        for (const { view, timeline } of world.outcome) {
          const state = world.states.get(nameOf({ tenant: acme, kind: 'call', key: view.callId }));
          const fresh: unknown = JSON.parse(JSON.stringify(state));
          const folded = foldedOf(acme, callStateOf(fresh as AggregateState));
          expect({ view, timeline }).toEqual(folded);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('the statuses of a message end the same in any order', () => {
  const facts = fc
    .array(
      fc.record({
        status: fc.constantFrom(...messageStatuses),
        atUs: fc.integer({ min: 0, max: 4 }),
        receivedAt: fc.integer({ min: 0, max: 4 }),
      }),
      { minLength: 1, maxLength: 8 },
    )
    .map((all) =>
      all.map(({ status, atUs, receivedAt }, i): SealedFact => ({
        kind: 'message',
        messageId: messageId('m'),
        fact: {
          factId: factId(`f${i}`),
          eventType: status,
          occurredAt: null,
          receivedAt,
          order: { phase: 1, atUs, seq: 0 },
          messageRef: 'SM1',
          direction: 'outbound',
          status,
          providerStatus: status,
          providerCode: null,
          optOut: null,
          details: {},
          from: null,
          to: null,
          body: null,
          personal: {},
        },
      })),
    );
  const viewOf = (some: readonly SealedFact[]) => {
    const world = new PureWorld();
    world.take(twilio, ...some);
    return world.messages;
  };
  fc.assert(
    fc.property(
      facts.chain((all) =>
        fc.tuple(
          fc.constant(all),
          fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
        ),
      ),
      ([all, shuffled]) => {
        expect(viewOf(shuffled)).toEqual(viewOf(all));
      },
    ),
    { numRuns: 500 },
  );
});

const recordsOf = (some: readonly SealedFact[]) => {
  const world = new PureWorld();
  world.take({ ...twilio, provider: 'stripe' }, ...some);
  return world.records;
};

test('what is known of a member or a subscription ends the same in any order, copies and all', () => {
  const facts = fc
    .array(
      fc.record({
        status: fc.constantFrom(null, 'active', 'past_due'),
        deleted: fc.boolean(),
        parentRef: fc.constantFrom(null, 'cus_1', 'cus_2'),
        details: fc.constantFrom({}, { seats: 1 }, { seats: 2, plan: 'p' }),
        phase: fc.constantFrom(0 as const, 1 as const, 2 as const),
        at: fc.integer({ min: 0, max: 4 }),
        receivedAt: fc.integer({ min: 0, max: 4 }),
        /** Two facts of one identity that say different things. */
        id: fc.integer({ min: 0, max: 6 }),
      }),
      { minLength: 1, maxLength: 9 },
    )
    .map((all) =>
      all.map(({ phase, at, id, ...said }) =>
        sealedRecord(storedRecord(`f${id}`, 0, { ...said, order: { phase, atUs: at, seq: 0 } })),
      ),
    );
  fc.assert(
    fc.property(
      facts.chain((all) =>
        fc.tuple(
          fc.constant(all),
          fc.shuffledSubarray([...all, ...all], { minLength: all.length * 2 }),
        ),
      ),
      ([all, shuffled]) => {
        expect(recordsOf(shuffled)).toEqual(recordsOf(all));
      },
    ),
    { numRuns: 1000 },
  );
});

test('so does a record of which more is told than is kept', () => {
  const many = Array.from({ length: maxFactsPerRecord + 40 }, (_, i) =>
    sealedRecord(storedRecord(`f${i}`, i, { details: { [`d${i % 9}`]: i }, status: `s${i}` })),
  );
  const expected = recordsOf(many);
  fc.assert(
    fc.property(fc.shuffledSubarray(many, { minLength: many.length }), (order) => {
      expect(recordsOf(order)).toEqual(expected);
    }),
    { numRuns: 100 },
  );
});
