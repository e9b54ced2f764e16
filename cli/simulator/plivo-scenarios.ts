// Simulator, Plivo: calls and messages as they go in life. Chance comes in, an activity with its truth goes
// out. Numbers have no `+`, times are UTC without a zone, most callbacks tell no time at all.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { endedCall, settledMessage, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

interface Leg {
  readonly uuid: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
}

type Fields = Readonly<Record<string, string>>;

const number = (random: Random): string => fictionalNumber(random).slice(1);

const leg = (random: Random, direction: Leg['direction'] = 'outbound'): Leg => ({
  uuid: random.uuid(),
  direction,
  from: number(random),
  to: number(random),
});

/** `2026-10-01 10:00:09`, as Plivo writes a time. */
const plainTime = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

function step(atMs: number, decides: boolean, fields: (startMs: number) => Fields): Step {
  return { atMs, decides, content: (startMs) => ({ type: 'form', fields: fields(startMs) }) };
}

const seconds = (ms: number): string => String(Math.round(ms / 1000));

/** What happens to one leg. */
function eventsOf({ uuid, direction, from, to }: Leg) {
  const base: Fields = {
    ...{ CallUUID: uuid, RequestUUID: uuid, ALegUUID: uuid, ALegRequestUUID: uuid },
    ...{ From: from, To: to, Direction: direction },
  };
  return {
    ring: (atMs: number): Step =>
      step(atMs, false, () => ({ ...base, Event: 'Ring', CallStatus: 'ringing' })),
    answer: (atMs: number): Step =>
      step(atMs, false, (startMs) => ({
        ...{ ...base, Event: 'StartApp', CallStatus: 'in-progress' },
        SessionStart: `${plainTime(startMs + atMs)}.000000`,
      })),
    machine: (atMs: number, isMachine: boolean): Step =>
      step(atMs, false, () => ({
        ...{ ...base, Event: 'MachineDetection', CallStatus: 'in-progress' },
        Machine: String(isMachine),
      })),
    hangup: (atMs: number, talkMs: number, said: Fields): Step =>
      step(atMs, true, (startMs) => ({
        ...{ ...base, Event: 'Hangup', ...said },
        ...{ Duration: seconds(talkMs), BillDuration: String(Math.ceil(talkMs / 60_000) * 60) },
        ...{ StartTime: plainTime(startMs), EndTime: plainTime(startMs + atMs) },
        AnswerTime: talkMs === 0 ? '' : plainTime(startMs + atMs - talkMs),
      })),
    recorded: (random: Random, atMs: number, talkMs: number): Step => {
      const id = random.uuid();
      return step(atMs, false, (startMs) => ({
        ...{ CallUUID: uuid, Event: 'RecordStop', RecordingID: id },
        RecordUrl: `https://media.plivo.com/v1/Account/MA/Recording/${id}.mp3`,
        ...{ RecordingDuration: seconds(talkMs), RecordingDurationMs: String(talkMs) },
        RecordingStartMs: String(startMs + atMs - talkMs),
        RecordingEndMs: String(startMs + atMs),
      }));
    },
    /** What `<Dial callbackUrl>` tells of the leg it dialled. */
    dialled: (to: Leg, atMs: number, status: string, more: Fields = {}): Step =>
      step(atMs, status === 'hangup', () => ({
        ...{ CallUUID: uuid, DialALegUUID: uuid, DialBLegUUID: to.uuid },
        ...{ DialBLegFrom: to.from, DialBLegTo: to.to, DialBLegStatus: status, DialAction: status },
        ...more,
      })),
    dialEnded: (to: Leg, atMs: number): Step =>
      step(atMs, false, () => ({
        ...{ ...base, CallStatus: 'in-progress', DialStatus: 'completed', DialRingStatus: 'true' },
        ...{ DialALegUUID: uuid, DialBLegUUID: to.uuid, DialHangupCause: 'NORMAL_CLEARING' },
      })),
  };
}

const normal: Fields = {
  ...{ CallStatus: 'completed', HangupCause: 'NORMAL_CLEARING', HangupCauseCode: '4000' },
  ...{ HangupCauseName: 'Normal Hangup', HangupSource: 'Callee', TotalCost: '0.01000' },
};

