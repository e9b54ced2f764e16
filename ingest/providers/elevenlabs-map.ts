// Ingest, providers, ElevenLabs: post-call webhooks. One event in; the end of its call and what the agent
// told of it out (provider sheet, section 16).

import type { CallFact, FailureCause, ProviderFact } from '../../schemas/facts.js';
import { agentFacts, textOf, type AgentContent, type ToolCall } from './agent-content.js';
import { causeOfSipCode } from './causes.js';
import {
  bytesId,
  callFact,
  identify,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  safeName,
  statusSignal,
  type FactSource,
} from './fact-base.js';
import {
  asObject,
  listField,
  numberField,
  objectField,
  parseJson,
  textField,
  withoutFields,
  type JsonObject,
} from './json.js';

interface ElevenlabsEvent {
  readonly source: FactSource;
  readonly type: string;
  readonly data: JsonObject;
  readonly conversation: string;
  /** `event_timestamp` in microseconds. */
  readonly atUs: number | null;
  /** Bytes of the sound; null where the event carries none. */
  readonly audioBytes: number | null;
}

const audioField = Buffer.from('"full_audio":"');
/** Bodies above it are looked through for a recording before they are parsed. */
const largeBytes = 64 * 1024;

interface WithoutAudio {
  readonly body: Buffer;
  /** Length of the base64 that was taken out; null where none was. */
  readonly base64Length: number | null;
}

/**
 * The body without its sound: megabytes of base64 that nobody reads here, and that would hold up every
 * other delivery while they are parsed. Base64 holds no quote, so the next quote ends it; should that
 * ever be wrong, what is left is no JSON and the whole is parsed.
 */
function withoutAudio(body: Buffer): WithoutAudio {
  const at = body.length > largeBytes ? body.indexOf(audioField) : -1;
  const start = at + audioField.length;
  const end = at < 0 ? -1 : body.indexOf(0x22, start);
  if (end < 0) return { body, base64Length: null };
  return {
    body: Buffer.concat([body.subarray(0, start), body.subarray(end)]),
    base64Length: end - start,
  };
}

/** Bytes that a base64 text of this length stands for, but for its padding. */
const decodedBytes = (base64Length: number): number => Math.floor((base64Length * 3) / 4);

function readEvent(source: FactSource, bytes: Buffer): ElevenlabsEvent | null {
  const small = withoutAudio(bytes);
  const body = asObject(parseJson(small.body)) ?? asObject(parseJson(bytes));
  const data = objectField(body, 'data');
  const type = safeName(textField(body, 'type'));
  const conversation = reference(textField(data, 'conversation_id'));
  if (data === null || type === null || conversation === null) return null;
  const atSec = numberField(body, 'event_timestamp');
  const base64Length = small.base64Length ?? textField(data, 'full_audio')?.length ?? null;
  return {
    source,
    type,
    data,
    conversation,
    atUs: atSec === null ? null : Math.round(atSec * 1e6),
    audioBytes: base64Length === null ? null : decodedBytes(base64Length),
  };
}

type Parts = Pick<CallFact, 'signal'> & Partial<CallFact>;

/** A fact about the conversation; `event_timestamp` tells two events of one type apart. */
function factOf({ source, type, conversation, atUs }: ElevenlabsEvent, parts: Parts): CallFact {
  return callFact({
    factId: identify(source, ['conversation', conversation, String(atUs)], type),
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, 2, atUs),
    legRef: conversation,
    ...parts,
  });
}

/** Who called whom; nothing for a conversation on the web. */
function partiesOf(phone: JsonObject | null): Pick<CallFact, 'direction' | 'from' | 'to'> {
  const direction = textField(phone, 'direction');
  const agent = textField(phone, 'agent_number');
  const other = textField(phone, 'external_number');
  if (direction === 'inbound') return { direction, from: other, to: agent };
  return direction === 'outbound'
    ? { direction, from: agent, to: other }
    : { direction: null, from: null, to: null };
}

/** The call ended when it had begun and its seconds had passed; the event comes when all was analysed. */
function endedUs(metadata: JsonObject | null): number | null {
  const startSec = numberField(metadata, 'start_time_unix_secs');
  const durationSec = numberField(metadata, 'call_duration_secs');
  return startSec === null || durationSec === null ? null : (startSec + durationSec) * 1_000_000;
}

function mapTranscription(event: ElevenlabsEvent): readonly [CallFact, ...CallFact[]] {
  const { source, data, conversation, atUs } = event;
  const metadata = objectField(data, 'metadata');
  const phone = objectField(metadata, 'phone_call');
  const endUs = endedUs(metadata) ?? atUs;
  const durationSec = numberField(metadata, 'call_duration_secs');
  const end = factOf(event, {
    ...partiesOf(phone),
    signal: statusSignal('completed'),
    occurredAt: millis(endUs),
    order: orderOf(source, 2, endUs),
    durationSec: durationSec === null ? null : Math.round(durationSec),
    details: known<string | number>({
      agent: reference(textField(data, 'agent_id')),
      conversationStatus: safeName(textField(data, 'status')),
      providerCallRef: reference(textField(phone, 'call_sid')),
      carrier: safeName(textField(phone, 'type')),
      cost: numberField(metadata, 'cost'),
    }),
    personal: known({ endedBecause: textOf(textField(metadata, 'termination_reason')) }),
  });
  const call = { source, legRef: conversation, atUs: endUs };
  return [end, ...agentFacts(call, contentOf(data, metadata))];
}

