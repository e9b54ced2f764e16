// Ingest, providers, Twilio voice: status callbacks of calls and of `<Dial>` legs, requests for
// instructions, answering machine detection, recordings. One event in, one fact out (sheet 2a).

import type {
  CallFact,
  CallSignal,
  CallStatus,
  FailureCause,
  ProviderFact,
} from '../../schemas/facts.js';
import { causeOfSipCode } from './causes.js';
import {
  callFact,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  rfc2822Micros,
  safeCode,
  safeName,
  statusSignal,
  wholeNumber,
  type Details,
} from './fact-base.js';
import { directionOf, type TwilioContent } from './twilio-content.js';

const statuses: Readonly<Record<string, CallStatus>> = {
  queued: 'initiated',
  initiated: 'initiated',
  ringing: 'ringing',
  'in-progress': 'answered',
  completed: 'completed',
  busy: 'failed',
  'no-answer': 'failed',
  canceled: 'failed',
  failed: 'failed',
};

const causes: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  'no-answer': 'no_answer',
  canceled: 'canceled',
};

/** `human`, `machine`, `fax` or `unknown`: Twilio says `machine_start`, `machine_end_beep` … */
export function answeredBy(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (text.startsWith('machine')) return 'machine';
  return text === 'human' || text === 'fax' ? text : 'unknown';
}

function signalOf(callStatus: string, code: string | null): CallSignal | null {
  const status = Object.hasOwn(statuses, callStatus) ? statuses[callStatus] : undefined;
  if (status === undefined) return null;
  if (status !== 'failed') return statusSignal(status);
  return statusSignal(status, causes[callStatus] ?? causeOfSipCode(code) ?? 'provider');
}

const isTerminal = (signal: CallSignal): boolean =>
  signal.type === 'status' && (signal.status === 'completed' || signal.status === 'failed');

/**
 * What most voice events repeat about their leg. Spread it last: named fields behind a spread turn the
 * object into a slow one, 4 µs of every delivery.
 */
function legParts({ values }: TwilioContent, legRef: string) {
  return {
    legRef,
    parentRef: reference(values.get('ParentCallSid')),
    direction: directionOf(values.get('Direction')),
    from: values.get('From') ?? null,
    to: values.get('To') ?? null,
    personal: known({
      recordingUrl: values.get('RecordingUrl'),
      callerName: values.get('CallerName'),
      forwardedFrom: values.get('ForwardedFrom'),
    }),
  } satisfies Partial<CallFact>;
}

function legDetails({ values }: TwilioContent): Details {
  return known<string | number | boolean>({
    amd: answeredBy(values.get('AnsweredBy')),
    answeredBy: safeName(values.get('AnsweredBy')),
    recordingId: reference(values.get('RecordingSid')),
    recordingSec: wholeNumber(values.get('RecordingDuration')),
  });
}

/** A status callback; `CallDuration` is seconds, `Duration` billed minutes. */
export function mapCallStatus(content: TwilioContent, legRef: string): ProviderFact {
  const { source, values } = content;
  const callStatus = values.get('CallStatus') ?? '';
  const code = safeCode(values.get('SipResponseCode')) ?? safeCode(values.get('ErrorCode'));
  const signal = signalOf(callStatus, code);
  const parts = [values.get('AccountSid'), legRef, callStatus, values.get('SequenceNumber')];
  const atUs = rfc2822Micros(values.get('Timestamp'));
  if (signal === null) {
    const externalId = ['status', ...parts.map((part) => part ?? '')];
    return notUnderstood(source, {
      reason: 'a call status we do not know',
      externalId,
      legRef,
      atUs,
    });
  }
  const seq = wholeNumber(values.get('SequenceNumber')) ?? 0;
  return callFact({
    factId: content.identify('call_status', parts, callStatus),
    eventType: callStatus,
    occurredAt: millis(atUs),
    order: orderOf(source, isTerminal(signal) ? 2 : 1, atUs, seq),
    signal,
    durationSec: isTerminal(signal) ? wholeNumber(values.get('CallDuration')) : null,
    providerCode: code,
    details: {
      ...legDetails(content),
      ...known({ billedMinutes: wholeNumber(values.get('Duration')) }),
    },
    ...legParts(content, legRef),
  });
}

