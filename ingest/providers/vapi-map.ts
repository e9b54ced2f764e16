// Ingest, providers, Vapi: server messages. One message in; a fact about its call out, and with the report at
// the end the content of the call too (provider sheet, section 13).

import type { CallFact, CallSignal, OrderKey, ProviderFact } from '../../schemas/facts.js';
import { agentFacts, textOf, type AgentContent, type ToolCall } from './agent-content.js';
import {
  bytesId,
  callFact,
  identify,
  isoMicros,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  safeName,
  statusSignal,
  type Details,
  type FactSource,
} from './fact-base.js';
import {
  asObject,
  listField,
  numberField,
  objectField,
  parseJson,
  textField,
  type JsonObject,
  withoutFields,
} from './json.js';
import { isVoicemail, signalOfReason } from './vapi-reasons.js';

interface VapiMessage {
  readonly source: FactSource;
  readonly message: JsonObject;
  readonly call: JsonObject;
  readonly callId: string;
  readonly type: string;
  readonly atUs: number | null;
}

/** `transcript[transcriptType="final"]` is a name of `transcript` too. */
const typeOf = (message: JsonObject): string | null =>
  safeName(textField(message, 'type')?.replace(/\[.*$/, ''));

function readMessage(source: FactSource, body: Buffer): VapiMessage | null {
  const message = objectField(asObject(parseJson(body)), 'message');
  const call = objectField(message, 'call');
  const callId = reference(textField(call, 'id'));
  const type = message === null ? null : typeOf(message);
  if (message === null || call === null || callId === null || type === null) return null;
  const atMs = numberField(message, 'timestamp');
  return {
    source,
    message,
    call,
    callId,
    type,
    atUs: atMs === null ? null : Math.round(atMs * 1000),
  };
}

interface Reading {
  readonly signal: CallSignal;
  readonly phase?: OrderKey['phase'];
  /** Between messages of one millisecond. */
  readonly seq?: number;
  readonly durationSec?: number | null;
  readonly providerCode?: string | null;
  readonly details?: Details;
  readonly personal?: Readonly<Record<string, string>>;
  /** When it happened, where the message says so beside the time it was sent at. */
  readonly atUs?: number | null;
  /** What tells two messages of one type apart; without it all of a call are one fact. */
  readonly id: readonly string[];
}

const statuses: Readonly<Record<string, readonly [CallSignal, number]>> = {
  scheduled: [statusSignal('initiated', null, 'scheduled'), 1],
  queued: [statusSignal('initiated'), 2],
  ringing: [statusSignal('ringing'), 3],
  'in-progress': [statusSignal('answered'), 4],
  forwarding: [statusSignal('transferring'), 5],
};

/** Reasons are longer than most codes; cut, they still say where the fault lies. */
const codeOf = (reason: string | null): string | null => safeName(reason?.slice(0, 80));

function ended(reason: string | null): Pick<Reading, 'signal' | 'phase' | 'seq' | 'providerCode'> {
  return { signal: signalOfReason(reason), phase: 2, seq: 0, providerCode: codeOf(reason) };
}

function destinationOf(message: JsonObject): Readonly<Record<string, string>> {
  const destination = objectField(message, 'destination');
  return known({
    transferredTo: textField(destination, 'number') ?? textField(destination, 'sipUri'),
  });
}

function readStatus({ message, atUs }: VapiMessage): Reading {
  const said = textField(message, 'status') ?? '';
  const id = [said, String(atUs)];
  const reason = textField(message, 'endedReason');
  if (said === 'ended') {
    return {
      ...ended(reason),
      id,
      details: known({ amd: isVoicemail(reason) ? 'machine' : null }),
    };
  }
  const [signal, seq] = (Object.hasOwn(statuses, said) ? statuses[said] : undefined) ?? [
    noteSignal('status'),
    0,
  ];
  const details = known({ callStatus: safeName(said) });
  return { signal, seq, id, details, personal: destinationOf(message) };
}

/** From `startedAt` to `endedAt`, in seconds; Vapi's own figure where it gives one. */
function durationOf(message: JsonObject): number | null {
  const said = numberField(message, 'durationSeconds');
  if (said !== null) return Math.round(said);
  const startUs = isoMicros(textField(message, 'startedAt'));
  const endUs = isoMicros(textField(message, 'endedAt'));
  return startUs === null || endUs === null
    ? null
    : Math.max(0, Math.round((endUs - startUs) / 1e6));
}

function recordingOf(message: JsonObject): string | null {
  const artifact = objectField(message, 'artifact');
  const recording = objectField(artifact, 'recording');
  const mono = objectField(recording, 'mono');
  return (
    textField(recording, 'stereoUrl') ??
    textField(mono, 'combinedUrl') ??
    textField(artifact, 'recordingUrl') ??
    textField(message, 'recordingUrl')
  );
}

function readReport({ message, callId, atUs }: VapiMessage): Reading {
  const reason = textField(message, 'endedReason');
  const recordingUrl = recordingOf(message);
  return {
    ...ended(reason),
    seq: 1,
    atUs: isoMicros(textField(message, 'endedAt')),
    id: [String(atUs)],
    durationSec: durationOf(message),
    details: known<string | number>({
      amd: isVoicemail(reason) ? 'machine' : null,
      recordingId: recordingUrl === null ? null : callId,
      recordingStatus: recordingUrl === null ? null : 'completed',
      cost: numberField(message, 'cost'),
    }),
    personal: known({ recordingUrl }),
  };
}

/** A transcript as it is spoken: finals with their text, partials as one note of the call. */
function readTranscript({ message, atUs }: VapiMessage): Reading {
  const isFinal = textField(message, 'transcriptType') !== 'partial';
  const text = textField(message, 'transcript');
  if (!isFinal || text === null) return { signal: noteSignal('transcript_partial'), id: [] };
  const role = safeName(textField(message, 'role'));
  return {
    signal: noteSignal('transcript'),
    id: [role ?? '', String(atUs), bytesId(text)],
    details: known({ role }),
    personal: { transcript: text },
  };
}

const fixed =
  (signal: CallSignal) =>
  ({ message, atUs }: VapiMessage): Reading => ({
    signal,
    id: [String(atUs)],
    personal: destinationOf(message),
  });

const readings: Readonly<Record<string, (message: VapiMessage) => Reading>> = {
  'status-update': readStatus,
  'end-of-call-report': readReport,
  'transfer-update': fixed(statusSignal('transferring')),
  transcript: readTranscript,
  hang: fixed(noteSignal('assistant_hang')),
};

// Messages of @vapi-ai/server-sdk 2.0.1 that tell of speech, models and questions to the server and never
// move a call. They come many times a second: all of a type are one note of the call, later ones repeats.
const noted =
  /^(assistant-request|assistant\.|call\.|conversation-update|function-call|tool-calls|knowledge-base-request|voice-(request|input)|model-output|speech-update|phone-call-control|transfer-destination-request|handoff-destination-request|user-interrupted|language-change(-detect(ed)?|d)|session\.|chat\.)/;

function readingOf(of: VapiMessage): Reading | null {
  const read = Object.hasOwn(readings, of.type) ? readings[of.type] : undefined;
  if (read !== undefined) return read(of);
  return noted.test(of.type)
    ? { signal: noteSignal(of.type.replaceAll(/[-.]/g, '_')), id: [] }
    : null;
}

interface Parties extends Pick<CallFact, 'direction' | 'from' | 'to'> {
  readonly details: Details;
}

/** `customer` is the other end; a web call has neither number nor direction. */
function partiesOf({ message, call }: VapiMessage): Parties {
  const numberOf = (name: string): string | null =>
    textField(objectField(message, name), 'number') ??
    textField(objectField(call, name), 'number') ??
    textField(objectField(message, name), 'sipUri');
  const type = textField(call, 'type');
  const customer = numberOf('customer');
  const ours = numberOf('phoneNumber');
  const details = known({
    providerCallRef: reference(textField(call, 'phoneCallProviderId')),
    carrier: safeName(textField(call, 'phoneCallProvider')),
  });
  if (type === 'inboundPhoneCall')
    return { direction: 'inbound', from: customer, to: ours, details };
  return type === 'outboundPhoneCall'
    ? { direction: 'outbound', from: ours, to: customer, details }
    : { direction: null, from: customer, to: ours, details };
}

function mainFact(of: VapiMessage, reading: Reading): CallFact {
  const { source, callId, type } = of;
  const atUs = reading.atUs ?? of.atUs;
  const { details, ...parties } = partiesOf(of);
  return callFact({
    factId: identify(source, ['call', callId, ...reading.id], type),
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, reading.phase ?? 1, atUs, reading.seq ?? 0),
    legRef: callId,
    ...parties,
    signal: reading.signal,
    durationSec: reading.durationSec ?? null,
    providerCode: reading.providerCode ?? null,
    details: { ...details, ...reading.details },
    personal: reading.personal ?? {},
  });
}

