// Ingest, providers, Telnyx Call Control: one event in, one fact about a leg out (provider sheet 4c).
// Telnyx has no ringing event and no duration; a hangup is judged by whether the leg was answered.

import type { CallSignal, FailureCause, OrderKey, ProviderFact } from '../../schemas/facts.js';
import { causeOfSipCode } from './causes.js';
import {
  callFact,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  safeName,
  statusSignal,
  type Details,
} from './fact-base.js';
import { numberField, objectField, textField, type JsonObject } from './json.js';
import type { TelnyxEvent } from './telnyx-event.js';

interface Reading {
  readonly signal: CallSignal;
  readonly phase?: OrderKey['phase'];
  readonly providerCode?: string | null;
  readonly details?: Details;
  readonly personal?: Readonly<Record<string, string>>;
}

const hangupCauses: Readonly<Record<string, FailureCause>> = {
  user_busy: 'busy',
  timeout: 'no_answer',
  no_answer: 'no_answer',
  originator_cancel: 'canceled',
  normal_clearing: 'canceled',
  call_rejected: 'rejected',
  not_found: 'invalid_number',
};

function readInitiated(payload: JsonObject): Reading {
  const isIncoming = textField(payload, 'direction') === 'incoming';
  return {
    signal: statusSignal(isIncoming ? 'ringing' : 'initiated'),
    details: known({
      callControlId: reference(textField(payload, 'call_control_id')),
      state: safeName(textField(payload, 'state')),
      attestation: safeName(textField(payload, 'shaken_stir_attestation')),
    }),
    personal: known({ callerName: textField(payload, 'caller_id_name') }),
  };
}

/** With the handle by which Telnyx is asked after the call, should its end not come. */
function readAnswered(payload: JsonObject): Reading {
  const callControlId = reference(textField(payload, 'call_control_id'));
  return { signal: statusSignal('answered'), details: known({ callControlId }) };
}

function readHangup(payload: JsonObject): Reading {
  const said = safeName(textField(payload, 'hangup_cause'));
  const sipCode = safeCode(textField(payload, 'sip_hangup_cause'));
  const named = said !== null && Object.hasOwn(hangupCauses, said) ? hangupCauses[said] : undefined;
  return {
    signal: { type: 'hangup', cause: named ?? causeOfSipCode(sipCode) ?? 'provider' },
    phase: 2,
    providerCode: said,
    details: known({
      hangupSource: safeName(textField(payload, 'hangup_source')),
      sipCode: sipCode === 'unspecified' ? null : sipCode,
    }),
  };
}

/** `human_residence`, `human_business` → human; a detection that is not sure says unknown. */
function answeredBy(result: string | null): string {
  if (result?.startsWith('human') === true) return 'human';
  if (result === 'fax_detected') return 'fax';
  return result === 'machine' ? 'machine' : 'unknown';
}

function readDetection(payload: JsonObject): Reading {
  const result = safeName(textField(payload, 'result'));
  return {
    signal: noteSignal('amd'),
    details: known({ amd: answeredBy(result), answeredBy: result }),
  };
}

/** The end of a greeting is only told after a machine was detected. */
function readGreeting(payload: JsonObject): Reading {
  const result = safeName(textField(payload, 'result'));
  return {
    signal: noteSignal('amd'),
    details: known<string | boolean>({
      amd: 'machine',
      answeredBy: result,
      beep: result === 'not_sure' ? null : result === 'beep_detected',
    }),
  };
}

function readRecording(payload: JsonObject): Reading {
  const urls = objectField(payload, 'recording_urls');
  return {
    signal: noteSignal('recording'),
    details: known<string | number | boolean>({
      recordingId: reference(textField(payload, 'recording_id')),
      recordingStatus: 'completed',
      recordingFormat: safeName(textField(payload, 'format')),
      recordingChannels: safeName(textField(payload, 'channels')),
    }),
    personal: known({
      recordingUrl: textField(urls, 'mp3') ?? textField(urls, 'wav'),
    }),
  };
}

