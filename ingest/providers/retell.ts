// Ingest, providers: Retell. HMAC-SHA256 over body and milliseconds, in that order and without anything
// between; events of AI agent calls (provider sheet, section 14).

import { z } from 'zod';
import type { CallFact, ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { hmacTimestampBody } from '../schemes/hmac-timestamp-body.js';
import { agentFacts } from './agent-content.js';
import {
  bytesId,
  identify,
  callFact,
  known,
  millis,
  notUnderstood,
  orderOf,
  reference,
  safeName,
  sourceOf,
  type Details,
  type FactSource,
} from './fact-base.js';
import {
  asObject,
  numberField,
  objectField,
  parseJson,
  textField,
  type JsonObject,
} from './json.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
} from './provider.js';
import { agentContentOf, readingOf, type Reading } from './retell-map.js';

/** retell-sdk 5.66.1 `lib/webhook_auth`: `v=<ms>,d=<hex>`, five minutes both ways. */
const scheme = hmacTimestampBody({
  algorithm: 'sha256',
  encoding: 'hex-any-case',
  header: 'x-retell-signature',
  form: { type: 'pair', timeLabel: 'v=', label: 'd=' },
  time: {
    from: { type: 'pair' },
    unit: 'ms',
    pastMs: 300_000,
    futureMs: 300_000,
    isFloored: false,
  },
  idHeader: null,
  text: '{body}{timestamp}',
});

const guide: ProviderGuide = {
  title: 'Retell',
  covers: ['AI agent calls'],
  steps: [
    'Dashboard › Settings › Webhooks: put {url} as the account’s webhook URL, or put it at one agent (Agent › Webhook settings).',
    'Keep the events call_started, call_ended and call_analyzed; transfer_started, transfer_bridged, transfer_cancelled and transfer_ended are read too.',
    'Retell waits 10 s for a 2xx.',
  ],
  credentials: {
    apiKey: 'Dashboard › Settings › API keys: the key with the webhook badge; no other signs',
  },
  verified:
    'HMAC-SHA256 over body and time. The time is in milliseconds and may differ from our clock by 300 s, both ways.',
  judgedBy: 'retell-sdk 5.66.1',
};

const credentialSchema = z.object({ apiKey: z.string().min(1) });
type RetellCredential = z.output<typeof credentialSchema>;

interface RetellEvent {
  readonly source: FactSource;
  readonly type: string;
  readonly callId: string;
  readonly call: JsonObject;
  readonly body: JsonObject;
  /** When the delivery was signed, in microseconds: the only time an event without one has. */
  readonly signedAtUs: number | null;
}

function readEvent(delivery: VerifiedDelivery): RetellEvent | null {
  const body = asObject(parseJson(delivery.raw.body));
  const call = objectField(body, 'call');
  const type = safeName(textField(body, 'event'));
  const callId = reference(textField(call, 'call_id'));
  if (body === null || call === null || type === null || callId === null) return null;
  const { signedAtMs } = delivery;
  const signedAtUs = signedAtMs === null ? null : signedAtMs * 1000;
  return { source: sourceOf(delivery), type, callId, call, body, signedAtUs };
}

/** In seconds; Retell tells milliseconds. */
function durationOf(call: JsonObject): number | null {
  const ms = numberField(call, 'duration_ms');
  return ms === null ? null : Math.round(ms / 1000);
}

function directionOf(call: JsonObject): CallFact['direction'] {
  const said = textField(call, 'direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

/** What every event repeats of its call. */
function callDetails({ call, callId }: RetellEvent): Details {
  const telephony = objectField(call, 'telephony_identifier');
  const isRecorded = textField(call, 'recording_url') !== null;
  return known<string>({
    agent: reference(textField(call, 'agent_id')),
    providerCallRef: reference(textField(telephony, 'twilio_call_sid')),
    // A call has one recording, without an id of its own.
    recordingId: isRecorded ? callId : null,
    recordingStatus: isRecorded ? 'completed' : null,
  });
}

function mainFact(event: RetellEvent, reading: Reading): CallFact {
  const { source, type, callId, call, body, signedAtUs } = event;
  const atUs = reading.atMs === null ? signedAtUs : reading.atMs * 1000;
  return callFact({
    factId: identify(source, ['call', callId, ...reading.id], type),
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, reading.phase, atUs, reading.seq),
    legRef: callId,
    direction: directionOf(call),
    signal: reading.signal,
    durationSec: reading.phase === 2 ? durationOf(call) : null,
    providerCode: reading.providerCode,
    details: { ...callDetails(event), ...reading.details },
    from: textField(call, 'from_number'),
    to: textField(call, 'to_number'),
    personal: known({
      recordingUrl: textField(call, 'recording_url'),
      transferredTo: textField(body, 'transfer_destination'),
    }),
  });
}

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const event = readEvent(delivery);
  if (event === null) {
    const externalId = ['body', bytesId(delivery.raw.body)];
    const reason = 'a body that is no event of a Retell call';
    return [notUnderstood(sourceOf(delivery), { reason, externalId })];
  }
  const { source, type, callId, call, body } = event;
  const reading = readingOf(type, call, body);
  if (reading === null) {
    const reason = 'an event of a type we do not read';
    const externalId = ['event', callId, bytesId(delivery.raw.body)];
    const atUs = event.signedAtUs;
    return [notUnderstood(source, { reason, externalId, eventType: type, legRef: callId, atUs })];
  }
  const endMs = numberField(call, 'end_timestamp');
  const agentCall = { source, legRef: callId, atUs: endMs === null ? null : endMs * 1000 };
  return [mainFact(event, reading), ...agentFacts(agentCall, agentContentOf(type, call))];
}

function sign(
  request: OutgoingDelivery,
  { apiKey }: Readonly<Record<string, string>>,
  nowMs: number,
): OutgoingDelivery | null {
  if (apiKey === undefined) return null;
  const headers = { ...request.headers, ...scheme.sign(request, { key: apiKey, nowMs }) };
  return { ...request, headers };
}

export const retell = defineProvider<RetellCredential>({
  name: 'retell',
  mappingVersion: 1,
  credentialSchema,
  guide,
  addressRanges: ['100.20.5.228/32'],
  signatureHeaders: ['x-retell-signature'],
  signsWith: ['apiKey'],
  sign,
  verify: (request, { apiKey }, nowMs) => scheme.verify(request, apiKey, nowMs),
  map,
  acknowledge: () => noContent,
});
