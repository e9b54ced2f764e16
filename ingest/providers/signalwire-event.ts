// Ingest, providers, SignalWire JSON: requests for a SWML document, and RELAY events of calls and messages as
// `status_url` gets them. One event in, one fact out (provider sheet, section 11; docs, RELAY calling events).

import type {
  CallSignal,
  Direction,
  FailureCause,
  MessageStatus,
  ProviderFact,
} from '../../schemas/facts.js';
import {
  bytesId,
  callFact,
  identify,
  known,
  messageFact,
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
import { listField, numberField, objectField, textField, type JsonObject } from './json.js';
import { optOutOf } from './opt-out.js';
import { messagePhase } from './twilio-messaging.js';

/** The project of an event, wherever it names it; null where it does not. */
export function projectOf(fields: JsonObject | null): string | null {
  const names = [fields, ...['call', 'message', 'params'].map((name) => objectField(fields, name))];
  for (const object of names) {
    const project = textField(object, 'project_id');
    if (project !== null) return project;
  }
  return null;
}

/** A request for instructions holds the call or the message itself, an event its type. */
export const isSwmlRequest = (fields: JsonObject | null): boolean =>
  textField(fields, 'event_type') === null &&
  (objectField(fields, 'call') !== null || objectField(fields, 'message') !== null);

/** Seconds with a fraction, or milliseconds, since 1970. */
function microsOf(fields: JsonObject | null, name: string): number | null {
  const value = numberField(fields, name);
  if (value === null || value === 0) return null;
  return Math.round(value > 1e11 ? value * 1000 : value * 1_000_000);
}

const endReasons: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  noanswer: 'no_answer',
  cancel: 'canceled',
  decline: 'rejected',
  abandoned: 'canceled',
  hangup: 'canceled',
};

function callSignal(state: string, call: JsonObject): CallSignal | null {
  switch (state) {
    case 'created':
      return statusSignal(directionOf(call) === 'inbound' ? 'ringing' : 'initiated');
    case 'ringing':
      return statusSignal('ringing');
    case 'answered':
      return statusSignal('answered');
    case 'ending':
      return noteSignal('ending');
    case 'ended': {
      const reason = (textField(call, 'end_reason') ?? '').toLowerCase().replace(/[-_]/g, '');
      const cause = Object.hasOwn(endReasons, reason) ? endReasons[reason] : undefined;
      return { type: 'hangup', cause: cause ?? 'provider' };
    }
    default:
      return null;
  }
}

