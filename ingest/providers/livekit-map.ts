// Ingest, providers, LiveKit: one event in, one fact out (livekit/protocol d74e7cd livekit_webhook.proto and
// livekit/attrs.go). JSON of protobuf: int64 are strings, and what is zero is not there.

import type {
  CallSignal,
  Direction,
  FailureCause,
  OrderKey,
  ProviderFact,
} from '../../schemas/facts.js';
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
} from './json.js';

interface LivekitEvent {
  readonly source: FactSource;
  readonly id: string;
  readonly type: string;
  readonly atUs: number | null;
  readonly body: JsonObject;
  /** The room's `sid`: a name may be used again, a sid is not. */
  readonly room: string | null;
}

function readEvent(source: FactSource, bytes: Buffer): LivekitEvent | null {
  const body = asObject(parseJson(bytes));
  const type = safeName(textField(body, 'event'));
  if (body === null || type === null) return null;
  const atSec = numberField(body, 'createdAt');
  const egress = objectField(body, 'egressInfo');
  const ingress = objectField(objectField(body, 'ingressInfo'), 'state');
  const room =
    textField(objectField(body, 'room'), 'sid') ??
    textField(egress, 'roomId') ??
    textField(ingress, 'roomId') ??
    textField(objectField(objectField(body, 'job'), 'room'), 'sid');
  return {
    source,
    id: reference(textField(body, 'id')) ?? bytesId(bytes),
    type,
    atUs: atSec === null ? null : atSec * 1_000_000,
    body,
    room: reference(room),
  };
}

interface Reading {
  readonly signal: CallSignal;
  readonly phase?: OrderKey['phase'];
  readonly seq?: number;
  readonly providerCode?: string | null;
  readonly details?: Details;
  readonly personal?: Readonly<Record<string, string>>;
}

/** A leg, as the attributes of its SIP participant describe it. */
interface SipLeg {
  readonly legRef: string;
  readonly direction: Direction | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly callStatus: string | null;
  readonly details: Details;
}

/** Null for a participant that is no telephone. Numbers are missing where the trunk hides them. */
function sipLegOf(participant: JsonObject | null): SipLeg | null {
  const attributes = objectField(participant, 'attributes');
  const callId = reference(textField(attributes, 'sip.callID'));
  const isSip = textField(participant, 'kind') === 'SIP' || callId !== null;
  const legRef = callId ?? reference(textField(participant, 'sid'));
  if (!isSip || legRef === null) return null;
  const callStatus = textField(attributes, 'sip.callStatus');
  // A dispatch rule takes calls in; only calls out are dialled.
  const isInbound = textField(attributes, 'sip.ruleID') !== null;
  const isOutbound = !isInbound && textField(attributes, 'sip.trunkID') !== null;
  const other = textField(attributes, 'sip.phoneNumber');
  const ours = textField(attributes, 'sip.trunkPhoneNumber');
  return {
    legRef,
    direction: isInbound ? 'inbound' : isOutbound || callStatus === 'dialing' ? 'outbound' : null,
    from: isOutbound ? ours : other,
    to: isOutbound ? other : ours,
    callStatus,
    details: known({
      sipStatus: safeName(callStatus),
      providerCallRef: reference(textField(attributes, 'sip.twilio.callSid')),
    }),
  };
}

const joinedAs: Readonly<Record<string, CallSignal>> = {
  dialing: statusSignal('initiated'),
  ringing: statusSignal('ringing'),
  active: statusSignal('answered'),
  // Connected, and dialling an extension.
  automation: statusSignal('answered'),
};

const leftBecause: Readonly<Record<string, FailureCause>> = {
  USER_UNAVAILABLE: 'no_answer',
  USER_REJECTED: 'busy',
  SIP_TRUNK_FAILURE: 'network',
};

function readLeft(participant: JsonObject | null): Reading {
  const said = safeName(textField(participant, 'disconnectReason'));
  const cause = said !== null && Object.hasOwn(leftBecause, said) ? leftBecause[said] : undefined;
  return {
    signal: cause === undefined ? statusSignal('completed') : { type: 'hangup', cause },
    phase: 2,
    providerCode: said,
  };
}

