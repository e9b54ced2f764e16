// The stored deliveries, told as the calls they belong to: after each delivery the
// call stands where the delivery's `_expected` says, and no fact is left without its call.

import { describe, expect, test } from 'vitest';
import type { CallView } from '../../schemas/call-state.js';
import { stored, storedDeliveries } from '../ingest/stored-deliveries.js';
import { sealedSamples, testKeyRing, whoseOf } from './facts.js';
import { PureWorld } from './pure-world.js';
import { causes, stories } from './stories.js';

function expectAsTold(view: CallView, expected: Readonly<Record<string, unknown>>, legRef: string) {
  const leg = view.legs.find((one) => one.legRef === legRef);
  const subject = expected['leg'] === true ? leg : view;
  const { status, failureReason, direction, durationSec, amd } = expected;
  if (status === 'completed-or-transferred') expect(view.status).toBe('completed');
  else if (typeof status === 'string') expect(subject?.status).toBe(status);
  if (typeof failureReason === 'string') expect(causes[failureReason]).toContain(subject?.cause);
  if (typeof direction === 'string') expect(view.direction).toBe(direction);
  if (typeof durationSec === 'number') expect(subject?.durationSec).toBe(durationSec);
  if (typeof amd === 'string') expect(view.amd).toBe(amd);
  if (expected['recording'] === true) expect(view.recordings).toBe(1);
}

describe.each(Object.entries(stories))('%s', (_title, files) => {
  test('stands where each delivery says', async () => {
    const world = new PureWorld();
    const keyRing = testKeyRing();
    for (const file of files) {
      const [sealed, ...more] = await sealedSamples([file], keyRing);
      if (sealed?.kind !== 'call') throw new Error(`${file} is no call fact`);
      const before = world.live[0];
      const bodies = world.take(whoseOf(file), sealed, ...more);
      expect(world.live).toHaveLength(1);
      const [view] = world.live;
      if (view === undefined) throw new Error('no call');
      const expected = stored(file)._expected ?? {};
      expectAsTold(view, expected, sealed.fact.legRef);
      if (expected['status'] === null) expect(view.status).toBe(before?.status);
      if (expected['duplicateOf'] !== undefined) {
        expect(bodies.map(({ type }) => type)).toEqual(['call.duplicate_seen']);
      }
    }
  });
});

describe('all stored deliveries together', () => {
  test('leave no fact without its call, message or record', async () => {
    const world = new PureWorld();
    const keyRing = testKeyRing();
    let notUnderstood = 0;
    for (const { file } of storedDeliveries) {
      const name = file.replace(/\.json$/, '');
      for (const sealed of await sealedSamples([name], keyRing)) {
        const bodies = world.take(whoseOf(name), sealed);
        expect(bodies.length).toBeGreaterThan(0);
        if (sealed.kind === 'not_understood') notUnderstood += 1;
        else if (sealed.kind === 'record') expect(world.records.has(sealed.recordId)).toBe(true);
        else if (sealed.kind === 'call') {
          expect(sealed.fact.legRef).not.toBe('');
          const { legRef, sessionRef } = sealed.fact;
          const own = bodies.flatMap((body) => (body.kind === 'call' ? body.callId : []));
          const owners = world.live.filter(({ callId }) => own.includes(callId));
          expect(owners).toHaveLength(1);
          // What is told of a session itself is no leg, once there is one.
          const legs = owners.flatMap((view) => view.legs.map((leg) => leg.legRef));
          if (legRef !== sessionRef) expect(legs).toContain(legRef);
        } else if (sealed.kind === 'message') {
          expect(world.messages.has(sealed.messageId)).toBe(true);
        } else throw new Error(`no provider sends a fact of kind ${sealed.kind}`);
      }
    }
    expect(notUnderstood).toBe(0);
    expect(world.live.every(({ legs }) => legs.some(({ primary }) => primary))).toBe(true);
  });

  test('show no number, name or text of anybody in any event', async () => {
    const world = new PureWorld();
    for (const { file } of storedDeliveries) {
      const name = file.replace(/\.json$/, '');
      world.take(whoseOf(name), ...(await sealedSamples([name])));
    }
    const written = JSON.stringify(world.events);
    for (const clear of [
      '5555550142',
      '5005550006',
      '5555550123',
      '5555550177',
      'Hello',
      'table 4',
      'recordings.telnyx',
    ])
      expect(written).not.toContain(clear);
  });
});

describe('messages', () => {
  const statusesOf = async (...files: string[]) => {
    const world = new PureWorld();
    for (const [i, sealed] of (await sealedSamples(files)).entries())
      world.take(whoseOf(files[i] ?? ''), sealed);
    return world;
  };

  test('a Twilio message climbs to delivered', async () => {
    const world = await statusesOf(
      'twilio-sms-status-queued',
      'twilio-sms-status-sent',
      'twilio-sms-status-delivered',
    );
    expect([...world.messages.values()]).toMatchObject([{ status: 'delivered', factCount: 3 }]);
    expect(world.events.map(({ type }) => type)).toEqual(Array(3).fill('message.status_changed'));
  });

  test('a Telnyx message keeps its text and ends by the status of its recipient', async () => {
    const world = await statusesOf('telnyx-messaging-sent', 'telnyx-messaging-finalized-delivered');
    const [view] = [...world.messages.values()];
    expect(view).toMatchObject({ status: 'delivered', direction: 'outbound' });
    expect(view?.body).not.toBeNull();
  });

  test('an inbound STOP is received once and says opt-out', async () => {
    const world = await statusesOf('twilio-sms-inbound-stop', 'twilio-sms-inbound-stop');
    expect(world.events.map(({ type }) => type)).toEqual([
      'message.received',
      'message.duplicate_seen',
    ]);
    expect([...world.messages.values()]).toMatchObject([{ optOut: 'stop', status: 'received' }]);
  });
});
