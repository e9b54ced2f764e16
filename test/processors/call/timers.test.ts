// Timers of a call: which one is armed, what one that ran out means, and that none of it depends on the order
// in which things are told.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultTimerRules } from '../../../processors/call/timers.js';
import type { SealedFact } from '../../../processors/seal.js';
import type { StoredCallFact } from '../../../schemas/call-state.js';
import type { CallEventBody } from '../../../schemas/events.js';
import type { CallStatus } from '../../../schemas/facts.js';
import { factId, type CallId } from '../../../schemas/ids.js';
import { defaultBounds, timerIdOf, type ArmedTimer } from '../../../schemas/timers.js';
import { fact, note, says, telnyx, twilio } from '../facts.js';
import { PureWorld } from '../pure-world.js';

const lastCallEvent = (world: PureWorld): CallEventBody => {
  const body = world.events.findLast((one) => one.kind === 'call');
  if (body?.kind !== 'call') throw new Error('no event of a call');
  return body;
};

const armedIn = (world: PureWorld): ArmedTimer => {
  const { timer } = lastCallEvent(world);
  if (timer === null) throw new Error('no timer is armed');
  return timer;
};

const onlyCall = (world: PureWorld) => {
  const [view, more] = world.live;
  if (view === undefined || more !== undefined) throw new Error('not one call');
  return view;
};

interface Firing {
  readonly receivedAt?: number;
  readonly reason?: string;
}

/** The fact that the scheduler appends for an armed timer. */
function ranOut(
  callId: CallId,
  timer: ArmedTimer,
  status: CallStatus,
  { receivedAt = timer.dueAt + 20, reason }: Firing = {},
): SealedFact {
  const { name, timerId, since, dueAt } = timer;
  return {
    kind: 'timer',
    receivedAt,
    fact: {
      kind: 'timer',
      factId: factId(`${callId}:${timerId}`),
      eventType: `timer.${name}`,
      occurredAt: dueAt,
      order: { phase: 1, atUs: dueAt * 1000, seq: 0 },
      ...{ callId, name, timerId, since, status },
      reason: reason ?? null,
    },
  };
}

/** Lets the timer that is armed run out. */
function runOut(world: PureWorld, firing: Firing = {}): void {
  const { callId, status } = onlyCall(world);
  world.take(twilio, ranOut(callId, armedIn(world), status, firing));
}

const worldOf = (...facts: readonly StoredCallFact[]): PureWorld => {
  const world = new PureWorld();
  world.takeCall(twilio, ...facts);
  return world;
};

const rings = fact('r', says('ringing'), { at: 1, direction: 'inbound' });
const answers = fact('a', says('answered'), { at: 10 });
const completes = fact('c', says('completed'), { at: 70, durationSec: 60 });

describe('a call that is silent', () => {
  test.each(['initiated', 'ringing', 'answered', 'on_hold', 'transferring'] as const)(
    'has a watchdog of its status: %s',
    (status) => {
      const world = new PureWorld();
      const way = [says('initiated'), says('answered')].map((signal, i) =>
        fact(`w${i}`, signal, { at: i }),
      );
      world.takeCall(twilio, ...way, fact('f', says(status), { at: 9 }));
      const { status: now } = onlyCall(world);
      const heard = 9_300;
      expect(armedIn(world)).toEqual({
        name: 'watchdog',
        timerId: `watchdog:${now}:${heard}`,
        since: heard,
        dueAt: heard + defaultBounds[now as keyof typeof defaultBounds],
      });
    },
  );

  test('is overdue, then its end is inferred: failed where nobody answered', () => {
    const world = worldOf(rings);
    runOut(world);
    expect(lastCallEvent(world)).toMatchObject({ type: 'call.overdue', reason: 'ringing' });
    expect(onlyCall(world)).toMatchObject({ status: 'ringing' });
    const { name, since, dueAt } = armedIn(world);
    const overdueAt = 1_300 + defaultBounds.ringing + 20;
    expect({ name, since, dueAt }).toEqual({
      name: 'inference',
      since: overdueAt,
      dueAt: overdueAt + defaultTimerRules.patienceMs,
    });
    runOut(world, { reason: 'provider_unreachable' });
    expect(onlyCall(world)).toMatchObject({
      ...{ status: 'failed', cause: 'inferred', inferred: true, reason: 'provider_unreachable' },
      ...{ endedAt: dueAt, durationSec: null, settledAt: null },
    });
    expect(lastCallEvent(world)).toMatchObject({
      type: 'call.failed',
      reason: 'provider_unreachable',
    });
  });

  test('is completed by inference where it was answered, with no duration made up', () => {
    const world = worldOf(rings, answers);
    runOut(world);
    runOut(world, { reason: 'provider_does_not_know_it' });
    const view = onlyCall(world);
    expect(view).toMatchObject({ status: 'completed', cause: null, inferred: true });
    expect(view.durationSec).toBeNull();
    const line = world.timeline(view.callId).find(({ status }) => status === 'completed');
    expect(line).toMatchObject({ inferred: true, reason: 'provider_does_not_know_it' });
  });

  test.each(['on_hold', 'transferring'] as const)('is ended by inference from %s too', (status) => {
    const world = worldOf(rings, answers, fact('h', says(status), { at: 20 }));
    runOut(world);
    runOut(world);
    expect(onlyCall(world)).toMatchObject({ status: 'completed', inferred: true });
  });

  test('is ended even where nothing but notes was told of it', () => {
    const world = worldOf(fact('n', note('queue_entered'), { at: 1 }));
    runOut(world);
    runOut(world);
    expect(onlyCall(world)).toMatchObject({ status: 'failed', cause: 'inferred' });
  });

  test('is ended even where it holds as many facts as it may', () => {
    const many = Array.from({ length: 2000 }, (_, i) => fact(`n${i}`, note('dtmf'), { at: i }));
    const world = worldOf(...many);
    runOut(world);
    runOut(world);
    expect(onlyCall(world)).toMatchObject({ status: 'failed', cause: 'inferred' });
  });

  test('is ended where only a child of its own leg is known', () => {
    const child = fact('k', says('ringing'), { at: 1, legRef: 'B', parentRef: 'A' });
    const world = worldOf(child);
    runOut(world);
    runOut(world);
    expect(onlyCall(world)).toMatchObject({ status: 'failed', inferred: true });
    // The parent is heard of at last: its real end takes the place.
    world.takeCall(twilio, fact('p', says('completed'), { at: 900 }));
    expect(onlyCall(world)).toMatchObject({ status: 'completed', inferred: false });
  });
});

