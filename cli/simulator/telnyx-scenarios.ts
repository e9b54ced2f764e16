// Simulator, Telnyx: calls and messages as they go in life. Chance comes in, an activity with its truth
// goes out. A hangup is read by whether the leg was answered, so both decide.

import { newPrivateKey, publicKeyOf } from '../../ingest/schemes/ed25519-timestamp.js';
import type { CallStatus, FailureCause } from '../../schemas/facts.js';
import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { fictionalNumber, type Random } from './random.js';
import { telnyxCallEvent, telnyxMessageEvent, type TelnyxLeg } from './telnyx-events.js';

function leg(random: Random, parts: Partial<TelnyxLeg> = {}): TelnyxLeg {
  return {
    legId: random.uuid(),
    sessionId: random.uuid(),
    controlId: `v3:${random.hex(40)}`,
    from: fictionalNumber(random),
    to: fictionalNumber(random),
    ...parts,
  };
}

interface Ending {
  readonly scenario: string;
  readonly direction: 'inbound' | 'outbound';
  readonly status: CallStatus;
  readonly cause?: FailureCause;
  readonly legs?: number;
}

function call(primary: TelnyxLeg, steps: readonly Step[], ending: Ending): Activity {
  const { scenario, direction, status, cause = null, legs = 1 } = ending;
  const ref = primary.legId;
  return {
    steps,
    truth: { provider: 'telnyx', kind: 'call', scenario, ref, status, cause, direction, legs },
  };
}

/** Makes the events of one leg. */
function eventsOf(random: Random, of: TelnyxLeg) {
  const event = (
    type: string,
    atMs: number,
    payload: Readonly<Record<string, unknown>> = {},
    decides = true,
  ): Step => telnyxCallEvent(random, of, { type, atMs, payload, decides });
  return {
    event,
    note: (type: string, atMs: number, payload: Readonly<Record<string, unknown>> = {}): Step =>
      event(type, atMs, payload, false),
    hangup: (atMs: number, cause: string, sipCode: string): Step =>
      event('call.hangup', atMs, {
        hangup_cause: cause,
        hangup_source: 'callee',
        sip_hangup_cause: sipCode,
      }),
  };
}

const outgoing = { direction: 'outgoing', state: 'bridging' } as const;
const incoming = { direction: 'incoming', state: 'parked' } as const;

const answered: Scenario = (random) => {
  const out = leg(random);
  const { event, note, hangup } = eventsOf(random, out);
  const answerMs = random.between(3000, 9000);
  const endMs = answerMs + random.between(6000, 45_000);
  const detected = random.chance(0.4)
    ? [
        note('call.machine.detection.ended', answerMs + 2200, {
          result: random.pick(['human', 'machine']),
        }),
      ]
    : [];
  return call(
    out,
    [
      event('call.initiated', 0, outgoing, false),
      event('call.answered', answerMs),
      ...detected,
      hangup(endMs, 'normal_clearing', '200'),
      note('call.cost', endMs + 3000, { total_cost: '0.0070', billed_duration_secs: 60 }),
    ],
    { scenario: 'outbound-answered', direction: 'outbound', status: 'completed' },
  );
};

const unanswered =
  (hangupCause: string, cause: FailureCause, sipCode: string): Scenario =>
  (random) => {
    const out = leg(random);
    const { event, hangup } = eventsOf(random, out);
    return call(
      out,
      [
        event('call.initiated', 0, outgoing, false),
        hangup(random.between(3000, 25_000), hangupCause, sipCode),
      ],
      { scenario: `outbound-${hangupCause}`, direction: 'outbound', status: 'failed', cause },
    );
  };

const held: Scenario = (random) => {
  const caller = leg(random);
  const { event, note, hangup } = eventsOf(random, caller);
  const holdMs = random.between(5000, 12_000);
  const backMs = holdMs + random.between(4000, 15_000);
  const endMs = backMs + random.between(4000, 15_000);
  return call(
    caller,
    [
      event('call.initiated', 0, incoming, false),
      event('call.answered', 1500),
      note('call.hold', holdMs),
      note('call.unhold', backMs),
      hangup(endMs, 'normal_clearing', '200'),
    ],
    { scenario: 'inbound-hold', direction: 'inbound', status: 'completed' },
  );
};

