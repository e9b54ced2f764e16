// Simulator, SignalWire: calls and messages as they go in life, as cXML callbacks (Twilio's fields) and as JSON
// events. Chance comes in, an activity with its truth goes out.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { endedCall, settledMessage, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';
import {
  twilioDialAction,
  twilioInboundMessage,
  twilioMessageStatus,
  twilioStatus,
  twilioVoiceRequest,
  type TwilioLeg,
} from './twilio-events.js';

type ProjectScenario = (random: Random, projectId: string) => Activity;

const leg = (random: Random, projectId: string, parts: Partial<TwilioLeg> = {}): TwilioLeg => ({
  accountSid: projectId,
  sid: random.uuid(),
  parentSid: null,
  direction: 'outbound-api',
  from: fictionalNumber(random),
  to: fictionalNumber(random),
  ...parts,
});

const cxmlCall = (
  primary: TwilioLeg,
  steps: readonly Step[],
  ending: Omit<CallEnding, 'direction'>,
) =>
  endedCall('signalwire', primary.sid, steps, {
    direction: primary.direction === 'inbound' ? 'inbound' : 'outbound',
    ...ending,
  });

const over = (talkMs: number, SequenceNumber: string, SipResultCode = '200') => ({
  CallDuration: String(Math.round(talkMs / 1000)),
  ...{ AudioInMos: '4.3', SequenceNumber, SipResultCode },
});

const answeredSteps = (of: TwilioLeg, fromMs: number, answerMs: number): Step[] => [
  twilioStatus(of, fromMs, 'initiated', { SequenceNumber: '0' }),
  twilioStatus(of, fromMs + 900, 'ringing', { SequenceNumber: '1' }),
  twilioStatus(of, answerMs, 'in-progress', { SequenceNumber: '2' }),
];

const answered: ProjectScenario = (random, projectId) => {
  const out = leg(random, projectId);
  const answerMs = random.between(3000, 9000);
  const talkMs = random.between(6000, 45_000);
  const end = twilioStatus(out, answerMs + talkMs, 'completed', over(talkMs, '3'));
  const steps = [...answeredSteps(out, 0, answerMs), end];
  return cxmlCall(out, steps, { scenario: 'outbound-answered', status: 'completed' });
};

const unanswered =
  (status: string, cause: FailureCause, sipCode: string): ProjectScenario =>
  (random, projectId) => {
    const out = leg(random, projectId);
    const steps = [
      twilioStatus(out, 0, 'initiated', { SequenceNumber: '0' }),
      twilioStatus(out, 1000, 'ringing', { SequenceNumber: '1' }),
      twilioStatus(out, random.between(3000, 25_000), status, over(0, '2', sipCode)),
    ];
    return cxmlCall(out, steps, { scenario: `outbound-${status}`, status: 'failed', cause });
  };

const connected: ProjectScenario = (random, projectId) => {
  const caller = leg(random, projectId, { direction: 'inbound' });
  const agent = leg(random, projectId, {
    ...{ parentSid: caller.sid, direction: 'outbound-dial', from: caller.from },
  });
  const joinMs = random.between(3000, 8000);
  const endMs = joinMs + random.between(6000, 25_000);
  const steps = [
    twilioVoiceRequest(caller, 0),
    ...answeredSteps(agent, 1000, joinMs),
    twilioStatus(agent, endMs, 'completed', over(endMs - joinMs, '3')),
    twilioDialAction(caller, agent, endMs + 100, Math.round((endMs - joinMs) / 1000)),
    twilioStatus(caller, endMs + 500, 'completed', over(endMs, '0')),
  ];
  return cxmlCall(caller, steps, { scenario: 'inbound-dial', status: 'completed', legs: 2 });
};

/** A call that asks for SWML and is told by events. */
const relayed =
  (endReason: 'hangup' | 'cancel', isAnswered: boolean): ProjectScenario =>
  (random, projectId) => {
    const id = random.uuid();
    const [from, to] = [fictionalNumber(random), fictionalNumber(random)];
    const call = { call_id: id, direction: 'inbound', type: 'phone', from, to };
    const answerMs = random.between(800, 3000);
    const endMs = answerMs + random.between(6000, 25_000);
    const json = (atMs: number, decides: boolean, fields: (startMs: number) => object): Step => ({
      ...{ atMs, decides },
      content: (startMs) => ({ type: 'json', text: JSON.stringify(fields(startMs)) }),
    });
    const event = (atMs: number, call_state: string, more: object = {}): Step =>
      json(atMs, call_state !== 'ending', (startMs) => ({
        ...{ event_type: 'calling.call.state', project_id: projectId, space_id: projectId },
        timestamp: (startMs + atMs) / 1000,
        params: { ...call, call_state, ...more, start_time: startMs },
      }));
    const asked = json(0, false, () => ({
      call: { ...call, call_state: 'created', headers: [], project_id: projectId },
      ...{ vars: {}, envs: {} },
    }));
    const over = { end_reason: endReason, end_source: 'caller' };
    const steps = [
      asked,
      ...(isAnswered ? [event(answerMs, 'answered')] : []),
      event(endMs - 100, 'ending', over),
      event(endMs, 'ended', over),
    ];
    const base = { direction: 'inbound', scenario: `inbound-swml-${endReason}` } as const;
    return isAnswered
      ? endedCall('signalwire', id, steps, { ...base, status: 'completed' })
      : endedCall('signalwire', id, steps, { ...base, status: 'failed', cause: 'canceled' });
  };

const message = (random: Random, accountSid: string) => ({
  ...{ accountSid, sid: random.uuid() },
  ...{ from: fictionalNumber(random), to: fictionalNumber(random) },
});

const inbox: ProjectScenario = (random, projectId) => {
  const received = message(random, projectId);
  const text = random.pick(['Is Tuesday still fine?', 'On my way', 'Thank you!', 'STOP']);
  const ending = { direction: 'inbound', status: 'received' } as const;
  return settledMessage('signalwire', received.sid, [twilioInboundMessage(received, text)], ending);
};

const outbox: ProjectScenario = (random, projectId) => {
  const sent = message(random, projectId);
  const status = random.chance(0.85) ? 'delivered' : 'undelivered';
  const error = status === 'delivered' ? null : '30003';
  const steps = [
    twilioMessageStatus(sent, 0, 'queued'),
    twilioMessageStatus(sent, 700, 'sent'),
    twilioMessageStatus(sent, random.between(1500, 6000), status, error),
  ];
  return settledMessage('signalwire', sent.sid, steps, { direction: 'outbound', status });
};

const defaultProject = '00000000-0000-4000-a000-000000000155';

const ofProject =
  (scenario: ProjectScenario): Scenario =>
  (random, { projectId = defaultProject }) =>
    scenario(random, projectId);

export const simulatedSignalwire: SimulatedProvider = {
  provider: 'signalwire',
  calls: [
    answered,
    answered,
    connected,
    connected,
    relayed('hangup', true),
    relayed('hangup', true),
    relayed('cancel', false),
    unanswered('busy', 'busy', '486'),
    unanswered('no-answer', 'no_answer', '480'),
    unanswered('failed', 'invalid_number', '404'),
  ].map(ofProject),
  messages: [inbox, outbox].map(ofProject),
  records: [],
  newAccount() {
    const account = { signingKey: `PSK_${randomBytes(18).toString('base64url')}` };
    return { sender: account, endpoint: account };
  },
};
