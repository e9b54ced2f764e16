// What facts mean for a call: each rule of design section 5 by the smallest set of facts that shows it.

import { describe, expect, test } from 'vitest';
import { maxFactsPerCall } from '../../../processors/call/decide.js';
import { callIdOf } from '../../../processors/call/identity.js';
import type { StoredCallFact } from '../../../schemas/call-state.js';
import type { CallSignal } from '../../../schemas/facts.js';
import { acme, fact, hangup, note, says, telnyx, twilio } from '../facts.js';
import { PureWorld } from '../pure-world.js';

const types = (world: PureWorld): string[] => world.events.map(({ type }) => type);

function callOf(...facts: readonly StoredCallFact[]) {
  const world = new PureWorld();
  world.takeCall(twilio, ...facts);
  const [view] = world.live;
  if (view === undefined) throw new Error('no call');
  return { world, view, timeline: world.timeline(view.callId) };
}

const inOrder = [
  fact('1', says('initiated'), { at: 1, direction: 'outbound' }),
  fact('2', says('ringing'), { at: 2 }),
  fact('3', says('answered'), { at: 3 }),
  fact('4', says('completed'), { at: 4, durationSec: 1 }),
];

describe('a call', () => {
  test('goes through its statuses, one typed event each', () => {
    const { world, view } = callOf(...inOrder);
    expect(types(world)).toEqual([
      'call.discovered',
      'call.initiated',
      'call.ringing',
      'call.answered',
      'call.completed',
    ]);
    expect(view).toMatchObject({
      status: 'completed',
      startedAt: 1000,
      ringingAt: 2000,
      answeredAt: 3000,
      endedAt: 4000,
      durationSec: 1,
      sourceFact: '4',
      inferred: false,
      factCount: 4,
    });
  });

  test('is discovered with an alias, and its fact stands on exactly one event', () => {
    const { world } = callOf(...inOrder.slice(0, 1));
    const carriers = world.events.filter((body) => body.kind === 'call' && body.fact !== null);
    expect(carriers).toHaveLength(1);
    expect(carriers[0]).toMatchObject({ type: 'call.initiated', aliases: ['A'] });
  });

  test('every event of a fact carries the same view', () => {
    const { world } = callOf(fact('3', says('answered'), { at: 3 }));
    expect(types(world)).toEqual(['call.discovered', 'call.inferred', 'call.answered']);
    const views = world.events.map((body) => (body.kind === 'call' ? body.after : null));
    expect(new Set(views).size).toBe(1);
  });

  test('has skipped steps filled in and marked', () => {
    const { timeline } = callOf(
      inOrder[0] ?? fact('x', hangup),
      fact('3', says('answered'), { at: 3 }),
    );
    expect(timeline.map(({ entryId, status, inferred }) => [entryId, status, inferred])).toEqual([
      ['1', 'initiated', false],
      ['inferred:ringing:3', 'ringing', true],
      ['3', 'answered', false],
    ]);
  });

  test('a late report takes the place of an inferred step', () => {
    const { world, view, timeline } = callOf(
      fact('1', says('initiated'), { at: 1 }),
      fact('3', says('answered'), { at: 3 }),
      fact('2', says('ringing'), { at: 2, receivedAt: 9000 }),
    );
    expect(world.events.at(-1)).toMatchObject({
      type: 'call.noted',
      reason: 'late',
      timeline: { remove: ['inferred:ringing:3'] },
    });
    expect(timeline.map(({ entryId, late }) => [entryId, late])).toEqual([
      ['1', false],
      ['2', true],
      ['3', false],
    ]);
    expect(view.status).toBe('answered');
  });

  test('an answer that comes after the hangup corrects failed to completed', () => {
    const world = new PureWorld();
    world.takeCall(telnyx, fact('1', says('initiated'), { at: 1 }), fact('4', hangup, { at: 4 }));
    expect(world.live[0]).toMatchObject({ status: 'failed', cause: 'canceled' });
    world.takeCall(telnyx, fact('3', says('answered'), { at: 3, receivedAt: 9000 }));
    expect(world.live[0]).toMatchObject({ status: 'completed', cause: null, durationSec: 1 });
    expect(types(world).at(-1)).toBe('call.completed');
  });

  test('keeps a fact that cannot stand, refuses and counts it', () => {
    const { view, timeline, world } = callOf(
      ...inOrder.slice(0, 3),
      fact('5', says('ringing'), { at: 5 }),
    );
    expect(world.events.at(-1)).toMatchObject({
      type: 'call.fact_refused',
      reason: 'ringing cannot follow answered',
      fact: { factId: '5' },
    });
    expect(view).toMatchObject({ status: 'answered', refusedCount: 1, factCount: 4 });
    expect(timeline.at(-1)).toMatchObject({ entryId: '5', refused: expect.any(String) });
  });

  test('terminal absorbs, and the same status again is no refusal', () => {
    const { view } = callOf(
      ...inOrder,
      fact('5', says('failed'), { at: 5 }),
      fact('6', says('completed'), { at: 6 }),
      fact('7', hangup, { at: 7 }),
      fact('8', note('cost'), { at: 8 }),
    );
    expect(view).toMatchObject({ status: 'completed', refusedCount: 1, sourceFact: '4' });
  });

  test('a fresh sequence number 0 may be the end', () => {
    const { view } = callOf(
      fact('end', says('completed'), { at: 9 }),
      fact('request', says('ringing'), {
        direction: 'inbound',
        occurredAt: null,
        receivedAt: 20_000,
        order: { phase: 0, atUs: 20_000_000, seq: 0 },
      }),
    );
    expect(view).toMatchObject({ status: 'completed', direction: 'inbound' });
  });

  test('hold and resume have events of their own', () => {
    const { world } = callOf(
      ...inOrder.slice(0, 3),
      fact('5', says('on_hold'), { at: 5 }),
      fact('6', says('answered'), { at: 6 }),
    );
    expect(types(world).slice(-2)).toEqual(['call.held', 'call.resumed']);
  });

  test('a hold while it rings infers the answer', () => {
    const { timeline } = callOf(
      fact('2', says('ringing'), { at: 2 }),
      fact('5', says('on_hold'), { at: 5 }),
    );
    expect(timeline.map(({ entryId }) => entryId)).toEqual(['2', 'inferred:answered:5', '5']);
  });

  test('a completed refer ends it, transferred', () => {
    const completed = {
      type: 'status',
      status: 'completed',
      cause: null,
      reason: 'transferred',
    } as const;
    const { view, timeline } = callOf(
      ...inOrder.slice(0, 3),
      fact('5', says('transferring'), { at: 5 }),
      fact('6', completed, { at: 6 }),
      fact('7', hangup, { at: 7 }),
    );
    expect(view).toMatchObject({ status: 'completed', reason: 'transferred', refusedCount: 0 });
    expect(timeline.map(({ entryId }) => entryId)).toContain('inferred:answered:6');
  });

  test('a note alone discovers it, without a status anyone reported', () => {
    const { world, view } = callOf(
      fact('r', note('recording'), { details: { recordingId: 'RE1' } }),
    );
    expect(types(world)).toEqual(['call.discovered', 'call.noted']);
    expect(view).toMatchObject({
      status: 'initiated',
      inferred: true,
      sourceFact: null,
      recordings: 1,
    });
  });

  test('holds a bounded number of facts', () => {
    const many = Array.from({ length: maxFactsPerCall + 2 }, (_, i) =>
      fact(`n${i}`, note('dtmf'), { at: i }),
    );
    const { world, view } = callOf(...many);
    expect(view).toMatchObject({ factCount: maxFactsPerCall, refusedCount: 2 });
    expect(world.events.at(-1)).toMatchObject({
      type: 'call.fact_refused',
      reason: 'too_many_facts',
    });
  });
});

