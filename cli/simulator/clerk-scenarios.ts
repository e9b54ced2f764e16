// Simulator, Clerk: people and organisations as they come and go. Chance comes in, an activity with its truth
// goes out. Names and addresses are nobody's.

import type { Activity, Scenario, SimulatedProvider, Step } from './activity.js';
import { newSigningSecret } from './secrets.js';
import type { Random } from './random.js';

const firstNames = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Alan'] as const;
const lastNames = ['Fixture', 'Sample', 'Example'] as const;

type Json = Readonly<Record<string, unknown>>;

/** One event of an instance. Each is a message of its own, so its body differs from every other. */
function event(type: string, atMs: number, data: (startMs: number) => Json, decides = true): Step {
  return {
    atMs,
    decides,
    content: (startMs) => ({
      type: 'json',
      text: JSON.stringify({
        data: data(startMs),
        event_attributes: { http_request: { client_ip: '203.0.113.7', user_agent: 'Simulated' } },
        instance_id: 'ins_simulated0001',
        object: 'event',
        timestamp: startMs + atMs,
        type,
      }),
    }),
  };
}

function person(random: Random) {
  const [first, last] = [random.pick(firstNames), random.pick(lastNames)];
  const email = `${first}.${last}.${random.hex(4)}@example.com`.toLowerCase();
  return { id: `user_${random.hex(24)}`, first, last, email };
}
type Person = ReturnType<typeof person>;

const userData = ({ id, first, last, email }: Person, startMs: number, more: Json = {}): Json => ({
  id,
  object: 'user',
  first_name: first,
  last_name: last,
  email_addresses: [{ id: 'idn_1', object: 'email_address', email_address: email }],
  primary_email_address_id: 'idn_1',
  banned: false,
  locked: false,
  created_at: startMs,
  updated_at: startMs,
  public_metadata: {},
  ...more,
});

const told = (scenario: string, ref: string, steps: readonly Step[]): Activity => ({
  steps,
  truth: {
    ...{ provider: 'clerk', kind: 'record', scenario, ref, status: null, cause: null },
    ...{ direction: null, legs: 0 },
  },
});

const signUp: Scenario = (random) => {
  const who = person(random);
  const editMs = random.between(2000, 9000);
  return told('user-signs-up', who.id, [
    event('user.created', 0, (startMs) => userData(who, startMs)),
    event(
      'user.updated',
      editMs,
      (startMs) => userData(who, startMs, { updated_at: startMs + editMs }),
      false,
    ),
  ]);
};

/** A deletion carries the id alone; what was known of the user stays known. */
const leaves: Scenario = (random) => {
  const who = person(random);
  return told('user-leaves', who.id, [
    event('user.created', 0, (startMs) => userData(who, startMs), false),
    event('user.deleted', random.between(3000, 12_000), () => ({
      deleted: true,
      id: who.id,
      object: 'user',
    })),
  ]);
};

const joins: Scenario = (random) => {
  const who = person(random);
  const org = { id: `org_${random.hex(24)}`, object: 'organization', name: 'Acme', slug: 'acme' };
  const member = { id: `orgmem_${random.hex(24)}`, object: 'organization_membership' };
  const of = (role: string): Json => ({
    ...member,
    role,
    organization: org,
    public_user_data: { user_id: who.id, identifier: who.email, first_name: who.first },
  });
  return told('member-joins', member.id, [
    event('organization.created', 0, () => ({ ...org, created_by: who.id }), false),
    event('organizationMembership.created', 400, () => of('org:member')),
    event(
      'organizationMembership.updated',
      random.between(2000, 8000),
      () => of('org:admin'),
      false,
    ),
  ]);
};

export const simulatedClerk: SimulatedProvider = {
  provider: 'clerk',
  calls: [],
  messages: [],
  records: [signUp, signUp, leaves, joins],
  newAccount() {
    const account = { signingSecret: newSigningSecret() };
    return { sender: account, endpoint: account };
  },
};
