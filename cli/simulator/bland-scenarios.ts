// Simulator, Bland: AI agent calls as they are told once they have ended. Chance comes in, an activity with
// its truth goes out. `call_length` is in minutes, `corrected_duration` in seconds, as a text.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider } from './activity.js';
import { isoTime, jsonStep, pace, saidIn, talkOf, transcriptOf, type Talk } from './agent-talk.js';
import { endedCall, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

interface Told {
  readonly status: string;
  readonly answeredBy: string | null;
  readonly endMs: number;
  readonly talkMs: number;
  readonly talk: Talk | null;
}

function contentOf({ talk }: Told, startMs: number): Readonly<Record<string, unknown>> {
  if (talk === null) return { summary: null, concatenated_transcript: '', transcripts: [] };
  return {
    summary: talk.summary,
    concatenated_transcript: transcriptOf(talk, ' assistant', ' user'),
    transcripts: talk.turns.map(({ role, text, atMs }, id) => ({
      id,
      user: role === 'agent' ? 'assistant' : 'user',
      text,
      created_at: isoTime(startMs + atMs),
    })),
    analysis: { appointment_kept: talk.isSuccess },
  };
}

function ended(random: Random, told: Told, ending: CallEnding): Activity {
  const callId = random.uuid();
  const parties = { from: fictionalNumber(random), to: fictionalNumber(random) };
  const seconds = Math.round(told.talkMs / 1000);
  const step = jsonStep(told.endMs, true, (startMs) => ({
    ...{ call_id: callId, c_id: callId, batch_id: null, ...parties },
    ...{ call_length: seconds / 60, corrected_duration: String(seconds) },
    ...{ inbound: ending.direction === 'inbound', completed: true, queue_status: 'complete' },
    ...{ status: told.status, answered_by: told.answeredBy, call_ended_by: 'USER' },
    ...{ error_message: null, record: false, recording_url: null, price: 0.11 },
    ...{ created_at: isoTime(startMs), started_at: isoTime(startMs) },
    ...{ end_at: isoTime(startMs + told.endMs), transferred_to: null, variables: {} },
    ...contentOf(told, startMs),
  }));
  return endedCall('bland', callId, [step], ending);
}

const held =
  (direction: CallEnding['direction']): Scenario =>
  (random) => {
    const talk = talkOf(random);
    const { endMs } = pace(random, talk);
    const told = { status: 'completed', answeredBy: 'human', endMs, talkMs: talk.lengthMs, talk };
    const said = saidIn(talk, transcriptOf(talk, ' assistant', ' user'));
    return ended(random, told, {
      scenario: `${direction}-held`,
      direction,
      status: 'completed',
      said,
    });
  };

const voicemail: Scenario = (random) => {
  const told = { status: 'completed', answeredBy: 'voicemail', endMs: 21_000, talkMs: 9000 };
  const ending = { scenario: 'outbound-voicemail', direction: 'outbound' } as const;
  return ended(random, { ...told, talk: null }, { ...ending, status: 'completed' });
};

const unanswered =
  (status: string, cause: FailureCause): Scenario =>
  (random) => {
    const endMs = random.between(3000, 25_000);
    const told = { status, answeredBy: status, endMs, talkMs: 0, talk: null };
    const ending = { scenario: `outbound-${status}`, direction: 'outbound' } as const;
    return ended(random, told, { ...ending, status: 'failed', cause });
  };

export const simulatedBland: SimulatedProvider = {
  provider: 'bland',
  calls: [
    held('outbound'),
    held('outbound'),
    held('inbound'),
    voicemail,
    unanswered('no-answer', 'no_answer'),
    unanswered('busy', 'busy'),
    unanswered('failed', 'provider'),
  ],
  messages: [],
  records: [],
  newAccount() {
    const account = { webhookSecret: randomBytes(24).toString('base64url') };
    return { sender: account, endpoint: account };
  },
};
