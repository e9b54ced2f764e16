// Ingest, providers, Plivo voice: callbacks of calls, of dialled legs, machine detection and recordings. One
// form in, one fact out (provider sheet, section 10). Few of them tell a time: phases order a call.

import type {
  CallFact,
  CallSignal,
  Direction,
  FailureCause,
  ProviderFact,
} from '../../schemas/facts.js';
import type { FormValues } from '../schemes/form.js';
import {
  bytesId,
  callFact,
  identify,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  plusNumber,
  reference,
  safeCode,
  safeName,
  statusSignal,
  utcMicros,
  wholeNumber,
  type FactSource,
} from './fact-base.js';

/** The fields of one callback. */
export interface PlivoContent {
  readonly source: FactSource;
  readonly values: FormValues;
}

/** What a callback says of its leg. */
interface Reading {
  readonly eventType: string;
  /** What identifies it among the callbacks of its call. */
  readonly id: readonly (string | undefined)[];
  readonly signal: CallSignal;
  readonly phase?: 0 | 1 | 2;
  readonly atUs?: number | null;
  readonly legRef?: string | null;
  readonly parentRef?: string | null;
  readonly parts?: Partial<CallFact>;
}

const ends: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  'no-answer': 'no_answer',
  timeout: 'no_answer',
  cancel: 'canceled',
  failed: 'provider',
};

/** Why a call failed, where the cause says more than the status (ITU-T Q.850 by name). */
const causes: Readonly<Record<string, FailureCause>> = {
  UNALLOCATED_NUMBER: 'invalid_number',
  INVALID_NUMBER_FORMAT: 'invalid_number',
  NO_ROUTE_DESTINATION: 'network',
  NETWORK_OUT_OF_ORDER: 'network',
  RECOVERY_ON_TIMER_EXPIRE: 'network',
  CALL_REJECTED: 'rejected',
};

function hangupSignal(values: FormValues): CallSignal {
  const status = values.get('CallStatus') ?? '';
  if (status === 'completed') return statusSignal('completed');
  const cause = Object.hasOwn(ends, status) ? ends[status] : undefined;
  // A status nobody knows still ended the leg: whether it was answered decides how.
  if (cause === undefined) return { type: 'hangup', cause: 'provider' };
  const said = values.get('HangupCause') ?? '';
  const told = status === 'failed' && Object.hasOwn(causes, said) ? causes[said] : undefined;
  return statusSignal('failed', told ?? cause);
}

function readHangup(values: FormValues): Reading {
  return {
    eventType: 'Hangup',
    id: ['Hangup'],
    signal: hangupSignal(values),
    phase: 2,
    atUs: utcMicros(values.get('EndTime')),
    parts: {
      durationSec: wholeNumber(values.get('Duration')),
      providerCode: safeCode(values.get('HangupCauseCode')) ?? safeCode(values.get('HangupCause')),
      details: known<string | number | boolean>({
        hangupCause: safeName(values.get('HangupCause')),
        hangupSource: safeName(values.get('HangupSource')),
        billedSec: wholeNumber(values.get('BillDuration')),
        totalCost: costOf(values.get('TotalCost')),
      }),
    },
  };
}

const costOf = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : null;

function readMachine(values: FormValues): Reading {
  const said = values.get('Machine')?.toLowerCase();
  const amd = said === 'true' ? 'machine' : said === 'false' ? 'human' : 'unknown';
  return {
    eventType: 'MachineDetection',
    id: ['MachineDetection'],
    signal: noteSignal('amd'),
    parts: { details: { amd } },
  };
}

function readRecording(values: FormValues): Reading {
  const recordingId = reference(values.get('RecordingID'));
  const endMs = wholeNumberOfMs(values.get('RecordingEndMs'));
  return {
    eventType: 'RecordStop',
    id: ['recording', recordingId ?? values.get('RecordUrl')],
    signal: noteSignal('recording'),
    atUs: endMs === null ? null : endMs * 1000,
    parts: {
      details: known<string | number | boolean>({
        recordingId,
        recordingStatus: 'completed',
        recordingSec: wholeNumber(values.get('RecordingDuration')),
      }),
      personal: known({ recordingUrl: values.get('RecordUrl') }),
    },
  };
}

/** Milliseconds since 1970; Plivo writes `-1` where there are none. */
const wholeNumberOfMs = (text: string | undefined): number | null =>
  text !== undefined && /^\d{13}$/.test(text) ? Number(text) : null;

const legEnds: Readonly<Record<string, FailureCause>> = {
  USER_BUSY: 'busy',
  NO_ANSWER: 'no_answer',
  NO_USER_RESPONSE: 'no_answer',
  ORIGINATOR_CANCEL: 'canceled',
};

