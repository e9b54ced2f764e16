// What simulated agents say: accepted by the providers' SDKs, found in the call as the truth tells it, and
// legible only with the key of the call.

import { createRequire } from 'node:module';
import { WebhookReceiver } from 'livekit-server-sdk';
import { afterEach, expect, it, vi } from 'vitest';
import { requestOf, type Activity } from '../../cli/simulator/activity.js';
import { simulatedProvider } from '../../cli/simulator/providers.js';
import { seededRandom } from '../../cli/simulator/random.js';
import { signOutgoing } from '../../cli/simulator/sign.js';
import type { OutgoingDelivery, StoredCredential } from '../../ingest/providers/provider.js';
import { mapDelivery, providerOf } from '../../ingest/providers/registry.js';
import { verifyDelivery } from '../../ingest/verify.js';
import { sealFacts } from '../../processors/seal.js';
import type { StoredCallFact } from '../../schemas/call-state.js';
import { endpointId } from '../../schemas/ids.js';
import { fieldPlace } from '../../schemas/sealed.js';
import { endpointOf, publicBase } from '../ingest/stored-deliveries.js';
import { acme, testKeyRing } from '../processors/facts.js';
import { PureWorld } from '../processors/pure-world.js';

const load = createRequire(import.meta.url);
const retell = load('retell-sdk/lib/webhook_auth') as {
  symmetric: {
    verify(i: string, s: string, signature: string, o: { timestamp: number }): Promise<boolean>;
  };
};
const { WebhooksClient } = load('@elevenlabs/elevenlabs-js/wrapper/webhooks') as {
  WebhooksClient: new (options: object) => {
    constructEvent(body: string, header: string, secret: string): Promise<unknown>;
  };
};

const startMs = 1_790_848_800_000;
const url = `${publicBase}/v1/webhooks/ep_0000000000000001`;
const keyRing = testKeyRing();

afterEach(() => {
  vi.useRealTimers();
});

/** The deliveries of an activity, each signed the moment it happened. */
function deliveriesOf(provider: string, activity: Activity, sender: StoredCredential) {
  return activity.steps.map((step) => {
    const atMs = startMs + step.atMs;
    const request = requestOf(step.content(startMs, 1), url);
    return { atMs, signed: signOutgoing(providerOf(provider), request, sender, atMs) };
  });
}

type Judge = (signed: OutgoingDelivery, atMs: number, sender: StoredCredential) => Promise<boolean>;

const header = ({ headers }: OutgoingDelivery, name: string): string => headers[name] ?? '';
const judges: Readonly<Record<string, Judge>> = {
  retell: (signed, atMs, { apiKey = '' }) =>
    retell.symmetric.verify(signed.body.toString(), apiKey, header(signed, 'x-retell-signature'), {
      timestamp: atMs,
    }),
  elevenlabs: (signed, _atMs, { webhookSecret = '' }) =>
    new WebhooksClient({})
      .constructEvent(signed.body.toString(), header(signed, 'elevenlabs-signature'), webhookSecret)
      .then(() => true),
  livekit: (signed, _atMs, { apiKey = '', apiSecret = '' }) =>
    new WebhookReceiver(apiKey, apiSecret)
      .receive(signed.body.toString(), header(signed, 'authorization'))
      .then(({ event }) => event !== ''),
};

it.each(Object.entries(judges))('what %s plays is accepted by its SDK', async (provider, judge) => {
  const { calls, newAccount } = simulatedProvider(provider);
  const { sender } = newAccount();
  const random = seededRandom(9);
  for (const scenario of calls) {
    for (const { signed, atMs } of deliveriesOf(provider, scenario(random, sender), sender)) {
      vi.useFakeTimers({ toFake: ['Date'] });
      vi.setSystemTime(atMs);
      expect(await judge(signed, atMs, sender)).toBe(true);
    }
  }
});

async function toldBy(provider: string, activity: Activity) {
  const { sender, endpoint } = simulatedProvider(provider).newAccount();
  const world = new PureWorld();
  for (const { signed, atMs } of deliveriesOf(provider, activity, sender)) {
    const raw = {
      ...{ endpoint: endpointId('ep_0000000000000001'), method: signed.method, body: signed.body },
      ...{ target: url.slice(publicBase.length), headers: new Map(Object.entries(signed.headers)) },
      ...{ clientAddress: '192.0.2.1', receivedAt: atMs, correlationId: 'test' },
    };
    const outcome = verifyDelivery(raw, endpointOf(provider, [{ ...endpoint }]), atMs);
    if (!outcome.ok) throw new Error(outcome.code);
    const { facts } = mapDelivery(outcome.delivery);
    const sealed = await sealFacts(keyRing, [{ tenant: acme, provider, receivedAt: atMs, facts }]);
    world.take({ tenant: acme, provider }, ...sealed.flat());
  }
  return world;
}

/** The notes of a name among the facts that events carry, with the text that they hold under a name. */
async function textsOf(world: PureWorld, note: string): Promise<readonly (string | null)[]> {
  const facts = world.events.flatMap((body): StoredCallFact[] =>
    body.kind === 'call' && body.fact?.eventType === note ? [body.fact] : [],
  );
  const boxes = facts.flatMap(({ legRef, personal }) => {
    const sealed = personal[note];
    return sealed ? [{ sealed, place: fieldPlace(acme, legRef, `personal.${note}`) }] : [];
  });
  return keyRing.open(acme, boxes);
}

it.each(['bland', 'vapi', 'retell', 'elevenlabs'])(
  'what agents of %s say stands in the call once, sealed',
  async (provider) => {
    const random = seededRandom(3);
    const { calls, newAccount } = simulatedProvider(provider);
    const { sender } = newAccount();
    let spoken = 0;
    for (const scenario of calls) {
      const activity = scenario(random, sender);
      const { said, ref } = activity.truth;
      if (said === undefined) continue;
      spoken += 1;
      const world = await toldBy(provider, activity);
      expect(await textsOf(world, 'transcript')).toEqual([said.transcript]);
      expect(await textsOf(world, 'summary')).toEqual([said.summary]);
      const [call] = world.live;
      const lines = world.timeline(call?.callId ?? '');
      const types = lines.map(({ type }) => type);
      expect(types).toContain('transcript');
      expect(types.indexOf('summary')).toBeGreaterThan(types.indexOf('transcript'));
      const used = new Set(
        lines.flatMap(({ type, details }) => (type === 'tool_call' ? [details['toolCallId']] : [])),
      );
      // Bland tells of no tools.
      expect(used.size).toBe(provider === 'bland' ? 0 : said.toolCalls);
      expect(call?.legs.map(({ legRef }) => legRef)).toEqual([ref]);
      const written = JSON.stringify([world.events, [...world.states.values()], lines]);
      for (const line of said.transcript.split('\n')) {
        const text = line.slice(line.indexOf(':') + 2);
        if (text.length > 8) expect(written).not.toContain(text);
      }
    }
    expect(spoken).toBeGreaterThan(1);
  },
);
