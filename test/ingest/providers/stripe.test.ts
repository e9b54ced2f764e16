// Stripe beside its own SDK: what it signs we take, what we sign it takes, and its traps (provider sheet,
// section 8), each judged by both.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';
import { stripeSdk, stripeTakes } from '../judges.js';
import { signAs } from '../signing.js';
import { judged, mutated, nowMs, post, told } from './message-senders.js';

const endpointSecret = 'whsec_fixture_stripe_endpoint_secret_01';
const body = JSON.stringify({ id: 'evt_1', object: 'event', type: 'invoice.paid' }, null, 2);
const second = nowMs / 1000;

const headerAt = (timestamp: number, secret = endpointSecret): string =>
  stripeSdk.generateTestHeaderString({ payload: body, secret, timestamp });
const given = (header: string): OutgoingDelivery => ({
  ...post(body),
  headers: { 'stripe-signature': header },
});
const v1Of = (header: string): string => header.slice(header.indexOf('v1='));
const taken = (request: OutgoingDelivery, atMs = nowMs): boolean =>
  judged('stripe', request, { endpointSecret }, atMs).accepted;

function expectBoth(header: string, expected: boolean, atMs = nowMs): void {
  const request = given(header);
  expect(stripeTakes(request, endpointSecret, atMs), header).toBe(expected);
  expect(taken(request, atMs), header).toBe(expected);
}

