// Ingest, providers, Vonage voice: one event in, its facts out (provider sheet, section 9). A leg is a `uuid`
// (`call_uuid` in some events), its call the conversation; some events name the conversation alone.

import type {
  CallFact,
  CallSignal,
  CallStatus,
  Direction,
  FailureCause,
  OrderKey,
  ProviderFact,
} from '../../schemas/facts.js';
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
  plusNumber,
  reference,
  safeName,
  statusSignal,
  utcMicros,
  wholeNumber,
  type Details,
  type FactSource,
} from './fact-base.js';
import { numberField, textField, type JsonObject } from './json.js';

/** The fields of one delivery. */
export interface VonageEvent {
  readonly source: FactSource;
  readonly fields: JsonObject;
  /** Identifies what no signed byte tells apart; null where the content is signed. */
  readonly contentId: string | null;
  readonly signedAtMs: number | null;
}

interface Reading {
  readonly signal: CallSignal;
  /** The event's name, where there is no `status`. */
  readonly eventType: string;
  readonly phase?: OrderKey['phase'];
  readonly details?: Details;
  readonly personal?: Readonly<Record<string, string>>;
}

const statuses: Readonly<Record<string, CallStatus>> = {
  started: 'initiated',
  ringing: 'ringing',
  answered: 'answered',
  completed: 'completed',
  disconnected: 'completed',
};

const failures: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  unanswered: 'no_answer',
  timeout: 'no_answer',
  cancelled: 'canceled',
  rejected: 'rejected',
  failed: 'provider',
};

/** `detail` of a failed call, where it says more than its status. */
const failureDetails: Readonly<Record<string, FailureCause>> = {
  cannot_route: 'network',
  carrier_timeout: 'network',
  number_out_of_service: 'invalid_number',
};

function causeOf(status: string, detail: string | null): FailureCause | null {
  const cause = Object.hasOwn(failures, status) ? failures[status] : undefined;
  if (cause === undefined) return null;
  const told = detail !== null && Object.hasOwn(failureDetails, detail) ? detail : null;
  return status === 'failed' && told !== null ? (failureDetails[told] ?? cause) : cause;
}

function costOf(fields: JsonObject): Details {
  return known<string | number | boolean>({
    price: numberField(fields, 'price'),
    rate: numberField(fields, 'rate'),
    network: safeName(textField(fields, 'network')),
    disconnectedBy: safeName(textField(fields, 'disconnected_by')),
  });
}

function readStatus(fields: JsonObject, status: string): Reading | null {
  const cause = causeOf(status, textField(fields, 'detail'));
  const details = costOf(fields);
  if (cause !== null) {
    return { signal: statusSignal('failed', cause), eventType: status, phase: 2, details };
  }
  if (status === 'human' || status === 'machine') {
    const beep = textField(fields, 'sub_state') === 'beep_start' ? true : null;
    const found = known<string | boolean>({ amd: status, answeredBy: status, beep });
    return { signal: noteSignal('amd'), eventType: status, details: found };
  }
  const named = Object.hasOwn(statuses, status) ? statuses[status] : undefined;
  if (named === undefined) return null;
  // What starts a leg stands before the request for instructions, whose time is to the second.
  const phase = named === 'completed' ? 2 : status === 'started' ? 0 : 1;
  return { signal: statusSignal(named), eventType: status, phase, details };
}

function readRecording(fields: JsonObject): Reading {
  return {
    signal: noteSignal('recording'),
    eventType: 'record',
    details: known<string | number | boolean>({
      recordingId: reference(textField(fields, 'recording_uuid')),
      recordingStatus: 'completed',
      recordingBytes: numberField(fields, 'size'),
      recordingSec: secondsBetween(fields),
    }),
    personal: known({ recordingUrl: textField(fields, 'recording_url') }),
  };
}

function secondsBetween(fields: JsonObject): number | null {
  const start = timeOf(fields, 'start_time');
  const end = timeOf(fields, 'end_time');
  return start === null || end === null || end < start ? null : Math.round((end - start) / 1e6);
}

const has = (fields: JsonObject, name: string): boolean => Object.hasOwn(fields, name);

/**
 * A request for instructions: it has the parties and a leg, and neither a status nor a time. (The query of a
 * GET may hold more, e.g. custom headers.)
 */
export function isAnswerRequest(fields: JsonObject): boolean {
  const isPlain = !has(fields, 'status') && !has(fields, 'timestamp');
  return isPlain && ['uuid', 'to', 'from'].every((name) => textField(fields, name) !== null);
}

const answerRequest: Reading = {
  signal: statusSignal('ringing'),
  eventType: 'answer',
  phase: 0,
};

