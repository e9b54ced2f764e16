// What the simulator plays ends as its truth says, of every provider: signed, verified, mapped and folded by
// the very code that does it in service, in the provider's order and in another.

import { describe, expect, it } from 'vitest';
import { requestOf, type Activity } from '../../cli/simulator/activity.js';
import { simulatedProviders } from '../../cli/simulator/providers.js';
import { nextActivity } from '../../cli/simulator/run.js';
import { seededRandom } from '../../cli/simulator/random.js';
import { signOutgoing } from '../../cli/simulator/sign.js';
import type { StoredCredential } from '../../ingest/providers/provider.js';
import { mapDelivery, providerOf } from '../../ingest/providers/registry.js';
import { verifyDelivery } from '../../ingest/verify.js';
import { messageIdOf } from '../../processors/message/identity.js';
import { sealFacts, type SealedFact } from '../../processors/seal.js';
import { endpointId } from '../../schemas/ids.js';
import type { RecordView } from '../../schemas/record-state.js';
import { endpointOf, publicBase } from '../ingest/stored-deliveries.js';
import { acme, testKeyRing } from '../processors/facts.js';
import { PureWorld } from '../processors/pure-world.js';

const keyRing = testKeyRing();
const startMs = 1_790_848_800_000;
const url = `${publicBase}/v1/webhooks/ep_0000000000000001`;

interface Account {
  readonly provider: string;
  readonly sender: StoredCredential;
  readonly endpoint: StoredCredential;
}

/** The facts of each step, as they are when it was delivered the moment it happened. */
async function factsOf(activity: Activity, account: Account): Promise<readonly SealedFact[][]> {
  const { provider, sender } = account;
  const endpoint = endpointOf(provider, [{ ...account.endpoint }]);
  const told: SealedFact[][] = [];
  for (const step of activity.steps) {
    const receivedAt = startMs + step.atMs;
    const request = requestOf(step.content(startMs, 1), url);
    const signed = signOutgoing(providerOf(provider), request, sender, receivedAt);
    const raw = {
      ...{ endpoint: endpointId('ep_0000000000000001'), method: signed.method },
      ...{
        target: signed.url.slice(publicBase.length),
        headers: new Map(Object.entries(signed.headers)),
      },
      ...{ body: signed.body, clientAddress: '192.0.2.1', receivedAt, correlationId: 'test' },
    };
    const outcome = verifyDelivery(raw, endpoint, receivedAt);
    if (!outcome.ok) throw new Error(`${activity.truth.scenario}: ${outcome.code}`);
    const { facts } = mapDelivery(outcome.delivery);
    const sealed = await sealFacts(keyRing, [{ tenant: acme, provider, receivedAt, facts }]);
    told.push(sealed.flat());
  }
  return told;
}

/** How an activity stands once these facts were taken. */
function outcomeOf(activity: Activity, told: readonly SealedFact[][]) {
  const { provider, kind, ref, scenario } = activity.truth;
  const world = new PureWorld();
  for (const facts of told) world.take({ tenant: acme, provider }, ...facts);
  if (kind === 'message') {
    const view = world.messages.get(messageIdOf(acme, provider, ref));
    const { status, direction } = view ?? {};
    return { scenario, status, cause: null, direction, legs: 0, isPrimary: true, refused: 0 };
  }
  expect(world.live).toHaveLength(1);
  const [view] = world.live;
  const { status, cause, direction, legs = [], refusedCount: refused } = view ?? {};
  const isPrimary = legs.find(({ legRef }) => legRef === ref)?.primary;
  return { scenario, status, cause, direction, legs: legs.length, isPrimary, refused };
}

/** The record that an activity is about, once these facts were taken. */
function recordOf({ truth }: Activity, told: readonly SealedFact[][]): RecordView | undefined {
  const world = new PureWorld();
  for (const facts of told) world.take({ tenant: acme, provider: truth.provider }, ...facts);
  return [...world.records.values()].find(({ objectRef }) => objectRef === truth.ref);
}

function truthOf({ truth }: Activity) {
  const { scenario, status, cause, direction, legs } = truth;
  return { scenario, status, cause, direction, legs, isPrimary: true, refused: 0 };
}

describe.each(simulatedProviders.map((one) => [one.provider, one] as const))('%s', (_, played) => {
  const { sender, endpoint } = played.newAccount();
  const account = { provider: played.provider, sender, endpoint };
  const { calls, messages, records } = played;

  it('plays calls and messages that end as their truth says, in any order', async () => {
    const random = seededRandom(4);
    const count = (calls.length + messages.length) * 3;
    const scenarios = new Set<string>();
    for (let at = 0; at < count; at += 1) {
      const activity = nextActivity({ provider: played.provider, url, sender }, random, 0.25);
      if (activity.truth.kind === 'record') continue;
      scenarios.add(activity.truth.scenario);
      const told = await factsOf(activity, account);
      for (const order of [told, told.toReversed(), [...told, ...told]]) {
        expect(outcomeOf(activity, order)).toEqual(truthOf(activity));
      }
      const decisive = told.filter((__, step) => activity.steps[step]?.decides === true);
      const { status, cause } = activity.truth;
      expect(outcomeOf(activity, decisive)).toMatchObject({ status, cause });
    }
    expect(scenarios.size).toBeGreaterThanOrEqual(count === 0 ? 0 : 2);
  });

  it('plays records that end the same in any order', async () => {
    const random = seededRandom(5);
    for (const scenario of records) {
      const activity = scenario(random, sender);
      const told = await factsOf(activity, account);
      const inOrder = recordOf(activity, told);
      expect(inOrder).toMatchObject({ objectRef: activity.truth.ref, provider: played.provider });
      expect(recordOf(activity, told.toReversed())).toEqual(inOrder);
      expect(recordOf(activity, [...told, ...told])).toEqual(inOrder);
    }
  });
});