/** One call of a tool, as OpenAI's format has it: arguments are JSON, or a text of it. */
function toolCallOf(value: unknown, atUs: number | null, result: string | null): ToolCall {
  const call = asObject(value);
  const of = objectField(call, 'function') ?? call;
  return {
    id: textField(call, 'id'),
    name: textField(of, 'name'),
    arguments: textOf(of?.['arguments'] ?? of?.['parameters']),
    result,
    atUs,
  };
}

/** Tool calls and their results among the messages of the whole call. */
function toolCallsOf(messages: readonly (JsonObject | null)[]): readonly ToolCall[] {
  const results = new Map(
    messages
      .filter((one) => textField(one, 'role') === 'tool_call_result')
      .map((one) => [textField(one, 'toolCallId'), textOf(one?.['result'])]),
  );
  return messages.flatMap((one) => {
    const at = numberField(one, 'time');
    return listField(one, 'toolCalls').map((call) => {
      const id = textField(asObject(call), 'id');
      return toolCallOf(call, at === null ? null : Math.round(at * 1000), results.get(id) ?? null);
    });
  });
}

function contentOf({ message }: VapiMessage): AgentContent {
  const artifact = objectField(message, 'artifact');
  const analysis = objectField(message, 'analysis');
  const messages = (
    listField(artifact, 'messages').length > 0
      ? listField(artifact, 'messages')
      : listField(message, 'messages')
  ).map(asObject);
  const turns = messages.filter((one) => textField(one, 'message') !== null).length;
  const concluded = withoutFields(analysis, ['summary', 'successEvaluation']);
  return {
    transcript: {
      text: textField(artifact, 'transcript') ?? textField(message, 'transcript') ?? '',
      turns: turns === 0 ? null : turns,
    },
    summary: textField(analysis, 'summary') ?? textField(message, 'summary'),
    toolCalls: toolCallsOf(messages),
    analysis: {
      text: textOf(concluded),
      details: known({ success: safeName(textField(analysis, 'successEvaluation')) }),
    },
  };
}