function readingOf(fields: JsonObject): Reading | null {
  const status = textField(fields, 'status');
  if (status !== null) return readStatus(fields, status);
  if (has(fields, 'recording_url') || has(fields, 'recording_uuid')) return readRecording(fields);
  if (has(fields, 'conversation_uuid_to')) {
    return { signal: statusSignal('transferring'), eventType: 'transfer' };
  }
  if (isAnswerRequest(fields)) return answerRequest;
  if (has(fields, 'dtmf') || has(fields, 'speech')) {
    return { signal: noteSignal('input'), eventType: 'input' };
  }
  return has(fields, 'reason') ? { signal: noteSignal('error'), eventType: 'error' } : null;
}

const timeOf = (fields: JsonObject, name: string): number | null =>
  isoMicros(textField(fields, name)) ?? utcMicros(textField(fields, name));

/** Where an event stands. A request for instructions tells no time: it was asked within a signed second. */
function microsOf({ fields, signedAtMs }: VonageEvent, reading: Reading): number | null {
  if (reading !== answerRequest) return timeOf(fields, 'timestamp');
  return signedAtMs === null ? null : Math.floor(signedAtMs / 1000) * 1_000_000 + 999_999;
}

function directionOf(fields: JsonObject, reading: Reading): Direction | null {
  if (reading === answerRequest) return 'inbound';
  const said = textField(fields, 'direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

interface Refs {
  readonly leg: string;
  readonly session: string | null;
}

/** The leg of an event, or the conversation itself where it names no leg; null where it names neither. */
function refsOf(fields: JsonObject): Refs | null {
  const session =
    reference(textField(fields, 'conversation_uuid')) ??
    reference(textField(fields, 'conversation_uuid_from'));
  const leg =
    reference(textField(fields, 'uuid')) ?? reference(textField(fields, 'call_uuid')) ?? session;
  return leg === null ? null : { leg, session };
}

/** What tells one event of a leg from another: all of it is content, the same over a retry. */
function externalIdOf(event: VonageEvent, refs: Refs, type: string): readonly string[] {
  const { fields, contentId } = event;
  if (contentId !== null) return ['token', contentId];
  const recording = textField(fields, 'recording_uuid');
  if (recording !== null) return ['record', recording];
  const timestamp = textField(fields, 'timestamp');
  // Nothing else tells two of them apart.
  const rest = type === 'input' || type === 'error' ? [bytesId(JSON.stringify(fields))] : [];
  return ['voice', refs.leg, type, timestamp ?? '', ...rest];
}

/** A transfer goes on in another conversation, which hangs under the one it began in. */
function movedTo(event: VonageEvent, told: CallFact): readonly CallFact[] {
  const { source, fields } = event;
  const to = reference(textField(fields, 'conversation_uuid_to'));
  if (to === null || told.sessionRef === null || to === told.sessionRef) return [];
  const externalId = ['moved', told.legRef, to, textField(fields, 'timestamp') ?? ''];
  return [
    callFact({
      factId: identify(source, externalId, 'transfer.to'),
      eventType: 'transfer.to',
      occurredAt: told.occurredAt,
      order: { ...told.order, seq: told.order.seq + 1 },
      legRef: to,
      sessionRef: to,
      parentRef: told.sessionRef,
      signal: noteSignal('conversation_joined'),
    }),
  ];
}

function toldBy(event: VonageEvent, refs: Refs, reading: Reading): CallFact {
  const { source, fields } = event;
  const { eventType, signal, phase = 1 } = reading;
  const atUs = microsOf(event, reading);
  return callFact({
    factId: identify(source, externalIdOf(event, refs, eventType), eventType),
    eventType,
    occurredAt: reading === answerRequest ? event.signedAtMs : millis(atUs),
    order: orderOf(source, phase, atUs),
    legRef: refs.leg,
    sessionRef: refs.session,
    direction: directionOf(fields, reading),
    signal,
    durationSec: phase === 2 ? wholeNumber(textField(fields, 'duration')) : null,
    providerCode: safeName(textField(fields, 'detail')) ?? safeName(textField(fields, 'reason')),
    details: reading.details ?? {},
    from: plusNumber(textField(fields, 'from')),
    to: plusNumber(textField(fields, 'to')),
    personal: reading.personal ?? {},
  });
}

/** The facts of a voice event: one, and for a transfer where it goes on. */
export function mapVonageVoice(event: VonageEvent): readonly [ProviderFact, ...ProviderFact[]] {
  const { source, fields, contentId } = event;
  const refs = refsOf(fields);
  const reading = readingOf(fields);
  if (refs === null || reading === null) {
    const reason = refs === null ? 'an event that names no call' : 'an event we do not read';
    const externalId = ['event', contentId ?? bytesId(JSON.stringify(fields))];
    const atUs = timeOf(fields, 'timestamp');
    return [notUnderstood(source, { reason, externalId, legRef: refs?.leg ?? null, atUs })];
  }
  const told = toldBy(event, refs, reading);
  return [told, ...movedTo(event, told)];
}
