// Simulator: senders that have no file of their own and tell in our JSON form (docs/own-events.md), signed as
// Standard Webhooks or by a generic HMAC. Chance comes in, an activity with its truth goes out.

import type { MessageStatus } from '../../schemas/facts.js';
import type { Activity, SimulatedAccount, SimulatedProvider, Step, Truth } from './activity.js';
import { fictionalNumber, type Random } from './random.js';
import { newSigningSecret, newTextSecret } from './secrets.js';

type Json = Readonly<Record<string, unknown>>;

/** What one event says beside its id. */
interface Said {
  readonly type: string;
  readonly atMs: number;
  readonly body: Json;
  readonly decides?: boolean;
}

function event(random: Random, { type, atMs, body, decides = true }: Said): Step {
  const id = `evt_${random.hex(16)}`;
  return {
    atMs,
    decides,
    content: (startMs) => ({
      type: 'json',
      text: JSON.stringify({
        ...{ type, id, occurredAt: new Date(startMs + atMs).toISOString() },
        ...body,
      }),
    }),
  };
}

/** Scenarios differ in who signs, not in what is told. */
type Told = (random: Random) => {
  readonly steps: readonly Step[];
  readonly truth: Omit<Truth, 'provider'>;
};

type CallSteps = readonly (readonly [word: string, atMs: number, more: Json])[];

function callSteps(random: Random, told: CallSteps): { ref: string; steps: readonly Step[] } {
  const ref = `call-${random.hex(16)}`;
  const call = { id: ref, direction: 'inbound', from: fictionalNumber(random) };
  const parties = { ...call, to: fictionalNumber(random) };
  const steps = told.map(([word, atMs, more]) =>
    event(random, {
      ...{ type: `call.${word}`, atMs, body: { call: { ...parties, ...more } } },
      decides: word !== 'ringing',
    }),
  );
  return { ref, steps };
}

const answered: Told = (random) => {
  const endMs = random.between(8000, 40_000);
  const durationSec = Math.round((endMs - 2000) / 1000);
  const { ref, steps } = callSteps(random, [
    ['ringing', 0, {}],
    ['answered', 2000, {}],
    ['completed', endMs, { durationSec }],
  ]);
  const ends = { status: 'completed', cause: null, direction: 'inbound', legs: 1 } as const;
  return { steps, truth: { kind: 'call', scenario: 'answered', ref, ...ends } };
};

const missed: Told = (random) => {
  const { ref, steps } = callSteps(random, [
    ['ringing', 0, {}],
    ['failed', random.between(8000, 25_000), { cause: 'no_answer' }],
  ]);
  const ends = { status: 'failed', cause: 'no_answer', direction: 'inbound', legs: 1 } as const;
  return { steps, truth: { kind: 'call', scenario: 'missed', ref, ...ends } };
};

const message =
  (
    direction: 'inbound' | 'outbound',
    before: readonly MessageStatus[],
    last: MessageStatus,
  ): Told =>
  (random) => {
    const ref = `message-${random.hex(16)}`;
    const parties = { from: fictionalNumber(random), to: fictionalNumber(random) };
    const body = { message: { id: ref, direction, ...parties, text: 'Your table is ready.' } };
    const steps = [...before, last].map((status, index) =>
      event(random, {
        ...{ type: `message.${status}`, atMs: index * 900, body },
        decides: status === last,
      }),
    );
    const ends = { status: last, cause: null, direction, legs: 0 } as const;
    return { steps, truth: { kind: 'message', scenario: `message-${last}`, ref, ...ends } };
  };

/** What is neither call nor message: a record. */
const ticket: Told = (random) => {
  const ref = `ticket-${random.hex(12)}`;
  const data = (status: string) => ({ data: { id: ref, status, subject: 'Hello' } });
  const steps = [
    event(random, { type: 'ticket.created', atMs: 0, body: data('open'), decides: false }),
    event(random, { type: 'ticket.closed', atMs: 5000, body: data('closed') }),
  ];
  const ends = { status: null, cause: null, direction: null, legs: 0 } as const;
  return { steps, truth: { kind: 'record', scenario: 'ticket', ref, ...ends } };
};

function simulated(
  provider: string,
  newCredential: () => Readonly<Record<string, string>>,
): SimulatedProvider {
  const playedBy =
    (told: Told) =>
    (random: Random): Activity => {
      const { steps, truth } = told(random);
      return { steps, truth: { provider, ...truth } };
    };
  return {
    provider,
    calls: [answered, answered, missed].map(playedBy),
    messages: [
      message('inbound', [], 'received'),
      message('outbound', ['queued', 'sent'], 'delivered'),
    ].map(playedBy),
    records: [ticket].map(playedBy),
    newAccount(): SimulatedAccount {
      const account = newCredential();
      return { sender: account, endpoint: account };
    },
  };
}

export const simulatedStandardWebhooks = simulated('standard-webhooks', () => ({
  signingSecret: newSigningSecret(),
}));

export const simulatedGenericHmac = simulated('generic-hmac', () => ({
  secret: newTextSecret(),
  signatureHeader: 'x-signature-256',
  signaturePrefix: 'sha256=',
  timestampHeader: 'x-timestamp',
}));