/** `agent: …` and `user: …`, a line a turn. A turn of tools alone says nothing. */
function transcriptOf(turns: readonly (JsonObject | null)[]): string {
  return turns
    .map((turn) => ({
      role: textField(turn, 'role') ?? '',
      said: textField(turn, 'message') ?? '',
    }))
    .filter(({ said }) => said !== '')
    .map(({ role, said }) => `${role}: ${said}`)
    .join('\n');
}

function toolCallsOf(
  turns: readonly (JsonObject | null)[],
  metadata: JsonObject | null,
): readonly ToolCall[] {
  const startSec = numberField(metadata, 'start_time_unix_secs');
  const results = new Map(
    turns
      .flatMap((turn) => listField(turn, 'tool_results').map(asObject))
      .map((one) => [textField(one, 'request_id'), textOf(one?.['result_value'])]),
  );
  return turns.flatMap((turn) => {
    const inSec = numberField(turn, 'time_in_call_secs');
    const atUs = startSec === null || inSec === null ? null : (startSec + inSec) * 1_000_000;
    return listField(turn, 'tool_calls')
      .map(asObject)
      .map((one) => ({
        id: textField(one, 'request_id'),
        name: textField(one, 'tool_name'),
        arguments: textOf(one?.['params_as_json']),
        result: results.get(textField(one, 'request_id')) ?? null,
        atUs,
      }));
  });
}

function contentOf(data: JsonObject, metadata: JsonObject | null): AgentContent {
  const turns = listField(data, 'transcript').map(asObject);
  const analysis = objectField(data, 'analysis');
  const concluded = withoutFields(analysis, ['transcript_summary', 'call_successful']);
  const hasFindings = Object.values(concluded).some((value) => textOf(value) !== null);
  return {
    transcript: {
      text: transcriptOf(turns),
      turns: turns.length,
      language: textField(metadata, 'main_language'),
    },
    summary: textField(analysis, 'transcript_summary'),
    toolCalls: toolCallsOf(turns, metadata),
    analysis: {
      text: hasFindings ? textOf(concluded) : null,
      details: known({ success: safeName(textField(analysis, 'call_successful')) }),
    },
  };
}

/** The sound stays at ElevenLabs, by its conversation id; the note says that there is one. */
function mapAudio(event: ElevenlabsEvent): CallFact {
  return factOf(event, {
    signal: noteSignal('recording'),
    order: orderOf(event.source, 2, event.atUs, 5),
    details: known<string | number>({
      agent: reference(textField(event.data, 'agent_id')),
      recordingId: event.conversation,
      recordingStatus: 'completed',
      recordingFormat: 'mp3',
      recordingBytes: event.audioBytes,
    }),
  });
}

const failures: Readonly<Record<string, FailureCause>> = { busy: 'busy', 'no-answer': 'no_answer' };

/** A call that never began: the carrier's own words are in `metadata.body`. */
function mapFailure(event: ElevenlabsEvent): CallFact {
  const { data } = event;
  const reason = textField(data, 'failure_reason') ?? '';
  const metadata = objectField(data, 'metadata');
  const body = objectField(metadata, 'body');
  const sipCode = safeCode(
    textField(body, 'SipResponseCode') ?? textField(body, 'sip_status_code'),
  );
  const named = Object.hasOwn(failures, reason) ? failures[reason] : undefined;
  return factOf(event, {
    direction: 'outbound',
    signal: statusSignal('failed', named ?? causeOfSipCode(sipCode) ?? 'provider'),
    providerCode: safeName(reason),
    details: known({
      agent: reference(textField(data, 'agent_id')),
      carrier: safeName(textField(metadata, 'type')),
      providerCallRef: reference(textField(body, 'CallSid') ?? textField(body, 'call_sid')),
      sipCode,
    }),
    from: textField(body, 'From') ?? textField(body, 'from_number'),
    to: textField(body, 'To') ?? textField(body, 'to_number'),
  });
}

/** The facts of an event. What tells of a voice and not of a conversation is not understood. */
export function mapElevenlabs(
  source: FactSource,
  bytes: Buffer,
): readonly [ProviderFact, ...ProviderFact[]] {
  const event = readEvent(source, bytes);
  if (event === null) return [unread(source, bytes, null)];
  switch (event.type) {
    case 'post_call_transcription':
      return mapTranscription(event);
    case 'post_call_audio':
      return [mapAudio(event)];
    case 'call_initiation_failure':
      return [mapFailure(event)];
    default:
      return [unread(source, bytes, event)];
  }
}

function unread(source: FactSource, bytes: Buffer, event: ElevenlabsEvent | null): ProviderFact {
  const externalId = ['body', bytesId(bytes)];
  if (event === null) {
    return notUnderstood(source, { reason: 'an event about no conversation', externalId });
  }
  const { type: eventType, conversation: legRef, atUs } = event;
  const reason = 'an event of a type we do not read';
  return notUnderstood(source, { reason, externalId, eventType, legRef, atUs });
}
