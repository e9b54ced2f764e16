// Simulator, Bandwidth: calls and messages as they go in life. Chance comes in, an activity with its truth goes
// out. There is no ringing event, a message event comes in a list, and a transfer tells of its leg.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { endedCall, settledMessage, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

interface Leg {
  readonly callId: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
}

type Fields = Readonly<Record<string, unknown>>;

const applicationId = '7fc9698a-b04a-468b-9e8f-91238c0d0155';
const iso = (ms: number): string => new Date(ms).toISOString();

const leg = (random: Random, direction: Leg['direction'] = 'outbound'): Leg => ({
  callId: `c-${random.hex(8)}-${random.uuid()}`,
  direction,
  from: fictionalNumber(random),
  to: fictionalNumber(random),
});

function json(atMs: number, decides: boolean, value: (startMs: number) => unknown): Step {
  return {
    ...{ atMs, decides },
    content: (startMs) => ({
      type: 'json',
      text: JSON.stringify(value(startMs)),
      contentType: 'application/json; charset=utf-8',
    }),
  };
}

/** What happens to one leg; `answerMs` is null until it was answered. */
function eventsOf(of: Leg) {
  const event = (eventType: string, atMs: number, more: (startMs: number) => Fields): Step =>
    json(atMs, eventType.endsWith('isconnect'), (startMs) => ({
      ...{ eventType, eventTime: iso(startMs + atMs), accountId: '55555555', applicationId },
      ...of,
      callUrl: `https://voice.bandwidth.com/api/v2/accounts/55555555/calls/${of.callId}`,
      ...{ startTime: iso(startMs), ...more(startMs) },
    }));
  return {
    initiate: (): Step => event('initiate', 0, () => ({})),
    answer: (atMs: number): Step =>
      event('answer', atMs, (startMs) => ({ answerTime: iso(startMs + atMs) })),
    machine: (atMs: number, value: string): Step =>
      event('machineDetectionComplete', atMs, () => ({
        machineDetectionResult: { value, duration: 'PT4.9891287S' },
      })),
    recorded: (random: Random, atMs: number, talkMs: number): Step =>
      event('recordingAvailable', atMs, (startMs) => ({
        ...{
          recordingId: `r-${random.uuid()}`,
          channels: 1,
          fileFormat: 'wav',
          status: 'complete',
        },
        ...{ duration: `PT${String(talkMs / 1000)}S`, endTime: iso(startMs + atMs) },
        mediaUrl: 'https://voice.bandwidth.com/api/v2/accounts/55555555/media',
      })),
    disconnect: (atMs: number, cause: string, answerMs: number | null): Step =>
      event('disconnect', atMs, (startMs) => ({
        ...(answerMs === null ? {} : { answerTime: iso(startMs + answerMs) }),
        ...{ endTime: iso(startMs + atMs), cause },
      })),
    /** The leg that a transfer makes: its answer, its end, and that the parent is back. */
    transferred: (to: Leg, joinMs: number, endMs: number): Step[] => {
      const target = { transferTo: to.to, transferCallerId: of.from };
      const child = { ...target, callId: to.callId, parentCallId: of.callId };
      const times = (startMs: number) => ({ answerTime: iso(startMs + joinMs), ...child });
      return [
        event('transferAnswer', joinMs, times),
        event('transferDisconnect', endMs, (startMs) => ({
          ...{ ...times(startMs), endTime: iso(startMs + endMs), cause: 'hangup' },
        })),
        event('transferComplete', endMs + 50, (startMs) => ({
          ...{ answerTime: iso(startMs + 900), ...target, cause: 'hangup' },
        })),
      ];
    },
  };
}

const call = (primary: Leg, steps: readonly Step[], end: Omit<CallEnding, 'direction'>): Activity =>
  endedCall('bandwidth', primary.callId, steps, { direction: primary.direction, ...end });

