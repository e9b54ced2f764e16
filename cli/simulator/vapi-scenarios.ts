// Simulator, Vapi: server messages of AI agent calls, as they go in life. Chance comes in, an activity with
// its truth goes out. Each message names its call; `customer` is the other end.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import {
  carrierCall,
  isoTime,
  jsonStep,
  pace,
  saidIn,
  talkOf,
  transcriptOf,
  type Talk,
  type ToolUse,
} from './agent-talk.js';
import { endedCall, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

type Fields = Readonly<Record<string, unknown>>;

/** Makes the messages of one call. */
function messagesOf(random: Random, direction: CallEnding['direction']) {
  const id = random.uuid();
  const customer = { number: fictionalNumber(random) };
  const phoneNumber = { number: fictionalNumber(random) };
  const base = {
    ...{ id, orgId: random.uuid(), type: `${direction}PhoneCall`, phoneCallProvider: 'twilio' },
    ...{ phoneCallProviderId: carrierCall(random), customer },
  };
  const message = (
    type: string,
    atMs: number,
    fields: (startMs: number) => Fields,
    decides = false,
  ): Step =>
    jsonStep(atMs, decides, (startMs) => ({
      message: {
        ...{ type, timestamp: startMs + atMs, customer, phoneNumber },
        call: { ...base, createdAt: isoTime(startMs) },
        ...fields(startMs),
      },
    }));
  const status = (said: string, atMs: number, more: Fields = {}, decides = false): Step =>
    message('status-update', atMs, () => ({ status: said, ...more }), decides);
  return {
    id,
    message,
    status,
    ended: (atMs: number, endedReason: string): Step =>
      status('ended', atMs, { endedReason }, true),
  };
}

/** As OpenAI's format has it: arguments are a text of JSON. */
const toolCall = ({ id, name, arguments: given }: ToolUse): Fields => ({
  id,
  type: 'function',
  function: { name, arguments: JSON.stringify(given) },
});

function woven({ turns, tools }: Talk, answeredMs: number): readonly Fields[] {
  const said = turns.map(({ role, text, atMs }) => ({
    role: role === 'agent' ? 'bot' : 'user',
    message: text,
    time: answeredMs + atMs,
  }));
  const used = tools.flatMap((tool) => [
    { role: 'tool_calls', time: answeredMs + tool.atMs, toolCalls: [toolCall(tool)] },
    {
      ...{ role: 'tool_call_result', time: answeredMs + tool.atMs + 400, toolCallId: tool.id },
      ...{ name: tool.name, result: tool.result },
    },
  ]);
  return [...said, ...used];
}

interface Report {
  readonly answerMs: number;
  readonly endMs: number;
  readonly endedReason: string;
}

/** The report at the end, with all that was said. */
const reportOf =
  (talk: Talk, { answerMs, endMs, endedReason }: Report) =>
  (startMs: number): Fields => ({
    endedReason,
    startedAt: isoTime(startMs + answerMs),
    endedAt: isoTime(startMs + endMs),
    cost: 0.11,
    artifact: {
      transcript: transcriptOf(talk, 'AI', 'User'),
      messages: woven(talk, startMs + answerMs),
    },
    analysis: { summary: talk.summary, successEvaluation: String(talk.isSuccess) },
  });

const held =
  (direction: CallEnding['direction'], isForwarded = false): Scenario =>
  (random) => {
    const talk = talkOf(random);
    const { answerMs, endMs } = pace(random, talk);
    const { id, message, status, ended } = messagesOf(random, direction);
    const endedReason = isForwarded ? 'assistant-forwarded-call' : 'customer-ended-call';
    const destination = { type: 'number', number: fictionalNumber(random) };
    const asked = talk.tools.map((tool) =>
      message('tool-calls', answerMs + tool.atMs, () => ({ toolCallList: [toolCall(tool)] })),
    );
    const forwarded = isForwarded
      ? [
          status('forwarding', endMs - 900, { destination }),
          message('transfer-update', endMs - 890, () => ({ destination })),
        ]
      : [];
    const steps = [
      ...(direction === 'outbound' ? [status('queued', 0)] : []),
      status('ringing', 700),
      status('in-progress', answerMs),
      ...asked,
      ...forwarded,
      ended(endMs, endedReason),
      message('end-of-call-report', endMs + 2500, reportOf(talk, { answerMs, endMs, endedReason })),
    ];
    const scenario = isForwarded ? `${direction}-forwarded` : `${direction}-held`;
    const said = saidIn(talk, transcriptOf(talk, 'AI', 'User'));
    return endedCall('vapi', id, steps, { scenario, direction, status: 'completed', said });
  };

const unanswered =
  (endedReason: string, cause: FailureCause): Scenario =>
  (random): Activity => {
    const { id, status, ended } = messagesOf(random, 'outbound');
    const steps = [
      status('queued', 0),
      status('ringing', 900),
      ended(random.between(3000, 25_000), endedReason),
    ];
    const scenario = `outbound-${endedReason}`;
    return endedCall('vapi', id, steps, {
      scenario,
      direction: 'outbound',
      status: 'failed',
      cause,
    });
  };

export const simulatedVapi: SimulatedProvider = {
  provider: 'vapi',
  calls: [
    held('outbound'),
    held('outbound'),
    held('inbound'),
    held('inbound', true),
    unanswered('customer-did-not-answer', 'no_answer'),
    unanswered('customer-busy', 'busy'),
    unanswered('twilio-failed-to-connect-call', 'network'),
  ],
  messages: [],
  records: [],
  newAccount() {
    const account = { hmacSecret: randomBytes(24).toString('base64url') };
    return { sender: account, endpoint: account };
  },
};