function readQueue(name: string): (payload: JsonObject) => Reading {
  return (payload) => ({
    signal: noteSignal(name),
    details: known<string | number | boolean>({
      queue: safeName(textField(payload, 'queue')),
      position: numberField(payload, 'current_position') ?? numberField(payload, 'queue_position'),
      waitSec: numberField(payload, 'wait_time_secs'),
      reason: safeName(textField(payload, 'reason')),
    }),
  });
}

function readCost(payload: JsonObject): Reading {
  return {
    signal: noteSignal('cost'),
    details: known<string | number | boolean>({
      totalCost: safeCode(textField(payload, 'total_cost')),
      billedSec: numberField(payload, 'billed_duration_secs'),
    }),
  };
}

function readRefer(signal: CallSignal, phase: OrderKey['phase'] = 1): (p: JsonObject) => Reading {
  return (payload) => ({
    signal,
    phase,
    details: known({ sipNotify: numberField(payload, 'sip_notify_response') }),
  });
}

const fixed = (signal: CallSignal) => (): Reading => ({ signal });

const readings: Readonly<Record<string, (payload: JsonObject) => Reading>> = {
  'call.initiated': readInitiated,
  'call.answered': readAnswered,
  'call.bridged': fixed(statusSignal('answered', null, 'bridged')),
  'call.hold': fixed(statusSignal('on_hold')),
  'call.unhold': fixed(statusSignal('answered', null, 'resumed')),
  'call.refer.started': readRefer(statusSignal('transferring')),
  'call.refer.completed': readRefer(statusSignal('completed', null, 'transferred'), 2),
  'call.refer.failed': readRefer(statusSignal('answered', null, 'transfer failed')),
  'call.hangup': readHangup,
  'call.machine.detection.ended': readDetection,
  'call.machine.premium.detection.ended': readDetection,
  'call.machine.greeting.ended': readGreeting,
  'call.machine.premium.greeting.ended': readGreeting,
  'call.recording.saved': readRecording,
  'call.recording.error': fixed(noteSignal('recording_failed')),
  'call.enqueued': readQueue('queue_entered'),
  'call.dequeued': readQueue('queue_left'),
  'call.cost': readCost,
};

// Events of telnyx@7.24.0 that tell of media, speech or a conference and never move a leg.
const noted =
  /^(call\.(speak|playback|fork|gather|ai_gather|dtmf|transcription|conversation|conversation_insights|payment|siprec|recording\.transcription)|conference|streaming)\b/;

function readingOf({ type, payload }: TelnyxEvent): Reading | null {
  const read = Object.hasOwn(readings, type) ? readings[type] : undefined;
  if (read !== undefined) return read(payload);
  if (!noted.test(type)) return null;
  return { signal: noteSignal(type.replace(/^call\./, '').replaceAll('.', '_')) };
}

function directionOf(payload: JsonObject) {
  const said = textField(payload, 'direction');
  if (said === 'incoming') return 'inbound' as const;
  return said === 'outgoing' ? ('outbound' as const) : null;
}

/** The fact of a voice event. An event without a leg, or of an unknown type, is not understood. */
export function mapTelnyxVoice(event: TelnyxEvent): ProviderFact {
  const { source, payload, atUs } = event;
  const legRef = reference(textField(payload, 'call_leg_id'));
  const reading = readingOf(event);
  if (legRef === null || reading === null) {
    const what =
      legRef === null ? 'an event that names no leg' : 'an event of a type we do not read';
    const externalId = ['event', event.id];
    return notUnderstood(source, { reason: what, externalId, eventType: event.type, legRef, atUs });
  }
  return callFact({
    factId: event.factId,
    eventType: event.type,
    occurredAt: millis(atUs),
    order: orderOf(source, reading.phase ?? 1, atUs),
    legRef,
    sessionRef: reference(textField(payload, 'call_session_id')),
    direction: directionOf(payload),
    signal: reading.signal,
    providerCode: reading.providerCode ?? null,
    details: reading.details ?? {},
    from: textField(payload, 'from'),
    to: textField(payload, 'to'),
    personal: reading.personal ?? {},
  });
}
