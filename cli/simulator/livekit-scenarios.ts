// Simulator, LiveKit: rooms in which a telephone meets an agent. Chance comes in, an activity with its truth
// goes out. JSON of protobuf: 64-bit numbers are texts, event times are seconds, those of egress nanoseconds.

import { randomBytes } from 'node:crypto';
import type { FailureCause } from '../../schemas/facts.js';
import type { Scenario, SimulatedProvider, Step } from './activity.js';
import { jsonStep } from './agent-talk.js';
import { endedCall, type CallEnding } from './ending.js';
import { fictionalNumber, type Random } from './random.js';

type Fields = Readonly<Record<string, unknown>>;

const contentType = 'application/webhook+json';
const seconds = (ms: number): string => String(Math.floor(ms / 1000));
const nanoseconds = (ms: number): string => `${String(Math.floor(ms))}000000`;
const id = (random: Random, prefix: string): string => `${prefix}_${random.hex(12)}`;

/** Makes the events of one room and of the telephone in it. */
function eventsOf(random: Random, direction: CallEnding['direction']) {
  const sid = id(random, 'RM');
  const name = `call-${random.hex(8)}`;
  const callId = id(random, 'SCL');
  const event = (
    type: string,
    atMs: number,
    fields: (startMs: number) => Fields,
    decides = false,
  ): Step => {
    const eventId = id(random, 'EV');
    const content = (startMs: number): Fields => ({
      event: type,
      ...fields(startMs),
      ...{ id: eventId, createdAt: seconds(startMs + atMs) },
    });
    return jsonStep(atMs, decides, content, contentType);
  };
  const room = (startMs: number): Fields => ({
    room: { sid, name, emptyTimeout: 300, creationTime: seconds(startMs) },
  });
  const attributes = {
    'sip.callID': callId,
    'sip.phoneNumber': fictionalNumber(random),
    'sip.trunkPhoneNumber': fictionalNumber(random),
    'sip.trunkID': id(random, 'ST'),
    ...(direction === 'inbound' ? { 'sip.ruleID': id(random, 'SDR') } : {}),
  };
  const phone = { sid: id(random, 'PA'), identity: `sip_${callId}`, kind: 'SIP' };
  const telephone = (said: string, more: Fields = {}) => ({
    participant: { ...phone, attributes: { ...attributes, 'sip.callStatus': said }, ...more },
  });
  const agent = { sid: id(random, 'PA'), identity: 'agent', kind: 'AGENT', state: 'ACTIVE' };
  return {
    callId,
    started: event('room_started', 0, room),
    finished: (atMs: number): Step => event('room_finished', atMs, room),
    joined: (atMs: number, said: string): Step =>
      event('participant_joined', atMs, (startMs) => ({ ...room(startMs), ...telephone(said) })),
    left: (atMs: number, disconnectReason: string): Step =>
      event(
        'participant_left',
        atMs,
        (startMs) => ({ ...room(startMs), ...telephone('hangup', { disconnectReason }) }),
        true,
      ),
    agentJoined: (atMs: number): Step =>
      event('participant_joined', atMs, (startMs) => ({ ...room(startMs), participant: agent })),
    recorded: (atMs: number): Step => {
      const egressId = id(random, 'EG');
      return event('egress_ended', atMs, (startMs) => ({
        egressInfo: {
          ...{ egressId, roomId: sid, roomName: name, status: 'EGRESS_COMPLETE' },
          ...{ startedAt: nanoseconds(startMs), endedAt: nanoseconds(startMs + atMs) },
          fileResults: [
            { location: `https://storage.example.com/${egressId}.ogg`, size: '400000' },
          ],
        },
      }));
    },
  };
}

const held =
  (direction: CallEnding['direction']): Scenario =>
  (random) => {
    const events = eventsOf(random, direction);
    const endMs = random.between(9000, 60_000);
    const steps = [
      events.started,
      events.agentJoined(1000),
      events.joined(2000, 'active'),
      events.left(endMs, 'CLIENT_INITIATED'),
      ...(random.chance(0.3) ? [events.recorded(endMs + 2000)] : []),
      events.finished(endMs + 3000),
    ];
    const ending = { scenario: `${direction}-held`, direction, status: 'completed' } as const;
    return endedCall('livekit', events.callId, steps, ending);
  };

const unanswered =
  (disconnectReason: string, cause: FailureCause): Scenario =>
  (random) => {
    const events = eventsOf(random, 'outbound');
    const endMs = random.between(4000, 25_000);
    const steps = [
      events.started,
      events.joined(1000, 'dialing'),
      events.left(endMs, disconnectReason),
      events.finished(endMs + 3000),
    ];
    const scenario = `outbound-${disconnectReason.toLowerCase()}`;
    const ending = { scenario, direction: 'outbound', status: 'failed', cause } as const;
    return endedCall('livekit', events.callId, steps, ending);
  };

export const simulatedLivekit: SimulatedProvider = {
  provider: 'livekit',
  calls: [
    held('inbound'),
    held('inbound'),
    held('outbound'),
    unanswered('USER_UNAVAILABLE', 'no_answer'),
    unanswered('USER_REJECTED', 'busy'),
    unanswered('SIP_TRUNK_FAILURE', 'network'),
  ],
  messages: [],
  records: [],
  newAccount() {
    const account = {
      apiKey: `API${randomBytes(6).toString('hex')}`,
      apiSecret: randomBytes(32).toString('base64url'),
    };
    return { sender: account, endpoint: account };
  },
};