describe('a timer that is no longer armed', () => {
  test('means nothing, and the event says which one is', () => {
    const world = worldOf(rings);
    const stale = armedIn(world);
    world.takeCall(twilio, answers);
    const armed = armedIn(world);
    expect(armed.timerId).toBe(timerIdOf('watchdog', 'answered', 10_300));
    const before = world.outcome;
    world.take(twilio, ranOut(onlyCall(world).callId, stale, 'ringing'));
    expect(lastCallEvent(world)).toMatchObject({ type: 'call.timer_moved', timer: armed });
    expect(world.outcome).toEqual(before);
  });

  test('is a duplicate when it was told before', () => {
    const world = worldOf(rings);
    const watchdog = armedIn(world);
    const { callId } = onlyCall(world);
    world.take(twilio, ranOut(callId, watchdog, 'ringing'));
    const next = armedIn(world);
    const before = world.outcome;
    world.take(twilio, ranOut(callId, watchdog, 'ringing', { receivedAt: watchdog.dueAt + 9_000 }));
    expect(lastCallEvent(world)).toMatchObject({ type: 'call.duplicate_seen', timer: next });
    expect(world.outcome).toEqual(before);
  });

  test('means nothing for a call that has ended, for one that is a leg of another, for one nobody knows', () => {
    const world = worldOf(rings, answers);
    const watchdog = armedIn(world);
    const { callId } = onlyCall(world);
    world.takeCall(twilio, completes);
    world.take(twilio, ranOut(callId, watchdog, 'answered'));
    expect(onlyCall(world)).toMatchObject({ status: 'completed', inferred: false });
    const told = world.events.length;
    world.take(twilio, ranOut('call_of_nobody' as CallId, watchdog, 'answered'));
    world.takeCall(
      twilio,
      fact('link', note('dial'), { at: 80, parentRef: 'P' }),
      fact('p', says('completed'), { at: 90, legRef: 'P' }),
    );
    expect(world.events.length).toBeGreaterThan(told);
    const merged = world.events.length;
    world.take(twilio, ranOut(callId, watchdog, 'answered'));
    expect(world.events).toHaveLength(merged);
  });

  test('does not run while anything is told: late facts begin the silence anew', () => {
    const world = worldOf(rings);
    runOut(world);
    expect(armedIn(world).name).toBe('inference');
    const inference = armedIn(world);
    world.takeCall(twilio, fact('x', note('dtmf'), { at: 2, receivedAt: 400_000 }));
    expect(armedIn(world)).toMatchObject({ name: 'watchdog', since: 400_000 });
    world.take(twilio, ranOut(onlyCall(world).callId, inference, 'ringing'));
    expect(onlyCall(world)).toMatchObject({ status: 'ringing' });
  });
});