/** What `<Dial callbackUrl>` tells of the leg it dialled, whose parent is the leg that dials. */
function readDialledLeg(values: FormValues): Reading | null {
  const legRef = reference(values.get('DialBLegUUID'));
  const said = values.get('DialBLegStatus') ?? values.get('DialAction');
  if (legRef === null || said === undefined) return null;
  const cause = values.get('DialBLegHangupCause') ?? '';
  const known: Readonly<Record<string, FailureCause>> = { ...causes, ...legEnds };
  const signals: Readonly<Record<string, CallSignal>> = {
    answer: statusSignal('answered'),
    connected: statusSignal('answered', null, 'bridged'),
    hangup: {
      type: 'hangup',
      cause: Object.hasOwn(known, cause) ? (known[cause] ?? 'provider') : 'provider',
    },
  };
  const signal = Object.hasOwn(signals, said) ? signals[said] : undefined;
  return {
    eventType: `dial.${safeName(said) ?? 'unknown'}`,
    id: ['dial', legRef, said],
    signal: signal ?? noteSignal('dial'),
    phase: said === 'hangup' ? 2 : 1,
    legRef,
    parentRef: reference(values.get('DialALegUUID')) ?? reference(values.get('CallUUID')),
    parts: {
      direction: 'outbound',
      from: plusNumber(values.get('DialBLegFrom')),
      to: plusNumber(values.get('DialBLegTo')),
      durationSec: said === 'hangup' ? wholeNumber(values.get('DialBLegDuration')) : null,
      providerCode: safeCode(values.get('DialBLegHangupCauseCode')) ?? safeCode(cause),
    },
  };
}

/** The end of a `<Dial>`: about the child leg, told of the parent, which it does not move. */
function readDialEnd(values: FormValues): Reading {
  const status = values.get('DialStatus');
  return {
    eventType: 'dial.action',
    id: ['dial', values.get('DialBLegUUID'), status],
    signal: noteSignal('dial_action'),
    parts: {
      details: known<string | number | boolean>({
        dialStatus: safeName(status),
        dialLegRef: reference(values.get('DialBLegUUID')),
        dialCause: safeName(values.get('DialHangupCause')),
      }),
    },
  };
}

/** A request for instructions in the middle of a call: a menu, a redirect. */
function readNote(content: PlivoContent, event: string): Reading {
  const digest = bytesId(sortedText(content.values));
  return { eventType: event, id: [event, digest], signal: noteSignal(event.toLowerCase()) };
}

const sortedText = (values: FormValues): string =>
  [...values]
    .map((pair) => JSON.stringify(pair))
    .sort()
    .join('\n');

function readEvent(content: PlivoContent, event: string): Reading | null {
  const { values } = content;
  switch (event) {
    case 'Ring':
      return { eventType: event, id: [event], signal: statusSignal('ringing'), phase: 0 };
    case 'StartApp': {
      const atUs = utcMicros(values.get('SessionStart'));
      return { eventType: event, id: [event], signal: statusSignal('answered'), atUs };
    }
    case 'Hangup':
      return readHangup(values);
    case 'MachineDetection':
      return readMachine(values);
    default:
      return safeName(event) === null ? null : readNote(content, event);
  }
}

function readingOf(content: PlivoContent): Reading | null {
  const { values } = content;
  if (values.has('RecordUrl') || values.has('RecordingID')) return readRecording(values);
  if (values.has('DialBLegStatus') || values.has('DialAction')) return readDialledLeg(values);
  if (values.has('DialStatus')) return readDialEnd(values);
  const event = values.get('Event');
  if (event !== undefined) return readEvent(content, event);
  if (values.has('ConferenceAction')) return readNote(content, 'ConferenceAction');
  if (values.has('Digits')) return readNote(content, 'Digits');
  // The hangup callback of an application may carry no event.
  return values.has('HangupCause') || values.has('HangupCauseCode') ? readHangup(values) : null;
}

/** Whether Plivo waits for XML: the answer of a call, a redirect, the end of a <Dial>, digits. */
export function waitsForXml(values: FormValues): boolean {
  const event = values.get('Event');
  if (event === 'StartApp' || event === 'Redirect') return true;
  if (event !== undefined || values.has('DialAction')) return false;
  return ['DialStatus', 'Digits', 'RecordUrl'].some((name) => values.has(name));
}

function directionOf(values: FormValues): Direction | null {
  const said = values.get('Direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

/** The call that a leg belongs to, where it is not that leg itself. */
function sessionOf(values: FormValues, legRef: string): string | null {
  const first = reference(values.get('ALegUUID'));
  return first === legRef ? null : first;
}

/** The fact of a voice callback. One without a call, or of an unknown kind, is not understood. */
export function mapPlivoVoice(content: PlivoContent): ProviderFact {
  const { source, values } = content;
  const callRef = reference(values.get('CallUUID')) ?? reference(values.get('DialALegUUID'));
  const reading = readingOf(content);
  if (callRef === null || reading === null) {
    const reason = callRef === null ? 'a callback that names no call' : 'a callback we do not read';
    const externalId = ['values', bytesId(sortedText(values))];
    return notUnderstood(source, { reason, externalId, legRef: callRef });
  }
  const { eventType, signal, id, phase = 1, atUs = null, parts = {} } = reading;
  const legRef = reading.legRef ?? callRef;
  const isDialled = reading.legRef !== undefined;
  return callFact({
    factId: identify(source, ['call', callRef, ...id.map((part) => part ?? '')], eventType),
    eventType,
    occurredAt: millis(atUs),
    order: orderOf(source, phase, atUs),
    legRef,
    parentRef: reading.parentRef ?? null,
    sessionRef: isDialled ? null : sessionOf(values, legRef),
    direction: isDialled ? null : directionOf(values),
    signal,
    from: isDialled ? null : plusNumber(values.get('From')),
    to: isDialled ? null : plusNumber(values.get('To')),
    ...parts,
  });
}