/** What an event says of a telephone in the room. */
function readSip(type: string, leg: SipLeg, participant: JsonObject | null): Reading {
  switch (type) {
    case 'participant_joined': {
      const { callStatus } = leg;
      const signal =
        callStatus !== null && Object.hasOwn(joinedAs, callStatus) ? joinedAs[callStatus] : null;
      return { signal: signal ?? noteSignal(type), seq: 1 };
    }
    case 'participant_left':
      return readLeft(participant);
    case 'participant_connection_aborted':
      // Sent in the place of `participant_left` for one that never came through.
      return { ...readLeft(participant), signal: { type: 'hangup', cause: 'network' } };
    default:
      return { signal: noteSignal(type), seq: 2 };
  }
}

/** A recording of the room; times of egress are nanoseconds, those of events seconds. */
function readEgress(type: string, egress: JsonObject | null): Reading {
  const status = textField(egress, 'status') ?? '';
  const [file = null] = listField(egress, 'fileResults').map(asObject);
  const durationNs = numberField(file, 'duration');
  const recordingStatus =
    status === 'EGRESS_COMPLETE' ? 'completed' : type === 'egress_ended' ? 'absent' : 'in-progress';
  return {
    signal: noteSignal('recording'),
    seq: 3,
    details: known<string | number>({
      recordingId: reference(textField(egress, 'egressId')),
      recordingStatus,
      recordingSec: durationNs === null ? null : Math.round(durationNs / 1e9),
      recordingBytes: numberField(file, 'size'),
      egressStatus: safeName(status),
    }),
    personal: known({ recordingUrl: textField(file, 'location') }),
  };
}

/** What an event says of the room itself, or of what in it is no telephone. */
function readRoom({ type, body }: LivekitEvent): Reading {
  if (type.startsWith('egress_')) return readEgress(type, objectField(body, 'egressInfo'));
  if (type === 'room_started') return { signal: noteSignal(type), phase: 0 };
  if (type === 'room_finished') {
    // Ends what nobody else ended; in a room where no telephone was answered nothing was completed.
    return { signal: { type: 'hangup', cause: 'canceled' }, phase: 2, seq: 9 };
  }
  const participant = objectField(body, 'participant');
  const track = objectField(body, 'track');
  return {
    signal: noteSignal(type),
    seq: 2,
    details: known({
      participantKind:
        participant === null ? null : (safeName(textField(participant, 'kind')) ?? 'STANDARD'),
      trackType: track === null ? null : (safeName(textField(track, 'type')) ?? 'AUDIO'),
    }),
  };
}

const readTypes = /^(room|participant|track|egress|ingress|agent_job)_/;

/** The fact of an event. One that names neither a room nor a telephone is not understood. */
export function mapLivekit(source: FactSource, bytes: Buffer): ProviderFact {
  const event = readEvent(source, bytes);
  if (event === null) {
    const reason = 'a body that is no LiveKit event';
    return notUnderstood(source, { reason, externalId: ['body', bytesId(bytes)] });
  }
  const { id, type, atUs, body, room } = event;
  const participant = objectField(body, 'participant');
  const leg = sipLegOf(participant);
  const legRef = leg?.legRef ?? room;
  if (legRef === null || !readTypes.test(type)) {
    const reason =
      legRef === null ? 'an event that names no room' : 'an event of a type we do not read';
    return notUnderstood(source, {
      reason,
      externalId: ['event', id],
      eventType: type,
      legRef,
      atUs,
    });
  }
  const reading = leg === null ? readRoom(event) : readSip(type, leg, participant);
  return callFact({
    factId: identify(source, ['event', id], type),
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, reading.phase ?? 1, atUs, reading.seq ?? 0),
    legRef,
    sessionRef: room,
    direction: leg?.direction ?? null,
    signal: reading.signal,
    providerCode: reading.providerCode ?? null,
    details: { ...leg?.details, ...reading.details },
    from: leg?.from ?? null,
    to: leg?.to ?? null,
    personal: reading.personal ?? {},
  });
}
