// Simulator, Stripe: subscriptions and invoices. Chance comes in, an activity with its truth goes out. Events are
// pretty-printed, as Stripe sends them.

import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import type { Random } from './random.js';
import { newTextSecret } from './secrets.js';

type Json = Readonly<Record<string, unknown>>;

/** What one event says beside its id. */
interface Said {
  readonly type: string;
  readonly atMs: number;
  readonly object: Json;
  readonly decides?: boolean;
}

/** An event; its id stays the same over attempts while time and signature are new. */
function event(random: Random, { type, atMs, object, decides = true }: Said): Step {
  const id = `evt_1${random.hex(22)}`;
  const head = { id, object: 'event', api_version: '2026-08-26' };
  const tail = { livemode: false, pending_webhooks: 1, type };
  return {
    atMs,
    decides,
    content: (startMs) => {
      const created = Math.floor((startMs + atMs) / 1000);
      const text = JSON.stringify({ ...head, created, data: { object }, ...tail }, null, 2);
      return { type: 'json', contentType: 'application/json; charset=utf-8', text };
    },
  };
}

const told = (scenario: string, ref: string, steps: readonly Step[]): Activity => ({
  steps,
  truth: {
    ...{ provider: 'stripe', kind: 'record', scenario, ref, status: null, cause: null },
    ...{ direction: null, legs: 0 },
  },
});

function subscription(random: Random) {
  const id = `sub_1${random.hex(22)}`;
  const customer = `cus_${random.hex(14)}`;
  const price = { id: `price_1${random.hex(22)}`, object: 'price' };
  const items = { object: 'list', data: [{ id: `si_${random.hex(14)}`, price, quantity: 3 }] };
  const as = (status: string, more: Json = {}): Json => ({
    ...{ id, object: 'subscription', customer, status, cancel_at_period_end: false, items },
    ...more,
  });
  return { id, customer, as };
}

/** Created, paid and active within a second, in whichever order that is told. */
const subscribes: Scenario = (random) => {
  const { id, customer, as } = subscription(random);
  const invoice = { id: `in_1${random.hex(22)}`, object: 'invoice', customer, subscription: id };
  const paid = { ...invoice, status: 'paid', amount_paid: 4900, currency: 'usd' };
  return told('subscribes', id, [
    event(random, {
      type: 'customer.subscription.created',
      atMs: 0,
      object: as('incomplete'),
      decides: false,
    }),
    event(random, {
      type: 'invoice.paid',
      atMs: 300,
      object: { ...paid, customer_email: 'ada@example.com' },
      decides: false,
    }),
    event(random, { type: 'customer.subscription.updated', atMs: 400, object: as('active') }),
  ]);
};

const cancels: Scenario = (random) => {
  const { id, as } = subscription(random);
  const endMs = random.between(4000, 15_000);
  return told('cancels', id, [
    event(random, {
      type: 'customer.subscription.updated',
      atMs: 0,
      object: as('active'),
      decides: false,
    }),
    event(random, {
      type: 'customer.subscription.updated',
      atMs: 2000,
      object: as('past_due'),
      decides: false,
    }),
    event(random, { type: 'customer.subscription.deleted', atMs: endMs, object: as('canceled') }),
  ]);
};

const invoiced: Scenario = (random) => {
  const customer = `cus_${random.hex(14)}`;
  const invoice = { id: `in_1${random.hex(22)}`, object: 'invoice', customer, currency: 'usd' };
  const owed = { ...invoice, amount_due: 4900, customer_email: 'grace@example.com' };
  return told('invoiced', invoice.id, [
    event(random, {
      type: 'invoice.finalized',
      atMs: 0,
      object: { ...owed, status: 'open' },
      decides: false,
    }),
    event(random, {
      type: 'invoice.payment_failed',
      atMs: 1500,
      object: { ...owed, status: 'open' },
      decides: false,
    }),
    event(random, {
      type: 'invoice.paid',
      atMs: 6000,
      object: { ...owed, status: 'paid', amount_paid: 4900 },
    }),
  ]);
};

export const simulatedStripe: SimulatedProvider = {
  provider: 'stripe',
  calls: [],
  messages: [],
  records: [subscribes, subscribes, cancels, invoiced],
  newAccount() {
    const account = { endpointSecret: `whsec_${newTextSecret()}` };
    return { sender: account, endpoint: account };
  },
};
