// Simulator, Twilio: calls and messages as they go in life. Chance comes in, an activity with its truth
// goes out. Numbers and texts are fictional.

import { randomBytes } from 'node:crypto';
import type { CallStatus, FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step, Truth } from './activity.js';
import { fictionalNumber, type Random } from './random.js';
import {
  twilioAnsweredBy,
  twilioConference,
  twilioDialAction,
  twilioInboundMessage,
  twilioMessageStatus,
  twilioStatus,
  twilioVoiceRequest,
  type TwilioLeg,
  type TwilioMessage,
} from './twilio-events.js';

type TwilioScenario = (random: Random, accountSid: string) => Activity;

const sid = (random: Random, prefix: string): string => `${prefix}${random.hex(32)}`;

function leg(random: Random, accountSid: string, parts: Partial<TwilioLeg> = {}): TwilioLeg {
  return {
    accountSid,
    sid: sid(random, 'CA'),
    parentSid: null,
    direction: 'outbound-api',
    from: fictionalNumber(random),
    to: fictionalNumber(random),
    ...parts,
  };
}

interface Ending {
  readonly scenario: string;
  readonly status: CallStatus;
  readonly cause?: FailureCause;
  readonly legs?: number;
}

function call(primary: TwilioLeg, steps: readonly Step[], ending: Ending): Activity {
  const truth: Truth = {
    provider: 'twilio',
    kind: 'call',
    scenario: ending.scenario,
    ref: primary.sid,
    status: ending.status,
    cause: ending.cause ?? null,
    direction: primary.direction === 'inbound' ? 'inbound' : 'outbound',
    legs: ending.legs ?? 1,
  };
  return { steps, truth };
}

const seconds = (ms: number): string => String(Math.round(ms / 1000));

const ended = (
  ms: number,
): { CallDuration: string; Duration: string; SipResponseCode: string } => ({
  CallDuration: seconds(ms),
  Duration: String(Math.ceil(ms / 60_000)),
  SipResponseCode: '200',
});

/** Initiated, ringing, answered: the first three numbers of an outbound leg. */
function answeredSteps(of: TwilioLeg, fromMs: number, answerMs: number): Step[] {
  return [
    twilioStatus(of, fromMs, 'initiated', { SequenceNumber: '0' }),
    twilioStatus(of, fromMs + 900, 'ringing', { SequenceNumber: '1' }),
    twilioStatus(of, answerMs, 'in-progress', { SequenceNumber: '2' }),
  ];
}

const answered: TwilioScenario = (random, account) => {
  const out = leg(random, account);
  const answerMs = random.between(3000, 9000);
  const talkMs = random.between(6000, 45_000);
  const detected = random.chance(0.4)
    ? [twilioAnsweredBy(out, answerMs + 2500, random.pick(['human', 'human', 'machine_end_beep']))]
    : [];
  return call(
    out,
    [
      ...answeredSteps(out, 0, answerMs),
      ...detected,
      twilioStatus(out, answerMs + talkMs, 'completed', { SequenceNumber: '3', ...ended(talkMs) }),
    ],
    { scenario: 'outbound-answered', status: 'completed' },
  );
};

const unanswered =
  (status: string, cause: FailureCause, sipCode: string): TwilioScenario =>
  (random, account) => {
    const out = leg(random, account);
    const over = { CallDuration: '0', Duration: '0', SipResponseCode: sipCode };
    return call(
      out,
      [
        twilioStatus(out, 0, 'initiated', { SequenceNumber: '0' }),
        twilioStatus(out, 1000, 'ringing', { SequenceNumber: '1' }),
        twilioStatus(out, random.between(3000, 25_000), status, { SequenceNumber: '2', ...over }),
      ],
      { scenario: `outbound-${status}`, status: 'failed', cause },
    );
  };

/** Put on hold and taken back in a conference. */
const held: TwilioScenario = (random, account) => {
  const out = leg(random, account);
  const conferenceSid = sid(random, 'CF');
  const answerMs = random.between(3000, 7000);
  const holdMs = answerMs + random.between(3000, 10_000);
  const backMs = holdMs + random.between(4000, 15_000);
  const endMs = backMs + random.between(4000, 15_000);
  const inRoom = (atMs: number, sequence: number, event: string): Step =>
    twilioConference(out, atMs, { conferenceSid, event, sequence });
  return call(
    out,
    [
      ...answeredSteps(out, 0, answerMs),
      inRoom(answerMs + 1000, 2, 'participant-join'),
      inRoom(holdMs, 3, 'participant-hold'),
      inRoom(backMs, 4, 'participant-unhold'),
      inRoom(endMs - 500, 5, 'participant-leave'),
      twilioStatus(out, endMs, 'completed', { SequenceNumber: '3', ...ended(endMs - answerMs) }),
    ],
    { scenario: 'outbound-hold', status: 'completed' },
  );
};

