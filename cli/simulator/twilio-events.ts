// Simulator, Twilio: the forms of single webhooks. A leg and a moment come in, a step goes out.

import type { Step } from './activity.js';

export interface TwilioLeg {
  readonly accountSid: string;
  readonly sid: string;
  readonly parentSid: string | null;
  readonly direction: 'inbound' | 'outbound-api' | 'outbound-dial';
  readonly from: string;
  readonly to: string;
}

type Fields = Readonly<Record<string, string>>;

function step(atMs: number, fields: (timestamp: string) => Fields, decides = true): Step {
  return {
    atMs,
    decides,
    content: (startMs) => ({
      type: 'form',
      fields: fields(new Date(startMs + atMs).toUTCString().replace('GMT', '+0000')),
    }),
  };
}

function legFields(leg: TwilioLeg): Fields {
  return {
    AccountSid: leg.accountSid,
    ApiVersion: '2010-04-01',
    CallSid: leg.sid,
    Called: leg.to,
    Caller: leg.from,
    Direction: leg.direction,
    From: leg.from,
    FromCity: '',
    FromCountry: 'US',
    To: leg.to,
    ToCity: '',
    ToCountry: 'US',
    ...(leg.parentSid === null ? {} : { ParentCallSid: leg.parentSid }),
  };
}

const terminal = new Set(['completed', 'busy', 'no-answer', 'canceled', 'failed']);

/** A status callback. Only what ends a leg decides how it ends. */
export function twilioStatus(
  leg: TwilioLeg,
  atMs: number,
  status: string,
  extra: Fields & { readonly SequenceNumber: string },
): Step {
  const fields = (timestamp: string): Fields => ({
    ...legFields(leg),
    CallStatus: status,
    CallbackSource: 'call-progress-events',
    Timestamp: timestamp,
    ...extra,
  });
  return step(atMs, fields, terminal.has(status));
}

/** The request for instructions that opens an inbound call. */
export function twilioVoiceRequest(leg: TwilioLeg, atMs: number): Step {
  return step(atMs, () => ({ ...legFields(leg), CallStatus: 'ringing' }), false);
}

/** The end of a `<Dial>`, told of the parent. */
export function twilioDialAction(
  leg: TwilioLeg,
  child: TwilioLeg,
  atMs: number,
  sec: number,
): Step {
  const fields = {
    ...legFields(leg),
    CallStatus: 'in-progress',
    DialCallSid: child.sid,
    DialCallStatus: 'completed',
    DialCallDuration: String(sec),
    DialBridged: 'true',
  };
  return step(atMs, () => fields, false);
}

/** Asynchronous answering machine detection. */
export function twilioAnsweredBy(leg: TwilioLeg, atMs: number, answeredBy: string): Step {
  const fields = {
    AccountSid: leg.accountSid,
    CallSid: leg.sid,
    AnsweredBy: answeredBy,
    MachineDetectionDuration: '2410',
  };
  return step(atMs, () => fields, false);
}

export interface ConferenceEvent {
  readonly conferenceSid: string;
  readonly event: string;
  readonly sequence: number;
}

/** A conference event of a participant. */
export function twilioConference(leg: TwilioLeg, atMs: number, what: ConferenceEvent): Step {
  const fields = (timestamp: string): Fields => ({
    AccountSid: leg.accountSid,
    CallSid: leg.sid,
    ConferenceSid: what.conferenceSid,
    FriendlyName: `room-${what.conferenceSid.slice(-6)}`,
    StatusCallbackEvent: what.event,
    SequenceNumber: String(what.sequence),
    Timestamp: timestamp,
    Hold: String(what.event === 'participant-hold'),
    Muted: 'false',
  });
  return step(atMs, fields, false);
}

export interface TwilioMessage {
  readonly accountSid: string;
  readonly sid: string;
  readonly from: string;
  readonly to: string;
}

/** A message somebody sent to us. */
export function twilioInboundMessage(message: TwilioMessage, body: string): Step {
  const fields = {
    AccountSid: message.accountSid,
    ApiVersion: '2010-04-01',
    Body: body,
    From: message.from,
    MessageSid: message.sid,
    NumMedia: '0',
    NumSegments: '1',
    SmsMessageSid: message.sid,
    SmsSid: message.sid,
    SmsStatus: 'received',
    To: message.to,
  };
  return step(0, () => fields);
}

/** A status callback of a message we sent. */
export function twilioMessageStatus(
  message: TwilioMessage,
  atMs: number,
  status: string,
  errorCode: string | null = null,
): Step {
  const fields = {
    AccountSid: message.accountSid,
    ApiVersion: '2010-04-01',
    From: message.from,
    MessageSid: message.sid,
    MessageStatus: status,
    SmsSid: message.sid,
    SmsStatus: status,
    To: message.to,
    ...(errorCode === null ? {} : { ErrorCode: errorCode }),
  };
  return step(atMs, () => fields, ['delivered', 'undelivered', 'failed'].includes(status));
}
