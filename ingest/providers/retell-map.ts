// Ingest, providers, Retell: what each event says. An event in; what it means for its call, and what the
// agent tells of it, out (provider sheet, section 14; retell-sdk 5.66.1 resources/call).

import type { CallSignal, FailureCause, OrderKey } from '../../schemas/facts.js';
import { textOf, type AgentContent, type ToolCall } from './agent-content.js';
import { bytesId, known, noteSignal, safeName, statusSignal, type Details } from './fact-base.js';
import {
  asObject,
  listField,
  numberField,
  objectField,
  textField,
  type JsonObject,
  withoutFields,
} from './json.js';

export interface Reading {
  readonly signal: CallSignal;
  readonly phase: OrderKey['phase'];
  readonly seq: number;
  /** When it happened, in ms; null where the event does not say. */
  readonly atMs: number | null;
  readonly providerCode: string | null;
  readonly details: Details;
  /** What tells it from others of its type; from signed bytes, the same over retries. */
  readonly id: readonly string[];
}

/** Why a call that was not talked on ended; the first rule that matches. Retell adds reasons. */
const causes: readonly (readonly [RegExp, FailureCause])[] = [
  [/^dial_busy$/, 'busy'],
  [/^(dial_no_answer|user_declined)$/, 'no_answer'],
  [/^invalid_destination$/, 'invalid_number'],
  [/^(registered_call_timeout|manual_stopped)$/, 'canceled'],
  [/^(dial_failed|sip_routing_error|telephony_provider_)/, 'network'],
  [/^(concurrency_limit_reached|no_valid_payment|error_|scam_detected|marked_as_spam)/, 'provider'],
];

const isVoicemail = (reason: string): boolean =>
  reason === 'voicemail_reached' || reason === 'machine_detected';

/**
 * A call that Retell says was connected is completed, whatever ended it. One that never connected sends
 * no call_started, so its end is all that comes. In between (`error`), whether it was answered decides.
 */
function endOf(reason: string, status: string | null, durationMs: number | null): CallSignal {
  const cause = causes.find(([rule]) => rule.test(reason))?.[1] ?? null;
  if (status === 'not_connected') return statusSignal('failed', cause ?? 'provider');
  if (cause === null) return statusSignal('completed');
  const wasConnected = status === 'ended' && (durationMs ?? 0) > 0;
  return wasConnected ? statusSignal('completed') : { type: 'hangup', cause };
}

const plain = (signal: CallSignal, seq: number): Reading => ({
  signal,
  phase: 1,
  seq,
  atMs: null,
  providerCode: null,
  details: {},
  id: [],
});

function readEnded(call: JsonObject): Reading {
  const reason = textField(call, 'disconnection_reason') ?? '';
  const status = textField(call, 'call_status');
  return {
    ...plain(endOf(reason, status, numberField(call, 'duration_ms')), 0),
    phase: 2,
    atMs: numberField(call, 'end_timestamp'),
    providerCode: safeName(reason),
    details: known<string | number>({
      amd: isVoicemail(reason) ? 'machine' : null,
      cost: numberField(objectField(call, 'call_cost'), 'combined_cost'),
    }),
  };
}

/** Two transfers of one call differ in where they lead; a retry of one does not. */
function readTransfer(signal: CallSignal, seq: number, body: JsonObject): Reading {
  const destination = textOf(body['transfer_destination']);
  return {
    ...plain(signal, seq),
    id: destination === null ? [] : [bytesId(destination)],
    details: known({ transferOption: safeName(textField(body, 'transfer_option')) }),
  };
}

/** The analysis changes nothing: its note says what was concluded, the facts beside it hold the texts. */
function readAnalyzed(call: JsonObject): Reading {
  const analysis = objectField(call, 'call_analysis');
  return {
    ...plain(noteSignal('analyzed'), 9),
    phase: 2,
    atMs: numberField(call, 'end_timestamp'),
    details: known({ amd: analysis?.['in_voicemail'] === true ? 'machine' : null }),
  };
}

/** Each holds the whole transcript so far: its length is noted, the text comes with the end. */
function readTranscriptUpdate(call: JsonObject, body: JsonObject): Reading {
  const turns = listField(call, 'transcript_object');
  const text = textField(call, 'transcript') ?? JSON.stringify(body);
  return {
    ...plain(noteSignal('transcript_updated'), 3),
    id: [bytesId(text)],
    details: turns.length === 0 ? {} : { turns: turns.length },
  };
}

/** What an event means; null for a type we do not read. */
export function readingOf(type: string, call: JsonObject, body: JsonObject): Reading | null {
  switch (type) {
    case 'call_started':
      return {
        ...plain(statusSignal('answered'), 1),
        atMs: numberField(call, 'start_timestamp'),
      };
    case 'call_ended':
      return readEnded(call);
    case 'call_analyzed':
      return readAnalyzed(call);
    case 'transcript_updated':
      return readTranscriptUpdate(call, body);
    case 'transfer_started':
      return readTransfer(statusSignal('transferring'), 4, body);
    case 'transfer_bridged':
      return readTransfer(statusSignal('answered', null, 'transferred'), 5, body);
    case 'transfer_cancelled':
      return readTransfer(statusSignal('answered', null, 'transfer cancelled'), 5, body);
    case 'transfer_ended':
      return readTransfer(noteSignal('transfer_ended'), 6, body);
    default:
      return null;
  }
}

/** Invocations with their results, from the transcript that weaves them in. */
function toolCallsOf(call: JsonObject): readonly ToolCall[] {
  const woven = listField(call, 'transcript_with_tool_calls').map(asObject);
  const startMs = numberField(call, 'start_timestamp');
  const results = new Map(
    woven
      .filter((one) => textField(one, 'role') === 'tool_call_result')
      .map((one) => [textField(one, 'tool_call_id'), textOf(one?.['content'])]),
  );
  return woven
    .filter((one) => textField(one, 'role') === 'tool_call_invocation')
    .map((one) => {
      const id = textField(one, 'tool_call_id');
      const atSec = numberField(one, 'time_sec');
      const atMs = startMs === null || atSec === null ? null : startMs + atSec * 1000;
      return {
        id,
        name: textField(one, 'name'),
        arguments: textOf(one?.['arguments']),
        result: results.get(id) ?? null,
        atUs: atMs === null ? null : Math.round(atMs * 1000),
      };
    });
}

/** What the agent tells of a call; the transcript comes with its end and again with the analysis. */
export function agentContentOf(type: string, call: JsonObject): AgentContent {
  if (type !== 'call_ended' && type !== 'call_analyzed') return {};
  const analysis = objectField(call, 'call_analysis');
  const turns = listField(call, 'transcript_object').length;
  const concluded = withoutFields(analysis, ['call_summary']);
  return {
    transcript: {
      text: textField(call, 'transcript') ?? '',
      turns: turns === 0 ? null : turns,
      language: textField(call, 'language'),
    },
    summary: textField(analysis, 'call_summary'),
    toolCalls: toolCallsOf(call),
    analysis: {
      text: analysis === null ? null : textOf(concluded),
      details: known<string | boolean>({
        success: flagOf(analysis, 'call_successful'),
        voicemail: flagOf(analysis, 'in_voicemail'),
        sentiment: safeName(textField(analysis, 'user_sentiment')),
      }),
    },
  };
}

function flagOf(object: JsonObject | null, name: string): boolean | null {
  const value = object?.[name];
  return typeof value === 'boolean' ? value : null;
}
