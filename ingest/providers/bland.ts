// Ingest, providers: Bland. HMAC-SHA256 over the raw body; one delivery when a call has ended, with all that
// is known of it (provider sheet, section 6).

import { z } from 'zod';
import type { CallFact, CallSignal, FailureCause, ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { signHmacBody, verifyHmacBody, type HmacBodyRules } from '../schemes/hmac-body.js';
import { agentFacts, textOf, type AgentContent } from './agent-content.js';
import {
  bytesId,
  callFact,
  identify,
  isoMicros,
  known,
  millis,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  safeName,
  sourceOf,
  statusSignal,
  type Details,
  type FactSource,
} from './fact-base.js';
import { asObject, listField, numberField, parseJson, textField, type JsonObject } from './json.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
} from './provider.js';

const rules: HmacBodyRules = {
  header: 'x-webhook-signature',
  algorithm: 'sha256',
  encoding: 'hex',
};

const guide: ProviderGuide = {
  title: 'Bland',
  covers: ['AI agent calls'],
  steps: [
    'Developer portal › Account settings › Keys › Webhook signing: create a secret. Replacing it later is a hard cut: rotate the endpoint here in the same minute.',
    'With each call (POST /v1/calls): put {url} as `webhook`. For an inbound number: put {url} as its webhook.',
    'Bland calls it once, when the call has ended.',
  ],
  credentials: {
    webhookSecret: 'Developer portal › Account settings › Keys › Webhook signing secret',
  },
  verified: 'HMAC-SHA256 over the body. No time is signed: what comes twice is known by the call.',
  judgedBy: null,
};

const credentialSchema = z.object({ webhookSecret: z.string().min(1) });
type BlandCredential = z.output<typeof credentialSchema>;

const failures: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  'no-answer': 'no_answer',
  canceled: 'canceled',
  cancelled: 'canceled',
  failed: 'provider',
  error: 'provider',
};

const answerers: Readonly<Record<string, string>> = {
  human: 'human',
  voicemail: 'machine',
  machine: 'machine',
  unknown: 'unknown',
};

const entry = <T>(table: Readonly<Record<string, T>>, name: string | null): T | null =>
  name !== null && Object.hasOwn(table, name) ? (table[name] ?? null) : null;

/** `completed` is true of unanswered calls too: status, who answered and the error decide. */
function signalOf(call: JsonObject): CallSignal {
  const cause =
    entry(failures, textField(call, 'status')?.toLowerCase() ?? null) ??
    entry(failures, textField(call, 'answered_by')?.toLowerCase() ?? null);
  if (cause !== null) return statusSignal('failed', cause);
  const error = textField(call, 'error_message');
  return error === null || error === ''
    ? statusSignal('completed')
    : statusSignal('failed', 'provider');
}

/** `corrected_duration` is in seconds, as a string; `call_length` in minutes. */
function durationOf(call: JsonObject): number | null {
  const seconds = numberField(call, 'corrected_duration');
  if (seconds !== null) return Math.round(seconds);
  const minutes = numberField(call, 'call_length');
  return minutes === null ? null : Math.round(minutes * 60);
}

function detailsOf(call: JsonObject, callId: string): Details {
  const answeredBy = textField(call, 'answered_by')?.toLowerCase() ?? null;
  const isRecorded = textField(call, 'recording_url') !== null;
  return known<string | number | boolean>({
    amd: entry(answerers, answeredBy),
    answeredBy: safeName(answeredBy),
    endedBy: safeName(textField(call, 'call_ended_by')?.toLowerCase()),
    // A call has one recording, without an id of its own.
    recordingId: isRecorded ? callId : null,
    recordingStatus: isRecorded ? 'completed' : null,
    transferred: textField(call, 'transferred_to') === null ? null : true,
    cost: numberField(call, 'price'),
  });
}

function directionOf(call: JsonObject): CallFact['direction'] {
  if (call['inbound'] === true) return 'inbound';
  return call['inbound'] === false ? 'outbound' : null;
}

function endFact(source: FactSource, call: JsonObject, callId: string): CallFact {
  const atUs = isoMicros(textField(call, 'end_at'));
  return callFact({
    factId: identify(source, ['call', callId], 'post_call'),
    eventType: 'post_call',
    occurredAt: millis(atUs),
    order: orderOf(source, 2, atUs),
    legRef: callId,
    direction: directionOf(call),
    signal: signalOf(call),
    durationSec: durationOf(call),
    providerCode: safeCode(textField(call, 'status')),
    details: detailsOf(call, callId),
    from: textField(call, 'from'),
    to: textField(call, 'to'),
    personal: known({
      recordingUrl: textField(call, 'recording_url'),
      transferredTo: textField(call, 'transferred_to'),
      error: textField(call, 'error_message'),
    }),
  });
}

/** One text as Bland made it, else the turns one by one. */
function contentOf(call: JsonObject): AgentContent {
  const turns = listField(call, 'transcripts').map(asObject);
  const whole = textField(call, 'concatenated_transcript');
  const lines = turns.map(
    (turn) => `${textField(turn, 'user') ?? ''}: ${textField(turn, 'text') ?? ''}`,
  );
  return {
    transcript: { text: whole ?? lines.join('\n'), turns: turns.length },
    summary: textField(call, 'summary'),
    analysis: { text: textOf(call['analysis']), details: {} },
  };
}

/** What tells the end of a call from an event that is streamed while it goes on. */
const isPostCall = (call: JsonObject): boolean =>
  ['status', 'completed', 'call_length', 'end_at'].some((name) => Object.hasOwn(call, name));

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const source = sourceOf(delivery);
  const { body } = delivery.raw;
  const call = asObject(parseJson(body));
  const callId = reference(textField(call, 'call_id'));
  if (call === null || callId === null || !isPostCall(call)) {
    const reason = callId === null ? 'a body that names no call' : 'an event we do not read';
    return [notUnderstood(source, { reason, externalId: ['body', bytesId(body)], legRef: callId })];
  }
  const end = endFact(source, call, callId);
  const atUs = end.occurredAt === null ? null : end.order.atUs;
  return [end, ...agentFacts({ source, legRef: callId, atUs }, contentOf(call))];
}

function sign(
  request: OutgoingDelivery,
  { webhookSecret }: Readonly<Record<string, string>>,
): OutgoingDelivery | null {
  if (webhookSecret === undefined) return null;
  const signature = signHmacBody(request.body, rules, webhookSecret);
  return { ...request, headers: { ...request.headers, [rules.header]: signature } };
}

export const bland = defineProvider<BlandCredential>({
  name: 'bland',
  mappingVersion: 1,
  credentialSchema,
  guide,
  addressRanges: [],
  signatureHeaders: [rules.header],
  signsWith: ['webhookSecret'],
  sign,
  verify: (request, { webhookSecret }) => verifyHmacBody(request, rules, webhookSecret),
  map,
  acknowledge: () => noContent,
});