describe('an end that was inferred', () => {
  const inferred = (): PureWorld => {
    const world = worldOf(rings, answers);
    runOut(world);
    runOut(world, { reason: 'provider_does_not_know_it' });
    return world;
  };

  test('gives way to the real one, of which nothing is missing then', () => {
    const world = inferred();
    world.takeCall(twilio, completes);
    const plain = onlyCall(worldOf(rings, answers, completes));
    expect(onlyCall(world)).toEqual(plain);
    const lines = world.timeline(plain.callId);
    expect(lines.filter((line) => line.reason === 'superseded')).toHaveLength(1);
    expect(lines.filter((line) => line.inferred)).toEqual([]);
  });

  test('stays when something else is told late, which it only adds to', () => {
    const world = worldOf(rings);
    runOut(world);
    runOut(world);
    expect(onlyCall(world)).toMatchObject({ status: 'failed' });
    world.takeCall(twilio, { ...answers, receivedAt: 9_000_000 });
    expect(onlyCall(world)).toMatchObject({
      ...{ status: 'completed', answeredAt: 10_000, inferred: true },
    });
  });

  test('of what turns out to be a leg is not the end of its call', () => {
    const world = inferred();
    world.takeCall(
      twilio,
      fact('link', note('dial'), { at: 20, parentRef: 'P' }),
      fact('p', says('answered'), { at: 8, legRef: 'P', direction: 'inbound' }),
    );
    expect(onlyCall(world)).toMatchObject({ status: 'answered' });
    expect(armedIn(world)).toMatchObject({ name: 'watchdog' });
  });
});

describe('a call that has ended', () => {
  test('is settled when its deadline is over, and late data still lands', () => {
    const world = worldOf(rings, answers, completes);
    expect(armedIn(world)).toMatchObject({ name: 'settle', since: 70_300 });
    expect(onlyCall(world).settledAt).toBeNull();
    runOut(world);
    const settledAt = 70_300 + defaultTimerRules.settleMs + 20;
    expect(lastCallEvent(world)).toMatchObject({ type: 'call.settled', timer: null });
    expect(onlyCall(world)).toMatchObject({ status: 'completed', settledAt });
    world.takeCall(
      twilio,
      fact('rec', note('recording'), { at: 75, details: { recordingId: 'RE1' } }),
    );
    expect(onlyCall(world)).toMatchObject({ recordings: 1, settledAt });
  });

  test('is settled at once where nobody answered: nothing late is to come', () => {
    const world = worldOf(rings, fact('b', says('failed'), { at: 5 }));
    expect(lastCallEvent(world).timer).toBeNull();
    expect(onlyCall(world).settledAt).toBe(5_300);
  });

  test('is settled when Telnyx tells its cost', () => {
    const world = new PureWorld();
    world.takeCall(telnyx, rings, answers, completes);
    expect(onlyCall(world).settledAt).toBeNull();
    world.takeCall(telnyx, fact('m', note('cost'), { at: 90 }));
    expect(onlyCall(world).settledAt).toBe(90_300);
    expect(lastCallEvent(world).timer).toBeNull();
  });
});

test('the view in the end is the same whenever timers ran out between the facts, and however often', () => {
  const told = [rings, answers, fact('h', says('on_hold'), { at: 30 }), completes];
  const expected = onlyCall(worldOf(...told));
  fc.assert(
    fc.property(
      fc.shuffledSubarray(told, { minLength: told.length }),
      fc.array(fc.nat({ max: 3 }), { minLength: told.length, maxLength: told.length }),
      fc.boolean(),
      (order, rounds, twice) => {
        const world = new PureWorld();
        for (const [i, one] of order.entries()) {
          world.takeCall(twilio, one);
          for (let round = 0; round < (rounds[i] ?? 0); round += 1) {
            const body = lastCallEvent(world);
            if (body.timer === null || body.timer.name === 'settle') break;
            const firing = ranOut(body.callId, body.timer, body.after.status);
            world.take(twilio, firing);
            if (twice) world.take(twilio, firing);
          }
        }
        expect(onlyCall(world)).toEqual(expected);
      },
    ),
    { numRuns: 500 },
  );
});

test('every call ends by its timers alone, whatever was told of it', () => {
  const statuses = ['initiated', 'ringing', 'answered', 'on_hold', 'transferring'] as const;
  const anyFacts = fc.array(
    fc.record({
      status: fc.constantFrom(...statuses, null),
      legRef: fc.constantFrom('A', 'B', 'C'),
      parentRef: fc.constantFrom(null, null, 'A', 'E'),
      sessionRef: fc.constantFrom(null, null, 'S'),
      at: fc.nat({ max: 50 }),
    }),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(anyFacts, (all) => {
      const world = new PureWorld();
      for (const [i, { status, at, ...rest }] of all.entries()) {
        const signal = status === null ? note('x') : says(status);
        world.takeCall(twilio, fact(`f${i}`, signal, { at, ...rest }));
      }
      for (const { callId } of world.live) {
        for (let round = 0; round < 2; round += 1) {
          const body = world.events.findLast((one) => one.kind === 'call' && one.callId === callId);
          if (body?.kind !== 'call' || body.timer === null) throw new Error('no timer');
          world.take(twilio, ranOut(callId, body.timer, body.after.status));
        }
        expect(world.calls.get(callId)).toMatchObject({ inferred: true });
        expect(['completed', 'failed']).toContain(world.calls.get(callId)?.status);
      }
    }),
    { numRuns: 1000 },
  );
});
