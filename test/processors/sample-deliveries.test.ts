// The stored Twilio and Telnyx deliveries, told as the calls they belong to: after each delivery the
// call stands where the delivery's `_expected` says, and no fact is left without its call.

import { describe, expect, test } from 'vitest';
import type { CallView } from '../../schemas/call-state.js';
import { stored, storedDeliveries } from '../ingest/stored-deliveries.js';
import { sealedSamples, testKeyRing, whoseOf } from './facts.js';
import { PureWorld } from './pure-world.js';

const telnyxInbound = ['1-initiated', '2-answered'].map((name) => `telnyx-voice-inbound-${name}`);

/** Each story in the order in which its provider tells it. */
const stories: Readonly<Record<string, readonly string[]>> = {
  'an inbound Twilio call that is dialled through': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-2-dial-leg-initiated',
    'twilio-voice-inbound-3-dial-leg-ringing',
    'twilio-voice-inbound-4-dial-leg-answered',
    'twilio-voice-inbound-5-dial-leg-completed',
    'twilio-voice-inbound-6-dial-action',
    'twilio-voice-inbound-7-completed',
  ],
  'an inbound Twilio call that is transferred': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-4-dial-leg-answered',
    'twilio-voice-transfer-dial-leg-answered',
    'twilio-voice-inbound-7-completed',
  ],
  'an inbound Twilio call whose dialled leg does not answer': [
    'twilio-voice-inbound-1-request',
    'twilio-voice-inbound-dial-leg-no-answer',
  ],
  'an inbound Twilio call in a conference': [
    'twilio-voice-inbound-1-request',
    ...['1-start', '2-participant-join', '3-participant-hold', '4-participant-unhold'].map(
      (name) => `twilio-conference-${name}`,
    ),
    'twilio-conference-5-participant-leave',
  ],
  'an outbound Twilio call': [
    'twilio-voice-outbound-1-initiated',
    'twilio-voice-outbound-2-ringing',
    'twilio-voice-outbound-3-answered',
    'twilio-voice-outbound-4-amd-human',
    'twilio-voice-outbound-5-completed',
    'twilio-voice-outbound-5-completed-duplicate',
    'twilio-recording-completed',
  ],
  'an outbound Twilio call to a machine': [
    'twilio-voice-outbound-amd-machine',
    'twilio-voice-outbound-vm-completed',
  ],
  ...Object.fromEntries(
    ['busy', 'canceled', 'failed', 'no-answer'].map((end) => [
      `an outbound Twilio call: ${end}`,
      [`twilio-voice-outbound-${end}`],
    ]),
  ),
  'an inbound Telnyx call that is held, queued and transferred': [
    ...telnyxInbound,
    'telnyx-voice-inbound-3-hold',
    'telnyx-voice-inbound-4-unhold',
    'telnyx-voice-inbound-5-enqueued',
    'telnyx-voice-inbound-6-dequeued',
    'telnyx-voice-transfer-1-legb-initiated',
    'telnyx-voice-transfer-2-legb-answered',
    'telnyx-voice-transfer-3-bridged-lega',
    'telnyx-voice-transfer-4-bridged-legb',
    'telnyx-voice-transfer-5-legb-hangup',
    'telnyx-voice-inbound-7-hangup',
  ],
  'an inbound Telnyx call that is referred': [
    ...telnyxInbound,
    'telnyx-voice-refer-1-started',
    'telnyx-voice-refer-2-completed',
  ],
  'an inbound Telnyx call whose refer fails': [
    ...telnyxInbound,
    'telnyx-voice-refer-1-started',
    'telnyx-voice-refer-failed',
  ],
  'an inbound Telnyx call that is abandoned': ['telnyx-voice-inbound-abandoned-hangup'],
  'an outbound Telnyx call to a machine': [
    'telnyx-voice-outbound-1-initiated',
    'telnyx-voice-outbound-2-answered',
    'telnyx-voice-outbound-3-amd-machine',
    'telnyx-voice-outbound-4-amd-greeting-beep',
    'telnyx-voice-outbound-6-hangup-normal',
    'telnyx-voice-outbound-6-hangup-normal-retry',
    'telnyx-voice-outbound-5-recording-saved',
    'telnyx-voice-outbound-7-cost',
  ],
  'an outbound Telnyx call to a person': [
    'telnyx-voice-outbound-1-initiated',
    'telnyx-voice-outbound-amd-premium-human',
  ],
  ...Object.fromEntries(
    [
      'call_rejected',
      'no_answer',
      'not_found',
      'originator_cancel',
      'timeout',
      'unspecified',
      'user_busy',
    ].map((cause) => [
      `an outbound Telnyx call: ${cause}`,
      [`telnyx-voice-outbound-hangup-${cause}`],
    ]),
  ),
};

const causes: Readonly<Record<string, readonly string[]>> = {
  busy: ['busy'],
  'no-answer': ['no_answer'],
  canceled: ['canceled'],
  failed: ['rejected', 'invalid_number', 'network', 'provider'],
};

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
    const facts = await sealedSamples(files);
    expect(facts).toHaveLength(files.length);
    for (const [i, file] of files.entries()) {
      const sealed = facts[i];
      if (sealed?.kind !== 'call') throw new Error(`${file} is no call fact`);
      const before = world.live[0];
      const bodies = world.take(whoseOf(file), sealed);
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
  test('leave no call fact without a call and no message fact without a message', async () => {
    const world = new PureWorld();
    const keyRing = testKeyRing();
    let notUnderstood = 0;
    for (const { file } of storedDeliveries) {
      const name = file.replace(/\.json$/, '');
      for (const sealed of await sealedSamples([name], keyRing)) {
        const bodies = world.take(whoseOf(name), sealed);
        expect(bodies.length).toBeGreaterThan(0);
        if (sealed.kind === 'not_understood') notUnderstood += 1;
        else if (sealed.kind === 'call') {
          expect(sealed.fact.legRef).not.toBe('');
          const leg = sealed.fact.legRef;
          const owners = world.live.filter(({ legs }) => legs.some(({ legRef }) => legRef === leg));
          expect(owners).toHaveLength(1);
        } else expect(world.messages.has(sealed.messageId)).toBe(true);
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
