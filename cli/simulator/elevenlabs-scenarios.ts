// Simulator, ElevenLabs: conversations of AI agents as they are told after their end. Chance comes in, an
// activity with its truth goes out. Times are seconds; nothing comes while a conversation goes on.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Scenario, SimulatedProvider } from './activity.js';
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
import { fictionalNumber } from './random.js';

type Fields = Readonly<Record<string, unknown>>;

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** A turn each, and one for each tool that was used, which says nothing. */
function turnsOf({ turns, tools }: Talk): readonly Fields[] {
  const said = turns.map(({ role, text, atMs }) => ({
    ...{ role, message: text, tool_calls: null, tool_results: null },
    time_in_call_secs: seconds(atMs),
  }));
  const used = tools.map(({ id, name, arguments: given, result, atMs }) => ({
    ...{ role: 'agent', message: null, time_in_call_secs: seconds(atMs) },
    tool_calls: [{ request_id: id, tool_name: name, params_as_json: JSON.stringify(given) }],
    tool_results: [{ request_id: id, tool_name: name, result_value: result, is_error: false }],
  }));
  return [...said, ...used];
}

const held =
  (direction: CallEnding['direction'], hasAudio = false): Scenario =>
  (random) => {
    const talk = talkOf(random);
    const { answerMs, endMs } = pace(random, talk);
    const who = { agent_id: `agent_${random.hex(12)}`, conversation_id: `conv_${random.hex(16)}` };
    const phone = {
      ...{ type: 'twilio', direction, phone_number_id: `phnum_${random.hex(8)}` },
      ...{ agent_number: fictionalNumber(random), external_number: fictionalNumber(random) },
      call_sid: carrierCall(random),
    };
    const transcription = jsonStep(endMs + 2000, true, (startMs) => ({
      type: 'post_call_transcription',
      event_timestamp: seconds(startMs + endMs + 2000),
      data: {
        ...{ ...who, status: 'done', transcript: turnsOf(talk) },
        metadata: {
          start_time_unix_secs: seconds(startMs + answerMs),
          call_duration_secs: seconds(endMs - answerMs),
          ...{ cost: 296, termination_reason: 'Call ended by remote party', phone_call: phone },
        },
        analysis: {
          ...{ evaluation_criteria_results: {}, data_collection_results: {} },
          call_successful: talk.isSuccess ? 'success' : 'failure',
          transcript_summary: talk.summary,
        },
      },
    }));
    const sound = Buffer.alloc(random.between(200, 2000), 0x55).toString('base64');
    const audio = jsonStep(endMs + 4000, false, (startMs) => ({
      type: 'post_call_audio',
      event_timestamp: seconds(startMs + endMs + 4000),
      data: { ...who, full_audio: sound },
    }));
    const scenario = hasAudio ? `${direction}-with-audio` : `${direction}-held`;
    const said = saidIn(talk, transcriptOf(talk, 'agent', 'user'));
    const steps = hasAudio ? [transcription, audio] : [transcription];
    const ending = { scenario, direction, status: 'completed', said } as const;
    return endedCall('elevenlabs', who.conversation_id, steps, ending);
  };

const failed =
  (reason: string, cause: FailureCause): Scenario =>
  (random) => {
    const conversation = `conv_${random.hex(16)}`;
    const parties = { From: fictionalNumber(random), To: fictionalNumber(random) };
    const atMs = random.between(3000, 25_000);
    const step = jsonStep(atMs, true, (startMs) => ({
      type: 'call_initiation_failure',
      event_timestamp: seconds(startMs + atMs),
      data: {
        ...{ agent_id: 'agent_1', conversation_id: conversation, failure_reason: reason },
        metadata: { type: 'twilio', body: { CallSid: carrierCall(random), ...parties } },
      },
    }));
    const scenario = `outbound-${reason}`;
    const ending = { scenario, direction: 'outbound', status: 'failed', cause } as const;
    return endedCall('elevenlabs', conversation, [step], ending);
  };

export const simulatedElevenlabs: SimulatedProvider = {
  provider: 'elevenlabs',
  calls: [
    held('outbound'),
    held('inbound'),
    held('inbound', true),
    failed('busy', 'busy'),
    failed('no-answer', 'no_answer'),
    failed('unknown', 'provider'),
  ],
  messages: [],
  records: [],
  newAccount() {
    const account = { webhookSecret: `wsec_${randomBytes(24).toString('hex')}` };
    return { sender: account, endpoint: account };
  },
};