/** A caller is passed on to a further leg of the same session. */
const transferred: Scenario = (random) => {
  const caller = leg(random);
  const agent = leg(random, { sessionId: caller.sessionId, from: caller.from });
  const a = eventsOf(random, caller);
  const b = eventsOf(random, agent);
  const passMs = random.between(5000, 12_000);
  const joinMs = passMs + random.between(2000, 6000);
  const endMs = joinMs + random.between(6000, 25_000);
  return call(
    caller,
    [
      a.event('call.initiated', 0, incoming, false),
      a.event('call.answered', 1500),
      b.note('call.initiated', passMs, outgoing),
      b.note('call.answered', joinMs),
      a.note('call.bridged', joinMs + 50),
      b.note('call.bridged', joinMs + 60),
      b.note('call.hangup', endMs, { hangup_cause: 'normal_clearing', sip_hangup_cause: '200' }),
      a.hangup(endMs + 400, 'normal_clearing', '200'),
    ],
    { scenario: 'inbound-transfer', direction: 'inbound', status: 'completed', legs: 2 },
  );
};

const abandoned: Scenario = (random) => {
  const caller = leg(random);
  const { event, hangup } = eventsOf(random, caller);
  return call(
    caller,
    [
      event('call.initiated', 0, incoming, false),
      hangup(random.between(3000, 15_000), 'originator_cancel', '487'),
    ],
    { scenario: 'inbound-abandoned', direction: 'inbound', status: 'failed', cause: 'canceled' },
  );
};

const telnyxInbox: Scenario = (random) => {
  const id = random.uuid();
  const parties = { from: fictionalNumber(random), to: fictionalNumber(random) };
  const message = {
    id,
    direction: 'inbound',
    ...parties,
    text: 'Can we move it to 3 pm?',
  } as const;
  const parts = { type: 'message.received', atMs: 0, status: 'webhook_delivered' };
  return {
    steps: [telnyxMessageEvent(random, message, parts)],
    truth: {
      provider: 'telnyx',
      kind: 'message',
      scenario: 'message-inbound',
      ref: id,
      status: 'received',
      cause: null,
      direction: 'inbound',
      legs: 0,
    },
  };
};

const telnyxOutbox: Scenario = (random) => {
  const id = random.uuid();
  const parties = { from: fictionalNumber(random), to: fictionalNumber(random) };
  const message = { id, direction: 'outbound', ...parties, text: 'Your table is ready.' } as const;
  const isDelivered = random.chance(0.85);
  const said = isDelivered ? 'delivered' : 'delivery_failed';
  const status = isDelivered ? 'delivered' : 'undelivered';
  const atMs = random.between(1500, 6000);
  return {
    steps: [
      telnyxMessageEvent(random, message, {
        type: 'message.sent',
        atMs: 500,
        status: 'sent',
        decides: false,
      }),
      telnyxMessageEvent(random, message, { type: 'message.finalized', atMs, status: said }),
    ],
    truth: {
      provider: 'telnyx',
      kind: 'message',
      scenario: `message-${status}`,
      ref: id,
      status,
      cause: null,
      direction: 'outbound',
      legs: 0,
    },
  };
};

/** Calls, each as often as it stands here. */
const telnyxCalls: readonly Scenario[] = [
  answered,
  answered,
  answered,
  held,
  transferred,
  abandoned,
  unanswered('user_busy', 'busy', '486'),
  unanswered('timeout', 'no_answer', '487'),
  unanswered('call_rejected', 'rejected', '603'),
];

export const simulatedTelnyx: SimulatedProvider = {
  provider: 'telnyx',
  calls: telnyxCalls,
  messages: [telnyxInbox, telnyxOutbox],
  records: [],
  newAccount() {
    const privateKeyBase64 = newPrivateKey();
    const endpoint = { publicKeyBase64: publicKeyOf(privateKeyBase64) };
    return { sender: { privateKeyBase64 }, endpoint };
  },
};