/** Tells one instruction request of a call from another. */
function pathOf(url: string): string {
  const [path = ''] = url.split(/[?#]/, 1);
  return path.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '');
}

/**
 * Twilio asks what to do. The first request of an inbound call opens it (ringing); that of a call made
 * through the API comes when it is answered. Later ones (a menu, a redirect, hold music) move nothing.
 */
export function mapVoiceRequest(content: TwilioContent, legRef: string): CallFact {
  const { source, values } = content;
  const callStatus = values.get('CallStatus') ?? '';
  const leg = legParts(content, legRef);
  const opens = callStatus === 'ringing' && leg.direction !== 'outbound';
  const answers = callStatus === 'in-progress' && leg.direction === 'outbound';
  const answered = answers ? statusSignal('answered') : noteSignal('voice_request');
  return callFact({
    factId: content.identify(
      'voice_request',
      [values.get('AccountSid'), legRef, callStatus, pathOf(content.url)],
      'voice.request',
    ),
    eventType: 'voice.request',
    order: orderOf(source, opens ? 0 : 1, null),
    signal: opens ? statusSignal('ringing') : answered,
    details: { ...legDetails(content), ...known({ callStatus: safeName(callStatus) }) },
    ...leg,
  });
}

/** The end of a `<Dial>`: about the child leg, told of the parent, which it does not move. */
export function mapDialAction(content: TwilioContent, legRef: string): CallFact {
  const { source, values } = content;
  const dialStatus = values.get('DialCallStatus');
  return callFact({
    factId: content.identify(
      'dial_action',
      [values.get('AccountSid'), legRef, values.get('DialCallSid'), dialStatus],
      'dial.action',
    ),
    eventType: 'dial.action',
    order: orderOf(source, 1, null),
    signal: noteSignal('dial_action'),
    details: known<string | number | boolean>({
      dialStatus: safeName(dialStatus),
      dialLegRef: reference(values.get('DialCallSid')),
      dialSec: wholeNumber(values.get('DialCallDuration')),
      dialBridged: values.has('DialBridged') ? values.get('DialBridged') === 'true' : null,
    }),
    ...legParts(content, legRef),
  });
}

/**
 * The end of a `<Record>`: a recording. Where the caller hung up on it, Twilio says with it that the call
 * is completed, and says it nowhere else unless the number has a status callback.
 */
export function mapRecordAction(content: TwilioContent, legRef: string): CallFact {
  const { source, values } = content;
  const isOver = values.get('CallStatus') === 'completed';
  return callFact({
    factId: content.identify(
      'record_action',
      [values.get('AccountSid'), legRef, values.get('RecordingSid')],
      'record.action',
    ),
    eventType: 'record.action',
    order: orderOf(source, isOver ? 2 : 1, null),
    signal: isOver ? statusSignal('completed') : noteSignal('recording'),
    details: { ...legDetails(content), ...known({ recordingStatus: 'completed' }) },
    ...legParts(content, legRef),
  });
}

/** Asynchronous answering machine detection. */
export function mapAnsweredBy(content: TwilioContent, legRef: string): CallFact {
  const { source, values } = content;
  return callFact({
    factId: content.identify('answered_by', [values.get('AccountSid'), legRef], 'amd'),
    eventType: 'amd',
    order: orderOf(source, 1, null),
    signal: noteSignal('amd'),
    details: {
      ...legDetails(content),
      ...known({ amdMs: wholeNumber(values.get('MachineDetectionDuration')) }),
    },
    ...legParts(content, legRef),
  });
}

/** When a recording reached its status, as far as the callback tells: it signs only the start. */
function recordingMicros({ values }: TwilioContent): number | null {
  const startUs = rfc2822Micros(values.get('RecordingStartTime'));
  const sec = wholeNumber(values.get('RecordingDuration')) ?? 0;
  return startUs === null ? null : startUs + sec * 1_000_000;
}

/** A recording callback; its CallSid is always the parent leg. */
export function mapRecording(content: TwilioContent, legRef: string): CallFact {
  const { source, values } = content;
  const status = safeName(values.get('RecordingStatus')) ?? 'unknown';
  const atUs = recordingMicros(content);
  return callFact({
    factId: content.identify(
      'recording',
      [values.get('AccountSid'), values.get('RecordingSid'), status],
      `recording.${status}`,
    ),
    eventType: `recording.${status}`,
    occurredAt: millis(atUs),
    order: orderOf(source, 1, atUs),
    signal: noteSignal('recording'),
    details: {
      ...legDetails(content),
      ...known<string | number | boolean>({
        recordingStatus: status,
        recordingSource: safeName(values.get('RecordingSource')),
        recordingTrack: safeName(values.get('RecordingTrack')),
        recordingChannels: wholeNumber(values.get('RecordingChannels')),
      }),
    },
    ...legParts(content, legRef),
  });
}