function directionOf(fields: JsonObject): Direction | null {
  const said = textField(fields, 'direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

/** A party stands beside the call, or in its device. */
function partyOf(call: JsonObject, name: 'from' | 'to'): string | null {
  const device = objectField(objectField(call, 'device'), 'params');
  return (
    textField(call, name) ??
    textField(call, `${name}_number`) ??
    textField(device, `${name}_number`) ??
    textField(device, name)
  );
}

interface Told {
  readonly source: FactSource;
  readonly type: string;
  /** The call or the message. */
  readonly about: JsonObject;
  readonly atUs: number | null;
}

function mapCall({ source, type, about, atUs }: Told): ProviderFact | null {
  const legRef = reference(textField(about, 'call_id'));
  const state = textField(about, 'call_state') ?? textField(about, 'state') ?? '';
  const signal = callSignal(state, about);
  if (legRef === null || signal === null) return null;
  const eventType = `call.${state}`;
  const at = (state === 'answered' ? microsOf(about, 'answer_time') : null) ?? atUs;
  const parent = reference(textField(objectField(about, 'parent'), 'call_id'));
  const phase = state === 'ended' ? 2 : state === 'created' ? 0 : 1;
  return callFact({
    factId: identify(source, ['call', legRef, type, state], eventType),
    eventType,
    occurredAt: millis(at),
    order: orderOf(source, phase, at),
    legRef,
    parentRef: parent === legRef ? null : parent,
    direction: directionOf(about),
    signal,
    providerCode: safeCode(textField(about, 'end_reason')),
    details: known<string | number | boolean>({
      hangupSource: safeName(textField(about, 'end_source')),
      callType: safeName(textField(about, 'type')),
    }),
    from: partyOf(about, 'from'),
    to: partyOf(about, 'to'),
  });
}

const messageStates: Readonly<Record<string, readonly [MessageStatus, number]>> = {
  queued: ['queued', 1],
  initiated: ['sending', 2],
  sent: ['sent', 3],
  delivered: ['delivered', 4],
  undelivered: ['undelivered', 4],
  failed: ['failed', 4],
  read: ['read', 5],
  received: ['received', 0],
};

function mapMessage({ source, type, about, atUs }: Told): ProviderFact | null {
  const messageRef = reference(textField(about, 'message_id') ?? textField(about, 'id'));
  const said = textField(about, 'message_state') ?? textField(about, 'state') ?? 'received';
  const found = Object.hasOwn(messageStates, said) ? messageStates[said] : undefined;
  if (messageRef === null || found === undefined) return null;
  const [status, seq] = found;
  const isInbound = status === 'received';
  const body = isInbound ? textField(about, 'body') : null;
  const media = listField(about, 'media').filter((url) => typeof url === 'string');
  return messageFact({
    factId: identify(source, ['message', messageRef, type], said),
    eventType: said,
    occurredAt: millis(atUs),
    order: orderOf(source, messagePhase(status), atUs, seq),
    messageRef,
    direction: isInbound ? 'inbound' : 'outbound',
    status,
    providerStatus: said,
    providerCode: safeCode(textField(about, 'reason')),
    optOut: isInbound ? optOutOf(null, body) : null,
    details: known<string | number | boolean>({
      mediaCount: isInbound ? media.length : null,
      segments: numberField(about, 'segments'),
    }),
    from: partyOf(about, 'from'),
    to: partyOf(about, 'to'),
    body,
    personal: isInbound
      ? Object.fromEntries(media.map((url, at) => [`mediaUrl${String(at)}`, url]))
      : {},
  });
}

/** Events of a call that never move it: what is played, recorded, detected. */
function mapNote({ source, type, about, atUs }: Told): ProviderFact | null {
  const legRef = reference(textField(about, 'call_id'));
  const name = safeName(type);
  if (legRef === null || name === null) return null;
  const recordingId =
    type === 'calling.call.record' ? reference(textField(about, 'control_id')) : null;
  const isKept = textField(about, 'state') === 'finished';
  return callFact({
    factId: identify(source, ['note', legRef, bytesId(JSON.stringify(about))], name),
    eventType: name,
    occurredAt: millis(atUs),
    order: orderOf(source, 1, atUs),
    legRef,
    signal: noteSignal(name.replace(/^calling\.(call\.)?/, '').replaceAll('.', '_')),
    details: known<string | number | boolean>(
      recordingId !== null && isKept ? { recordingId, recordingStatus: 'completed' } : {},
    ),
    personal: known({ recordingUrl: textField(about, 'url') }),
  });
}

function toldBy(source: FactSource, fields: JsonObject): Told | null {
  const type = textField(fields, 'event_type');
  const atUs = microsOf(fields, 'timestamp');
  if (type !== null) {
    const about = objectField(fields, 'params');
    return about === null ? null : { source, type, about, atUs };
  }
  const call = objectField(fields, 'call');
  if (call !== null) return { source, type: 'swml.call', about: call, atUs };
  const message = objectField(fields, 'message');
  return message === null ? null : { source, type: 'swml.message', about: message, atUs };
}

function factOf(told: Told): ProviderFact | null {
  if (told.type === 'swml.call' || told.type === 'calling.call.state') return mapCall(told);
  if (told.type === 'swml.message' || told.type.startsWith('messaging.')) return mapMessage(told);
  return told.type.startsWith('calling.') ? mapNote(told) : null;
}

/** The fact of a JSON delivery. What it does not know is not understood, and kept. */
export function mapSignalwireEvent(source: FactSource, fields: JsonObject): ProviderFact {
  const told = toldBy(source, fields);
  const fact = told === null ? null : factOf(told);
  if (fact !== null) return fact;
  const legRef = reference(textField(told?.about ?? null, 'call_id'));
  const externalId = ['event', bytesId(JSON.stringify(fields))];
  return notUnderstood(source, { reason: 'an event we do not read', externalId, legRef });
}