describe('Stripe', () => {
  it('takes what the SDK signs, and signs what it takes', () => {
    expectBoth(headerAt(second), true);
    const signed = signAs('stripe', post(body), { endpointSecret }, nowMs);
    expect(stripeTakes(signed, endpointSecret, nowMs)).toBe(true);
    expect(taken(signed)).toBe(true);
  });

  it('keys with the whole secret as text, and does not decode it', () => {
    const bare = endpointSecret.slice('whsec_'.length);
    expectBoth(headerAt(second, bare), false);
    expectBoth(headerAt(second, 'whsec_another'), false);
  });

  it('looks back 300 s and not ahead', () => {
    expectBoth(headerAt(second - 300), true, nowMs + 999);
    expectBoth(headerAt(second - 301), false);
    expect(judged('stripe', given(headerAt(second - 301)), { endpointSecret }).code).toBe(
      'timestamp_stale',
    );
    expectBoth(headerAt(second + 86_400), true);
  });

  it('takes one matching v1 of several; v0 says nothing', () => {
    const good = headerAt(second);
    const foreign = v1Of(headerAt(second, 'whsec_another'));
    expectBoth(`t=${second},${foreign},${v1Of(good)}`, true);
    expectBoth(`${good},${foreign}`, true);
    expectBoth(`t=${second},${foreign}`, false);
    expectBoth(`t=${second},${v1Of(good).replace('v1=', 'v0=')}`, false);
    expectBoth(`${v1Of(good)},t=${second},v0=x`, true);
  });

  it('does not trim, and wants lower-case hex', () => {
    const good = headerAt(second);
    expectBoth(good.replace(',', ', '), false);
    expectBoth(`t=${second},${v1Of(good).toUpperCase().replace('V1=', 'v1=')}`, false);
    expectBoth(` ${good}`, false);
  });

  it('reads elements as the SDK does: the last t counts, parsed and written anew', () => {
    const v1 = v1Of(headerAt(second));
    const headers = [
      `t=1,t=${second},${v1}`,
      `t=${second},t=1,${v1}`,
      `t=0${second},${v1}`,
      `t=${second}.5,${v1}`,
      `t=${second}=1,${v1}=x`,
      `t=,${v1}`,
      `t=x,${v1}`,
      v1,
      't=1',
      '',
      ',,,',
    ];
    for (const header of headers) {
      expect(taken(given(header)), header).toBe(stripeTakes(given(header), endpointSecret, nowMs));
    }
  });

  it('refuses a body that was serialised again, and an empty one', () => {
    const request = given(headerAt(second));
    const again = { ...request, body: Buffer.from(JSON.stringify(JSON.parse(body))) };
    expect(stripeTakes(again, endpointSecret, nowMs)).toBe(false);
    expect(taken(again)).toBe(false);
    const header = stripeSdk.generateTestHeaderString({
      payload: '',
      secret: endpointSecret,
      timestamp: second,
    });
    const empty = { ...given(header), body: Buffer.alloc(0) };
    // The SDK refuses it as text, and takes it as bytes.
    expect(taken(empty)).toBe(false);
  });

  it('refuses every change of one bit in body and signature', () => {
    let tried = 0;
    for (const request of mutated(given(headerAt(second)), ['stripe-signature'])) {
      expect(taken(request), request.headers['stripe-signature']).toBe(false);
      tried += 1;
    }
    expect(tried).toBeGreaterThan(100);
  });

  // An empty `v1=` makes the SDK throw, whatever else the list holds: no sender sends one.
  it('agrees with the SDK on any list', () => {
    const v1 = v1Of(headerAt(second));
    const element = fc.oneof(
      fc.constantFrom(v1, `t=${second}`, `t=${second - 400}`, 't=', 'v1=x', 'v0=x', '', ' ', 't'),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(element, { maxLength: 6 }), (elements) => {
        const request = given(elements.join(','));
        expect(taken(request)).toBe(stripeTakes(request, endpointSecret, nowMs));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('what Stripe tells', () => {
  const credentials = { endpointSecret };
  const only = (event: object) => {
    const [fact] = told('stripe', event, credentials);
    if (fact?.kind !== 'record') throw new Error(String(fact?.kind));
    return fact;
  };
  const event = (type: string, object: object, more: object = {}) => ({
    ...{ id: 'evt_1', object: 'event', created: second, type, data: { object }, livemode: true },
    ...more,
  });

  it('is a record of billing: what happened, to what, of whom', () => {
    const fact = only(
      event('invoice.paid', {
        ...{ id: 'in_1', object: 'invoice', customer: { id: 'cus_1' }, subscription: 'sub_1' },
        ...{
          status: 'paid',
          amount_paid: 4900,
          currency: 'usd',
          customer_email: 'ada@example.com',
        },
      }),
    );
    expect(fact).toMatchObject({
      ...{ area: 'billing', event: 'billing.invoice_paid', eventType: 'invoice.paid' },
      ...{ objectType: 'invoice', objectRef: 'in_1', parentRef: 'cus_1', status: 'paid' },
      ...{ occurredAt: nowMs, about: { objectType: 'customer', objectRef: 'cus_1' } },
      details: { amountPaid: 4900, currency: 'usd', subscription: 'sub_1', livemode: true },
      personal: { email: 'ada@example.com' },
    });
  });

  it('of a customer is about the customer', () => {
    const fact = only(event('customer.updated', { id: 'cus_1', object: 'customer', name: 'Ada' }));
    expect(fact).toMatchObject({
      ...{ event: 'billing.customer_updated', objectRef: 'cus_1', about: null },
      personal: { name: 'Ada' },
    });
  });

  it('of a subscription drops the customer from its name, and ends with its deletion', () => {
    const object = { id: 'sub_1', object: 'subscription', customer: 'cus_1', status: 'canceled' };
    expect(only(event('customer.subscription.deleted', object))).toMatchObject({
      ...{ event: 'billing.subscription_deleted', deleted: true, status: 'canceled' },
      order: { phase: 2 },
    });
    expect(only(event('customer.subscription.created', object))).toMatchObject({
      order: { phase: 0 },
    });
  });

  it('within one second stands in the order of a subscription’s life', () => {
    const status = (name: string) =>
      only(
        event('customer.subscription.updated', {
          id: 'sub_1',
          object: 'subscription',
          status: name,
        }),
      );
    const ranks = ['incomplete', 'active', 'past_due', 'canceled'].map(
      (name) => status(name).order.seq,
    );
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    expect(new Set(ranks).size).toBe(4);
  });

  it('by Connect names the account', () => {
    const object = { id: 'acct_1', object: 'account', charges_enabled: true };
    expect(only(event('account.updated', object, { account: 'acct_1' }))).toMatchObject({
      ...{ event: 'billing.account_updated', objectType: 'account' },
      details: { account: 'acct_1', chargesEnabled: true },
    });
  });

  it('thinly names its object', () => {
    expect(
      only({
        ...{ id: 'evt_2', object: 'v2.core.event', type: 'v2.core.account.updated' },
        ...{ created: '2026-10-01T10:00:00.000Z', livemode: false },
        related_object: { id: 'acct_2', type: 'v2.core.account', url: '/v2/core/accounts/acct_2' },
      }),
    ).toMatchObject({
      ...{ event: 'billing.account_updated', objectType: 'account', objectRef: 'acct_2' },
      occurredAt: Date.parse('2026-10-01T10:00:00.000Z'),
    });
  });

  it('is one fact however often and however late it comes', () => {
    const once = only(event('invoice.paid', { id: 'in_1', object: 'invoice' }));
    const again = only(
      event('invoice.paid', { id: 'in_1', object: 'invoice' }, { pending_webhooks: 3 }),
    );
    expect(again.factId).toBe(once.factId);
  });

  it('that is no event is kept and said', () => {
    for (const odd of [[], 'text', { id: 'evt_1' }, null]) {
      expect(told('stripe', odd, credentials)[0]?.kind).toBe('not_understood');
    }
  });
});
