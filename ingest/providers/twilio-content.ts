// Ingest, providers, Twilio: one set of named values (of a form, a query or an Event Streams event) and
// what it is. The kind is read from the signed values alone, never from the path.

import type { Direction } from '../../schemas/facts.js';
import type { FactId } from '../../schemas/ids.js';
import type { FormValues } from '../schemes/form.js';
import type { FactSource } from './fact-base.js';

/** Named values of one event, and how its identity is made. */
export interface TwilioContent {
  readonly source: FactSource;
  readonly values: FormValues;
  /** The signed URL; empty where the delivery holds many events. */
  readonly url: string;
  /** `parts` are the values that identify the event among those of its kind. */
  identify(kind: string, parts: readonly (string | undefined)[], eventType: string): FactId;
}

export type TwilioKind =
  | 'call_status'
  | 'voice_request'
  | 'dial_action'
  | 'record_action'
  | 'answered_by'
  | 'recording'
  | 'conference'
  | 'message_inbound'
  | 'message_status'
  | 'unknown';

function messageKind(values: FormValues): TwilioKind {
  if (values.has('MessageStatus')) return 'message_status';
  return values.has('Body') || values.get('SmsStatus') === 'received'
    ? 'message_inbound'
    : 'message_status';
}

function callKind(values: FormValues): TwilioKind {
  if (values.has('RecordingStatus')) return 'recording';
  const isProgress = ['CallbackSource', 'SequenceNumber', 'Timestamp'].some((n) => values.has(n));
  if (values.has('CallStatus') && isProgress) return 'call_status';
  if (values.has('DialCallStatus')) return 'dial_action';
  if (values.has('RecordingUrl')) return 'record_action';
  if (values.has('CallStatus')) return 'voice_request';
  return values.has('AnsweredBy') ? 'answered_by' : 'unknown';
}

/** What Twilio is telling (provider sheet 2a, 2b). */
export function kindOf(values: FormValues): TwilioKind {
  if (values.has('ConferenceSid') && values.has('StatusCallbackEvent')) return 'conference';
  if (values.has('MessageSid') || values.has('SmsSid')) return messageKind(values);
  return values.has('CallSid') ? callKind(values) : 'unknown';
}

/** Kinds that Twilio waits on for instructions: they are answered with TwiML. */
export const instructionKinds: ReadonlySet<TwilioKind> = new Set([
  'voice_request',
  'dial_action',
  'record_action',
  'message_inbound',
]);

/** `inbound`, `outbound-api`, `outbound-dial`, `outbound-reply` … as our two directions. */
export function directionOf(text: string | undefined): Direction | null {
  if (text === undefined) return null;
  if (text.startsWith('inbound') || text === 'trunking-originating') return 'inbound';
  return text.startsWith('outbound') || text === 'trunking-terminating' ? 'outbound' : null;
}