const call = (primary: Leg, steps: readonly Step[], end: Omit<CallEnding, 'direction'>): Activity =>
  endedCall('plivo', primary.uuid, steps, { direction: primary.direction, ...end });

const answered: Scenario = (random) => {
  const out = leg(random);
  const { ring, answer, machine, hangup, recorded } = eventsOf(out);
  const answerMs = random.between(3000, 9000);
  const talkMs = random.between(6000, 45_000);
  const endMs = answerMs + talkMs;
  const detected = random.chance(0.4) ? [machine(answerMs + 2500, random.chance(0.3))] : [];
  const kept = random.chance(0.3) ? [recorded(random, endMs + 900, talkMs)] : [];
  const steps = [ring(800), answer(answerMs), ...detected, hangup(endMs, talkMs, normal), ...kept];
  return call(out, steps, { scenario: 'outbound-answered', status: 'completed' });
};

const unanswered =
  (status: string, cause: FailureCause, said: string, code: string): Scenario =>
  (random) => {
    const out = leg(random);
    const { ring, hangup } = eventsOf(out);
    const why = { CallStatus: status, HangupCause: said, HangupCauseCode: code };
    const over = hangup(random.between(3000, 25_000), 0, { ...why, HangupSource: 'Carrier' });
    return call(out, [ring(800), over], {
      scenario: `outbound-${status}`,
      status: 'failed',
      cause,
    });
  };

/** A caller is dialled through to an agent. */
const connected: Scenario = (random) => {
  const caller = leg(random, 'inbound');
  const agent: Leg = { ...leg(random), from: caller.from };
  const { answer, dialled, dialEnded, hangup } = eventsOf(caller);
  const joinMs = random.between(3000, 8000);
  const endMs = joinMs + random.between(6000, 25_000);
  const over = {
    DialBLegHangupCause: 'NORMAL_CLEARING',
    DialBLegDuration: seconds(endMs - joinMs),
  };
  const steps = [
    answer(300),
    dialled(agent, joinMs, 'answer'),
    dialled(agent, joinMs + 50, 'connected'),
    dialled(agent, endMs, 'hangup', over),
    dialEnded(agent, endMs + 100),
    hangup(endMs + 400, endMs + 100, normal),
  ];
  return call(caller, steps, { scenario: 'inbound-dial', status: 'completed', legs: 2 });
};

const inbox: Scenario = (random) => {
  const ref = random.uuid();
  const text = random.pick(['Is Tuesday still fine?', 'On my way', 'Thank you!', 'STOP']);
  const fields = { From: number(random), To: number(random), Text: text, Type: 'sms' };
  const received = step(0, true, () => ({ ...fields, MessageUUID: ref, Units: '1' }));
  return settledMessage('plivo', ref, [received], { direction: 'inbound', status: 'received' });
};

const outbox: Scenario = (random) => {
  const ref = random.uuid();
  const parties = { From: number(random), To: number(random), MessageUUID: ref };
  const status = random.chance(0.85) ? 'delivered' : 'undelivered';
  const error: Fields = status === 'delivered' ? {} : { ErrorCode: '450' };
  const steps = [
    step(0, false, () => ({ ...parties, Status: 'queued' })),
    step(600, false, () => ({ ...parties, Status: 'sent' })),
    step(random.between(1500, 6000), true, () => ({ ...parties, Status: status, ...error })),
  ];
  return settledMessage('plivo', ref, steps, { direction: 'outbound', status });
};

export const simulatedPlivo: SimulatedProvider = {
  provider: 'plivo',
  calls: [
    answered,
    answered,
    answered,
    connected,
    connected,
    unanswered('busy', 'busy', 'USER_BUSY', '3010'),
    unanswered('no-answer', 'no_answer', 'NO_ANSWER', '3000'),
    unanswered('timeout', 'no_answer', 'NO_USER_RESPONSE', '3020'),
    unanswered('cancel', 'canceled', 'ORIGINATOR_CANCEL', '1000'),
    unanswered('failed', 'network', 'NO_ROUTE_DESTINATION', '2000'),
  ],
  messages: [inbox, outbox],
  records: [],
  newAccount() {
    const authId = `MA${randomBytes(9).toString('hex').toUpperCase()}`;
    const account = { authToken: randomBytes(20).toString('hex'), authId };
    return { sender: account, endpoint: account };
  },
};
