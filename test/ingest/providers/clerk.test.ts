// What Clerk tells becomes records of the tenant's organisation, with nothing of anybody in the clear.

import { describe, expect, it } from 'vitest';
import type { RecordFact } from '../../../schemas/facts.js';
import { newSigningSecret } from '../../../cli/simulator/secrets.js';
import { signAs } from '../signing.js';
import { factsOf, nowMs, post, told } from './message-senders.js';

const credentials = { signingSecret: newSigningSecret() };

const event = (type: string, data: object, more: object = {}) => ({
  ...{ type, data, object: 'event', timestamp: nowMs, instance_id: 'ins_1' },
  ...more,
});

function only(type: string, data: object, more: object = {}): RecordFact {
  const [fact] = told('clerk', event(type, data, more), credentials);
  if (fact?.kind !== 'record') throw new Error(String(fact?.kind));
  return fact;
}

const ada = {
  ...{ id: 'user_1', object: 'user', first_name: 'Ada', last_name: 'Fixture', banned: false },
  email_addresses: [
    { id: 'idn_1', email_address: 'old@example.com' },
    { id: 'idn_2', email_address: 'ada@example.com' },
  ],
  primary_email_address_id: 'idn_2',
  phone_numbers: [{ id: 'idn_3', phone_number: '+15555550142' }],
};

describe('Clerk tells of', () => {
  it('a user, with the primary address, all of it sealed under the user’s own subject', () => {
    expect(only('user.created', ada)).toMatchObject({
      ...{ area: 'organisation', event: 'organisation.user_created', eventType: 'user.created' },
      ...{ objectType: 'user', objectRef: 'user_1', status: 'active', deleted: false, about: null },
      ...{ occurredAt: nowMs, order: { phase: 0, atUs: nowMs * 1000 } },
      details: { instanceId: 'ins_1' },
      personal: { email: 'ada@example.com', phone: '+15555550142', firstName: 'Ada' },
    });
    expect(only('user.updated', { ...ada, banned: true }).status).toBe('banned');
  });

  it('a deletion that names its object and nothing else', () => {
    const fact = only('user.deleted', { id: 'user_1', object: 'user', deleted: true });
    expect(fact).toMatchObject({
      ...{ event: 'organisation.user_deleted', objectRef: 'user_1', deleted: true, status: null },
      ...{ order: { phase: 2 }, personal: {} },
    });
  });

  it('a member: of an organisation, and about a user', () => {
    const data = {
      ...{ id: 'orgmem_1', role: 'org:admin', organization: { id: 'org_1', name: 'Acme' } },
      public_user_data: { user_id: 'user_1', identifier: 'ada@example.com' },
    };
    expect(only('organizationMembership.created', data)).toMatchObject({
      ...{ event: 'organisation.member_added', objectType: 'member', objectRef: 'orgmem_1' },
      ...{ parentRef: 'org_1', about: { objectType: 'user', objectRef: 'user_1' } },
      ...{ details: { role: 'org:admin', userId: 'user_1' } },
      personal: { identifier: 'ada@example.com' },
    });
    expect(only('organizationMembership.deleted', data).event).toBe('organisation.member_removed');
    expect(only('organizationMembership.updated', data).event).toBe('organisation.member_updated');
  });

  it('an organisation, an invitation, a domain and a session', () => {
    expect(only('organization.created', { id: 'org_1', name: 'Acme', slug: 'acme' })).toMatchObject(
      {
        ...{
          event: 'organisation.created',
          objectType: 'organisation',
          personal: { name: 'Acme' },
        },
      },
    );
    const invitation = { id: 'orginv_1', organization_id: 'org_1', status: 'pending' };
    expect(
      only('organizationInvitation.created', { ...invitation, email_address: 'b@example.com' }),
    ).toMatchObject({
      ...{ event: 'organisation.invitation_created', parentRef: 'org_1', status: 'pending' },
      personal: { email: 'b@example.com' },
    });
    expect(
      only('organizationDomain.created', { id: 'orgdom_1', organization_id: 'org_1' }),
    ).toMatchObject({
      ...{ event: 'organisation.domain_created', parentRef: 'org_1' },
    });
    expect(
      only('session.ended', { id: 'sess_1', user_id: 'user_1', status: 'ended' }),
    ).toMatchObject({
      ...{ event: 'organisation.session_ended', parentRef: 'user_1', status: 'ended' },
    });
  });

  it('mails and texts by who gets them, never by what they say', () => {
    const fact = only('sms.created', {
      ...{ id: 'sms_1', user_id: 'user_1', slug: 'verification_code', status: 'queued' },
      ...{
        to_phone_number: '+15555550142',
        message: '424242 is your code',
        data: { otp_code: '424242' },
      },
    });
    expect(fact).toMatchObject({ event: 'organisation.sms_created', status: 'queued' });
    expect(fact.personal).toEqual({ phone: '+15555550142' });
    expect(JSON.stringify(fact)).not.toContain('424242');
  });

  it('what it sells, as billing', () => {
    const data = {
      id: 'csub_1',
      status: 'active',
      payer: { id: 'cpayer_1', organization_id: 'org_1' },
    };
    expect(only('subscription.active', data)).toMatchObject({
      ...{ area: 'billing', event: 'billing.subscription_active', parentRef: 'org_1' },
      ...{ status: 'active', details: { payerId: 'cpayer_1' } },
    });
    expect(only('subscriptionItem.freeTrialEnding', data).event).toBe(
      'billing.subscription_item_free_trial_ending',
    );
    expect(only('paymentAttempt.created', data).event).toBe('billing.payment_attempt_created');
  });

  it('what it added since, by its own name', () => {
    expect(only('machineToken.rotated', { id: 'mt_1', secret: 'x' })).toMatchObject({
      ...{
        event: 'organisation.machine_token_rotated',
        objectType: 'machine_token',
        objectRef: 'mt_1',
      },
      personal: {},
    });
  });

  it('what has no id of its own, as a record of the delivery', () => {
    const fact = only('user.created', { object: 'user' });
    expect(fact.objectRef).toBe(fact.factId);
  });
});

it('one message is one fact over retries, two messages are two', () => {
  const body = JSON.stringify(event('user.updated', ada));
  const signed = (id: string, atMs: number) => {
    const request = {
      ...post(body),
      headers: { 'content-type': 'application/json', 'svix-id': id },
    };
    const [fact] = factsOf('clerk', signAs('clerk', request, credentials, atMs), credentials);
    return fact?.factId;
  };
  expect(signed('msg_1', nowMs)).toBe(signed('msg_1', nowMs + 200_000));
  expect(signed('msg_1', nowMs)).not.toBe(signed('msg_2', nowMs));
});

it('a body that is no event is kept and said', () => {
  for (const odd of [[], { type: 'user.created' }, { data: {} }, 7, null]) {
    expect(told('clerk', odd, credentials)[0]?.kind).toBe('not_understood');
  }
});