describe('a duplicate', () => {
  test('is recorded and not applied again', () => {
    const { world, view } = callOf(...inOrder, ...inOrder);
    expect(types(world).slice(-4)).toEqual(Array(4).fill('call.duplicate_seen'));
    expect(view.factCount).toBe(4);
  });

  test('leaves the copy that was received first', () => {
    const early = fact('1', says('initiated'), { at: 1, receivedAt: 1100 });
    const later = { ...early, receivedAt: 5000 };
    const [a, b] = [callOf(early, later), callOf(later, early)];
    expect(b.view).toEqual(a.view);
    expect(b.timeline).toEqual(a.timeline);
    expect(b.timeline[0]?.receivedAt).toBe(1100);
  });
});

describe('legs', () => {
  const child = (id: string, leg: string, signal: CallSignal, at: number) =>
    fact(id, signal, { at, legRef: leg, parentRef: 'A', direction: 'outbound' });
  const ringing = fact('r', says('ringing'), { at: 1, direction: 'inbound' });

  test('a child answered while its parent rings answers it', () => {
    const { view, timeline } = callOf(
      ringing,
      child('b1', 'B', says('initiated'), 2),
      child('b2', 'B', says('answered'), 3),
    );
    expect(view).toMatchObject({
      status: 'answered',
      inferred: true,
      reason: 'leg_answered',
      sourceFact: 'b2',
    });
    expect(timeline.map(({ entryId }) => entryId)).toEqual([
      'r',
      'b1',
      'b2',
      'inferred:answered:b2',
    ]);
    expect(view.legs.map(({ legRef, primary, status }) => [legRef, primary, status])).toEqual([
      ['A', true, 'answered'],
      ['B', false, 'answered'],
    ]);
  });

  test('a child that fails never fails its parent', () => {
    const { view } = callOf(ringing, child('b1', 'B', says('failed'), 2));
    expect(view.status).toBe('ringing');
    expect(view.legs[1]).toMatchObject({ status: 'failed', cause: 'busy' });
  });

  test('a second dialled child is a transfer, until it answers', () => {
    const { world, view } = callOf(
      ringing,
      child('b2', 'B', says('answered'), 3),
      child('c1', 'C', says('initiated'), 5),
    );
    expect(view).toMatchObject({ status: 'transferring', inferred: true });
    world.takeCall(twilio, child('c2', 'C', says('answered'), 6));
    expect(world.live[0]).toMatchObject({ status: 'answered', reason: 'leg_answered' });
  });

  test('a transfer that nobody takes leaves the call answered', () => {
    const { view } = callOf(
      ringing,
      child('b2', 'B', says('answered'), 3),
      child('c1', 'C', says('initiated'), 5),
      child('c2', 'C', says('failed'), 9),
    );
    expect(view).toMatchObject({ status: 'answered', reason: 'transfer_failed' });
  });

  test('a second child that answers at once is transferring and answered', () => {
    const { timeline } = callOf(
      ringing,
      child('b2', 'B', says('answered'), 3),
      fact('h', says('on_hold'), { at: 4 }),
      child('c2', 'C', says('answered'), 6),
    );
    expect(timeline.slice(-4).map(({ entryId }) => entryId)).toEqual([
      'c2',
      'inferred:answered:c2',
      'inferred:transferring:c2',
      'inferred:answered:c2:2',
    ]);
  });

  test('the call of a child that came first is its parent’s', () => {
    const { view } = callOf(child('b1', 'B', says('initiated'), 2));
    expect(view.callId).toBe(callIdOf(acme, 'twilio', 'A'));
    expect(view).toMatchObject({ status: 'initiated', inferred: true });
  });

  test('a stand-alone child merges into its parent’s call once the link is known', () => {
    const world = new PureWorld();
    const orphan = fact('m', note('recording'), {
      at: 4,
      legRef: 'B',
      details: { recordingId: 'RE1' },
    });
    world.takeCall(twilio, ringing, orphan);
    expect(world.live).toHaveLength(2);
    world.takeCall(twilio, child('b1', 'B', says('initiated'), 2));
    expect(types(world).slice(-4)).toEqual([
      'call.merged',
      'call.leg_linked',
      'call.noted',
      'call.merged',
    ]);
    const [view] = world.live;
    expect(world.live).toHaveLength(1);
    expect(view).toMatchObject({
      callId: callIdOf(acme, 'twilio', 'A'),
      factCount: 3,
      recordings: 1,
    });
    const lost = callIdOf(acme, 'twilio', 'B');
    expect(world.calls.get(lost)).toMatchObject({ mergedInto: view?.callId });
    expect(world.timeline(lost)).toEqual([]);
    // The next fact about B alone goes to the same call.
    world.takeCall(twilio, fact('n', note('dtmf'), { at: 5, legRef: 'B' }));
    expect(world.live[0]).toMatchObject({ factCount: 4 });
  });

  test('grandchildren arrive at the same root in every order', () => {
    const chain = [
      fact('c', says('initiated'), { at: 3, legRef: 'C', parentRef: 'B' }),
      fact('b', says('initiated'), { at: 2, legRef: 'B', parentRef: 'A' }),
      fact('a', says('ringing'), { at: 1, legRef: 'A' }),
    ];
    const [one, other] = [callOf(...chain), callOf(...chain.toReversed())];
    expect(one.view).toEqual(other.view);
    expect(one.view.legs).toHaveLength(3);
  });

  test('a further leg in a Telnyx session is a transfer', () => {
    const world = new PureWorld();
    const leg = (id: string, legRef: string, signal: CallSignal, at: number) =>
      fact(id, signal, { at, legRef, sessionRef: 'S' });
    world.takeCall(
      telnyx,
      leg('b1', 'B', says('initiated'), 5),
      leg('a2', 'A', says('answered'), 2),
      leg('a1', 'A', says('ringing'), 1),
    );
    expect(world.live).toHaveLength(1);
    expect(world.live[0]).toMatchObject({
      status: 'transferring',
      callId: callIdOf(acme, 'telnyx', 'S'),
    });
    world.takeCall(telnyx, leg('b2', 'B', says('answered'), 6), leg('b3', 'B', hangup, 7));
    expect(world.live[0]).toMatchObject({ status: 'answered' });
    world.takeCall(telnyx, leg('a3', 'A', hangup, 8));
    expect(world.live[0]).toMatchObject({ status: 'completed', durationSec: 6 });
  });

  test('a further leg of a provider with transfers of its own is no transfer', () => {
    const world = new PureWorld();
    const leg = (id: string, legRef: string, signal: CallSignal, at: number) =>
      fact(id, signal, { at, legRef, sessionRef: 'CON' });
    const vonage = { tenant: acme, provider: 'vonage' };
    world.takeCall(vonage, leg('a1', 'A', says('answered'), 2), leg('b1', 'B', says('ringing'), 3));
    expect(world.live[0]).toMatchObject({ status: 'answered' });
    world.takeCall(
      vonage,
      leg('b2', 'B', says('answered'), 4),
      leg('a2', 'A', says('completed'), 9),
    );
    expect(world.live[0]).toMatchObject({ status: 'completed', durationSec: 7 });
  });

  test('what is told of the session itself belongs to the call and makes no leg', () => {
    const told = fact('r', note('recording'), {
      ...{ at: 6, legRef: 'CON', sessionRef: 'CON' },
      details: { recordingId: 'R1', recordingStatus: 'completed' },
    });
    const answered = fact('a1', says('answered'), { at: 2, legRef: 'A', sessionRef: 'CON' });
    const dialled = fact('b1', says('ringing'), { at: 3, legRef: 'B', sessionRef: 'CON' });
    for (const facts of [
      [told, answered, dialled],
      [answered, told, dialled],
      [dialled, answered, told],
    ]) {
      const { view, timeline } = callOf(...facts);
      expect(view).toMatchObject({ status: 'answered', recordings: 1, factCount: 3 });
      expect(view.legs.map(({ legRef, primary }) => [legRef, primary])).toEqual([
        ['A', true],
        ['B', false],
      ]);
      expect(timeline.filter(({ inferred }) => !inferred)).toHaveLength(3);
    }
  });

  test('a session that another one went on in is part of the same call', () => {
    const leg = (id: string, legRef: string, sessionRef: string, at: number) =>
      fact(id, says('answered'), { at, legRef, sessionRef });
    const moved = fact('m', note('moved'), {
      ...{ at: 5, legRef: 'TO', sessionRef: 'TO', parentRef: 'FROM' },
    });
    const facts = [leg('a', 'A', 'FROM', 2), moved, leg('b', 'B', 'TO', 6)];
    for (const order of [facts, facts.toReversed()]) {
      const { view, world } = callOf(...order);
      expect(world.live).toHaveLength(1);
      expect(view.callId).toBe(callIdOf(acme, 'twilio', 'FROM'));
      expect(view.legs.map(({ legRef }) => legRef)).toEqual(['A', 'B']);
    }
  });
});
