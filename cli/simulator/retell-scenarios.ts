// Simulator, Retell: events of AI agent calls, as they go in life. Chance comes in, an activity with its
// truth goes out. A call that never connects sends no call_started; the end tells everything again.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Scenario, SimulatedProvider, Step } from './activity.js';
import {
  carrierCall,
  jsonStep,
  pace,
  saidIn,
  talkOf,
  transcriptOf,
  type Talk,
} from './agent-talk.js';
import { endedCall, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

type Fields = Readonly<Record<string, unknown>>;

/** Makes the events of one call. */
function eventsOf(random: Random, direction: CallEnding['direction']) {
  const callId = `call_${random.hex(27)}`;
  const base = {
    ...{ call_id: callId, call_type: 'phone_call', agent_id: `agent_${random.hex(24)}` },
    ...{ agent_version: 1, agent_name: 'Front desk', direction, metadata: {} },
    ...{ from_number: fictionalNumber(random), to_number: fictionalNumber(random) },
    telephony_identifier: { twilio_call_sid: carrierCall(random) },
  };
  const event = (
    name: string,
    atMs: number,
    call: (startMs: number) => Fields,
    more: Fields & { readonly decides?: boolean } = {},
  ): Step => {
    const { decides = false, ...beside } = more;
    return jsonStep(atMs, decides, (startMs) => ({
      event: name,
      call: { ...base, ...call(startMs) },
      ...beside,
    }));
  };
  return { callId, event };
}

/** Words and tools in the order in which they came. */
const woven = ({ tools }: Talk): readonly Fields[] =>
  tools.flatMap((tool) => [
    {
      ...{ role: 'tool_call_invocation', tool_call_id: tool.id, name: tool.name },
      ...{ arguments: JSON.stringify(tool.arguments), time_sec: tool.atMs / 1000 },
    },
    { role: 'tool_call_result', tool_call_id: tool.id, content: tool.result },
  ]);

const held =
  (direction: CallEnding['direction'], isTransferred = false): Scenario =>
  (random) => {
    const talk = talkOf(random);
    const { answerMs, endMs } = pace(random, talk);
    const { callId, event } = eventsOf(random, direction);
    const ongoing = (startMs: number): Fields => ({
      call_status: 'ongoing',
      start_timestamp: startMs + answerMs,
    });
    const over = (startMs: number): Fields => ({
      ...{ call_status: 'ended', start_timestamp: startMs + answerMs },
      ...{ end_timestamp: startMs + endMs, duration_ms: endMs - answerMs },
      disconnection_reason: isTransferred ? 'call_transfer' : 'user_hangup',
      transcript: `${transcriptOf(talk, 'Agent', 'User')}\n`,
      transcript_with_tool_calls: woven(talk),
    });
    const analysed = (startMs: number): Fields => ({
      ...over(startMs),
      call_analysis: {
        ...{ call_summary: talk.summary, user_sentiment: 'Positive', in_voicemail: false },
        ...{ call_successful: talk.isSuccess, custom_analysis_data: {} },
      },
    });
    const to = { transfer_destination: fictionalNumber(random), transfer_option: 'cold_transfer' };
    const transfer = isTransferred
      ? [
          event('transfer_started', endMs - 1800, ongoing, to),
          event('transfer_bridged', endMs - 900, ongoing, to),
        ]
      : [];
    const steps = [
      event('call_started', answerMs, ongoing),
      ...transfer,
      event('call_ended', endMs, over, { decides: true }),
      event('call_analyzed', endMs + 3000, analysed),
    ];
    const scenario = isTransferred ? `${direction}-transferred` : `${direction}-held`;
    const said = saidIn(talk, `${transcriptOf(talk, 'Agent', 'User')}\n`);
    return endedCall('retell', callId, steps, { scenario, direction, status: 'completed', said });
  };

const unanswered =
  (reason: string, cause: FailureCause): Scenario =>
  (random) => {
    const { callId, event } = eventsOf(random, 'outbound');
    const atMs = random.between(3000, 25_000);
    const over = (startMs: number): Fields => ({
      ...{ call_status: 'not_connected', disconnection_reason: reason, transcript: '' },
      ...{ end_timestamp: startMs + atMs, duration_ms: 0 },
    });
    return endedCall('retell', callId, [event('call_ended', atMs, over, { decides: true })], {
      ...{ scenario: `outbound-${reason}`, direction: 'outbound', status: 'failed', cause },
    });
  };

export const simulatedRetell: SimulatedProvider = {
  provider: 'retell',
  calls: [
    held('outbound'),
    held('outbound'),
    held('inbound'),
    held('inbound', true),
    unanswered('dial_no_answer', 'no_answer'),
    unanswered('dial_busy', 'busy'),
    unanswered('invalid_destination', 'invalid_number'),
  ],
  messages: [],
  records: [],
  newAccount() {
    const account = { apiKey: `key_${randomBytes(14).toString('hex')}` };
    return { sender: account, endpoint: account };
  },
};