/** Content that comes with a message: all of it with the report, tool calls while the call goes on. */
function contentFacts(of: VapiMessage, main: CallFact): readonly CallFact[] {
  const { source, message, callId, type, atUs } = of;
  const call = { source, legRef: callId, atUs: main.occurredAt === null ? null : main.order.atUs };
  if (type === 'end-of-call-report') return agentFacts(call, contentOf(of));
  if (type !== 'tool-calls' && type !== 'function-call') return [];
  const listed = listField(message, 'toolCallList');
  const single = objectField(message, 'functionCall');
  const calls = listed.length > 0 ? listed : single === null ? [] : [single];
  return agentFacts(call, { toolCalls: calls.map((one) => toolCallOf(one, atUs, null)) });
}

/** The facts of a server message; the first is about the call, the others are its content. */
export function mapVapi(
  source: FactSource,
  body: Buffer,
): readonly [ProviderFact, ...ProviderFact[]] {
  const of = readMessage(source, body);
  if (of === null) {
    const reason = 'a body that is no server message about a call';
    return [notUnderstood(source, { reason, externalId: ['body', bytesId(body)] })];
  }
  const reading = readingOf(of);
  if (reading === null) {
    const { callId: legRef, type: eventType, atUs } = of;
    const reason = 'a server message of a type we do not read';
    const externalId = ['message', legRef, String(atUs), bytesId(body)];
    return [notUnderstood(source, { reason, externalId, eventType, legRef, atUs })];
  }
  const main = mainFact(of, reading);
  return [main, ...contentFacts(of, main)];
}