/** A caller is dialled through to an agent; `isTransferred` adds a second agent after the first. */
const inbound =
  (isTransferred: boolean): TwilioScenario =>
  (random, account) => {
    const caller = leg(random, account, { direction: 'inbound' });
    const agent = (): TwilioLeg =>
      leg(random, account, {
        parentSid: caller.sid,
        direction: 'outbound-dial',
        from: caller.from,
      });
    const steps: Step[] = [twilioVoiceRequest(caller, 0)];
    let atMs = 1000;
    for (const child of isTransferred ? [agent(), agent()] : [agent()]) {
      const answerMs = atMs + random.between(2000, 6000);
      const endMs = answerMs + random.between(5000, 25_000);
      const over = { SequenceNumber: '3', ...ended(endMs - answerMs) };
      steps.push(
        ...answeredSteps(child, atMs, answerMs),
        twilioStatus(child, endMs, 'completed', over),
        twilioDialAction(caller, child, endMs + 100, Math.round((endMs - answerMs) / 1000)),
      );
      atMs = endMs + 1000;
    }
    steps.push(twilioStatus(caller, atMs, 'completed', { SequenceNumber: '0', ...ended(atMs) }));
    return call(caller, steps, {
      scenario: isTransferred ? 'inbound-transfer' : 'inbound-dial',
      status: 'completed',
      legs: isTransferred ? 3 : 2,
    });
  };

function message(random: Random, accountSid: string): TwilioMessage {
  return {
    accountSid,
    sid: sid(random, 'SM'),
    from: fictionalNumber(random),
    to: fictionalNumber(random),
  };
}

const texts = ['Is Tuesday still fine?', 'On my way', 'Thank you!', 'STOP'] as const;

const twilioInbox: TwilioScenario = (random, account) => {
  const received = message(random, account);
  return {
    steps: [twilioInboundMessage(received, random.pick(texts))],
    truth: {
      provider: 'twilio',
      kind: 'message',
      scenario: 'message-inbound',
      ref: received.sid,
      status: 'received',
      cause: null,
      direction: 'inbound',
      legs: 0,
    },
  };
};

const twilioOutbox: TwilioScenario = (random, account) => {
  const sent = message(random, account);
  const isDelivered = random.chance(0.85);
  const status = isDelivered ? 'delivered' : 'undelivered';
  return {
    steps: [
      twilioMessageStatus(sent, 0, 'queued'),
      twilioMessageStatus(sent, 700, 'sent'),
      twilioMessageStatus(sent, random.between(1500, 6000), status, isDelivered ? null : '30003'),
    ],
    truth: {
      provider: 'twilio',
      kind: 'message',
      scenario: `message-${status}`,
      ref: sent.sid,
      status,
      cause: null,
      direction: 'outbound',
      legs: 0,
    },
  };
};

/** Calls, each as often as it stands here. */
const twilioCalls: readonly TwilioScenario[] = [
  answered,
  answered,
  answered,
  inbound(false),
  inbound(false),
  inbound(true),
  held,
  unanswered('busy', 'busy', '486'),
  unanswered('no-answer', 'no_answer', '487'),
  unanswered('canceled', 'canceled', '487'),
  unanswered('failed', 'invalid_number', '404'),
];

const defaultAccount = 'AC00000000000000000000000000000155';

const ofAccount =
  (scenario: TwilioScenario): Scenario =>
  (random, { accountSid = defaultAccount }) =>
    scenario(random, accountSid);

export const simulatedTwilio: SimulatedProvider = {
  provider: 'twilio',
  calls: twilioCalls.map(ofAccount),
  messages: [twilioInbox, twilioOutbox].map(ofAccount),
  records: [],
  newAccount() {
    const account = { authToken: randomBytes(16).toString('hex'), accountSid: defaultAccount };
    return { sender: account, endpoint: account };
  },
};
