// Simulator, Vonage: calls and messages as they go in life. Chance comes in, an activity with its truth goes
// out. Numbers have no `+`, durations and prices are texts, the legs of a call share a conversation.

import { randomBytes, randomUUID } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { endedCall, settledMessage, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

interface Leg {
  readonly uuid: string;
  readonly conversation: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
}

const number = (random: Random): string => fictionalNumber(random).slice(1);

function leg(random: Random, parts: Partial<Leg> = {}): Leg {
  return {
    uuid: random.uuid(),
    conversation: `CON-${random.uuid()}`,
    direction: 'outbound',
    from: number(random),
    to: number(random),
    ...parts,
  };
}

type Fields = Readonly<Record<string, unknown>>;

const iso = (ms: number): string => new Date(ms).toISOString();

function jsonStep(atMs: number, decides: boolean, fields: (startMs: number) => Fields): Step {
  return {
    atMs,
    decides,
    content: (startMs) => ({ type: 'json', text: JSON.stringify(fields(startMs)) }),
  };
}

/** What happens to one leg. */
function eventsOf({ uuid, conversation, direction, from, to }: Leg) {
  const status = (said: string, atMs: number, more: Fields = {}, decides = false): Step =>
    jsonStep(atMs, decides, (startMs) => ({
      ...{ from, to, uuid, conversation_uuid: conversation, direction, status: said },
      ...{ timestamp: iso(startMs + atMs), ...more },
    }));
  return {
    status,
    opening: (fromMs: number, answerMs: number): Step[] => [
      status('started', fromMs),
      status('ringing', fromMs + 800),
      status('answered', answerMs, { start_time: null, rate: null, network: null }),
    ],
    completed: (atMs: number, talkMs: number): Step =>
      jsonStep(atMs, true, (startMs) => ({
        ...{ from, to, uuid, conversation_uuid: conversation, direction, status: 'completed' },
        ...{ timestamp: iso(startMs + atMs), end_time: iso(startMs + atMs) },
        ...{
          start_time: iso(startMs + atMs - talkMs),
          duration: String(Math.round(talkMs / 1000)),
        },
        ...{ network: 'US-FIXED', rate: '0.01270000', price: '0.00635000' },
      })),
    machine: (atMs: number, said: string): Step =>
      jsonStep(atMs, false, (startMs) => ({
        ...{ call_uuid: uuid, from, to, status: said, conversation_uuid: conversation },
        timestamp: iso(startMs + atMs),
      })),
    recorded: (random: Random, atMs: number, talkMs: number): Step => {
      const recording = random.uuid();
      return jsonStep(atMs, false, (startMs) => ({
        ...{ start_time: iso(startMs + atMs - talkMs), end_time: iso(startMs + atMs) },
        recording_url: `https://api.nexmo.com/v1/files/${recording}`,
        ...{ size: 12_222, recording_uuid: recording, conversation_uuid: conversation },
        timestamp: iso(startMs + atMs),
      }));
    },
    /** The request for instructions of a call that comes in, by GET as Vonage does by default. */
    asked: (atMs: number): Step => ({
      atMs,
      decides: false,
      content: () => ({
        type: 'query',
        fields: { to, from, uuid, conversation_uuid: conversation },
      }),
    }),
  };
}

const call = (
  primary: Leg,
  steps: readonly Step[],
  ending: Omit<CallEnding, 'direction'>,
): Activity =>
  endedCall('vonage', primary.uuid, steps, { direction: primary.direction, ...ending });

const answered: Scenario = (random) => {
  const out = leg(random);
  const { opening, machine, recorded, completed } = eventsOf(out);
  const answerMs = random.between(3000, 9000);
  const talkMs = random.between(6000, 45_000);
  const endMs = answerMs + talkMs;
  const said = random.pick(['human', 'human', 'machine']);
  const detected = random.chance(0.4) ? [machine(answerMs + 2200, said)] : [];
  const kept = random.chance(0.3) ? [recorded(random, endMs + 900, talkMs)] : [];
  return call(out, [...opening(0, answerMs), ...detected, completed(endMs, talkMs), ...kept], {
    scenario: 'outbound-answered',
    status: 'completed',
  });
};

const unanswered =
  (said: string, cause: FailureCause, detail?: string): Scenario =>
  (random) => {
    const out = leg(random);
    const { status } = eventsOf(out);
    const more = detail === undefined ? {} : { detail };
    const steps = [
      status('started', 0),
      status('ringing', 900),
      status(said, random.between(3000, 25_000), more, true),
    ];
    return call(out, steps, { scenario: `outbound-${said}`, status: 'failed', cause });
  };

/** A caller is connected to an agent, who is dialled into the same conversation. */
const connected: Scenario = (random) => {
  const caller = leg(random, { direction: 'inbound' });
  const agent = leg(random, { conversation: caller.conversation, from: caller.to });
  const [a, b] = [eventsOf(caller), eventsOf(agent)];
  const joinMs = random.between(4000, 9000);
  const endMs = joinMs + random.between(6000, 25_000);
  const steps = [
    a.status('started', 0),
    a.asked(100),
    a.status('ringing', 200),
    a.status('answered', 900),
    ...b.opening(1500, joinMs),
    b.completed(endMs, endMs - joinMs),
    a.completed(endMs + 200, endMs - 700),
  ];
  return call(caller, steps, { scenario: 'inbound-connect', status: 'completed', legs: 2 });
};

/** A caller is moved into another conversation. */
const transferred: Scenario = (random) => {
  const caller = leg(random, { direction: 'inbound' });
  const { status, asked, completed } = eventsOf(caller);
  const moveMs = random.between(5000, 12_000);
  const endMs = moveMs + random.between(6000, 25_000);
  const steps = [
    status('started', 0),
    asked(100),
    status('answered', 900),
    jsonStep(moveMs, false, (startMs) => ({
      conversation_uuid_from: caller.conversation,
      conversation_uuid_to: `CON-${caller.uuid}`,
      ...{ uuid: caller.uuid, timestamp: iso(startMs + moveMs) },
    })),
    completed(endMs, endMs - 900),
  ];
  return call(caller, steps, { scenario: 'inbound-transfer', status: 'completed' });
};

const inbox: Scenario = (random) => {
  const ref = random.uuid();
  const text = random.pick(['Is Tuesday still fine?', 'On my way', 'Thank you!', 'STOP']);
  const parties = { to: number(random), from: number(random) };
  const step = jsonStep(0, true, (startMs) => ({
    ...{ channel: 'sms', message_uuid: ref, ...parties, timestamp: iso(startMs), text },
    ...{ message_type: 'text', sms: { num_messages: '1' } },
  }));
  return settledMessage('vonage', ref, [step], { direction: 'inbound', status: 'received' });
};

const outbox: Scenario = (random) => {
  const ref = random.uuid();
  const parties = { to: number(random), from: number(random) };
  const step = (said: string, atMs: number, decides: boolean): Step =>
    jsonStep(atMs, decides, (startMs) => ({
      ...{ channel: 'sms', message_uuid: ref, ...parties },
      ...{ timestamp: iso(startMs + atMs), status: said },
    }));
  const isDelivered = random.chance(0.85);
  const said = isDelivered ? 'delivered' : 'undeliverable';
  const steps = [step('submitted', 400, false), step(said, random.between(1500, 6000), true)];
  const status = isDelivered ? 'delivered' : 'undelivered';
  return settledMessage('vonage', ref, steps, { direction: 'outbound', status });
};

export const simulatedVonage: SimulatedProvider = {
  provider: 'vonage',
  calls: [
    answered,
    answered,
    answered,
    connected,
    connected,
    transferred,
    unanswered('busy', 'busy'),
    unanswered('unanswered', 'no_answer', 'timeout'),
    unanswered('cancelled', 'canceled'),
    unanswered('rejected', 'rejected', 'declined'),
    unanswered('failed', 'network', 'cannot_route'),
  ],
  messages: [inbox, outbox],
  records: [],
  newAccount() {
    const account = {
      signatureSecret: randomBytes(24).toString('base64url'),
      apiKey: randomBytes(4).toString('hex'),
      applicationId: randomUUID(),
    };
    return { sender: account, endpoint: account };
  },
};