const answered: Scenario = (random) => {
  const out = leg(random);
  const { answer, machine, recorded, disconnect } = eventsOf(out);
  const answerMs = random.between(3000, 9000);
  const talkMs = random.between(6000, 45_000);
  const endMs = answerMs + talkMs;
  const value = random.pick(['human', 'human', 'answering-machine']);
  const detected = random.chance(0.4) ? [machine(answerMs + 2500, value)] : [];
  const kept = random.chance(0.3) ? [recorded(random, endMs + 2000, talkMs)] : [];
  const steps = [answer(answerMs), ...detected, disconnect(endMs, 'hangup', answerMs), ...kept];
  return call(out, steps, { scenario: 'outbound-answered', status: 'completed' });
};

const unanswered =
  (said: string, cause: FailureCause): Scenario =>
  (random) => {
    const out = leg(random);
    const over = eventsOf(out).disconnect(random.between(3000, 25_000), said, null);
    return call(out, [over], { scenario: `outbound-${said}`, status: 'failed', cause });
  };

const transferred: Scenario = (random) => {
  const caller = leg(random, 'inbound');
  const agent = leg(random);
  const { initiate, answer, transferred: passOn, disconnect } = eventsOf(caller);
  const joinMs = random.between(4000, 9000);
  const endMs = joinMs + random.between(6000, 25_000);
  const steps = [
    initiate(),
    answer(900),
    ...passOn(agent, joinMs, endMs),
    disconnect(endMs + 900, 'hangup', 900),
  ];
  return call(caller, steps, { scenario: 'inbound-transfer', status: 'completed', legs: 2 });
};

const abandoned: Scenario = (random) => {
  const caller = leg(random, 'inbound');
  const { initiate, disconnect } = eventsOf(caller);
  const steps = [initiate(), disconnect(random.between(3000, 15_000), 'hangup', null)];
  return call(caller, steps, {
    scenario: 'inbound-abandoned',
    status: 'failed',
    cause: 'canceled',
  });
};

interface Event {
  readonly type: string;
  readonly atMs: number;
  readonly more?: Fields;
}

/** The events of one message, each in a list of its own. */
function messageSteps(
  id: string,
  message: Fields & { readonly to: string },
  events: readonly Event[],
) {
  return events.map(({ type, atMs, more = {} }) =>
    json(atMs, type !== 'message-sending', (startMs) => [
      {
        ...{ type, time: iso(startMs + atMs), description: 'ok', to: message.to, ...more },
        message: {
          id,
          time: iso(startMs),
          applicationId,
          segmentCount: 1,
          ...message,
          to: [message.to],
        },
      },
    ]),
  );
}

const inbox: Scenario = (random) => {
  const ref = random.hex(29);
  const text = random.pick(['Is Tuesday still fine?', 'On my way', 'Thank you!', 'STOP']);
  const [from, to] = [fictionalNumber(random), fictionalNumber(random)];
  const message = { from, to, text, owner: to, direction: 'in' };
  const steps = messageSteps(ref, message, [{ type: 'message-received', atMs: 0 }]);
  return settledMessage('bandwidth', ref, steps, { direction: 'inbound', status: 'received' });
};

const outbox: Scenario = (random) => {
  const ref = random.hex(29);
  const [from, to] = [fictionalNumber(random), fictionalNumber(random)];
  const message = { from, to, text: '', owner: from, direction: 'out' };
  const status = random.chance(0.85) ? 'delivered' : 'failed';
  const why = { errorCode: 4770, description: 'rejected-spam-detected' };
  const more = status === 'failed' ? why : {};
  const steps = messageSteps(ref, message, [
    { type: 'message-sending', atMs: 400 },
    { type: `message-${status}`, atMs: random.between(1500, 6000), more },
  ]);
  return settledMessage('bandwidth', ref, steps, { direction: 'outbound', status });
};

export const simulatedBandwidth: SimulatedProvider = {
  provider: 'bandwidth',
  calls: [
    answered,
    answered,
    answered,
    transferred,
    transferred,
    abandoned,
    unanswered('busy', 'busy'),
    unanswered('timeout', 'no_answer'),
    unanswered('cancel', 'canceled'),
    unanswered('rejected', 'rejected'),
    unanswered('node-capacity-exceeded', 'network'),
  ],
  messages: [inbox, outbox],
  records: [],
  newAccount() {
    const basicPass = randomBytes(18).toString('base64url');
    const account = { basicUser: 'bandwidth-callbacks', basicPass };
    return { sender: account, endpoint: account };
  },
};
