// End to end, on Kafka and PostgreSQL, with two ingest nodes: of each provider one delivery a hundred times
// at once, signed anew as a provider's retries are. Its facts are applied once, and the other ninety-nine
// copies are recorded as what they are.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { signAnew } from '../../cli/simulator/stored-delivery.js';
import { providerNames } from '../../ingest/providers/registry.js';
import type { ProviderName } from '../../schemas/facts.js';
import { accountOf, publicBase, storedDeliveries } from '../ingest/stored-deliveries.js';
import type { Product } from '../services/product.js';
import { until } from '../services/shared.js';
import { Cluster, type History } from './cluster.js';

const copies = 100;

let cluster: Cluster;
let nodes: readonly Product[];
let history: History;

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'hundred-copies' });
  [...nodes] = await Promise.all([cluster.start('ingest'), cluster.start('ingest')]);
  await cluster.start('processors,projections');
  // One provider after the other: all of them at once are an overload, and refused as one.
  for (const provider of providerNames) await deliverCopies(provider);
  await cluster.processed();
  history = await cluster.history();
});
afterAll(() => cluster.close());

/** The provider's first stored delivery, to a tenant of its own. */
async function deliverCopies(provider: ProviderName): Promise<void> {
  const account = accountOf(provider);
  const endpoint = await cluster.endpoint(
    `only-${provider}`,
    provider,
    account.endpoint,
    publicBase,
  );
  const stored = storedDeliveries.find((delivery) => delivery.provider === provider);
  if (stored === undefined) throw new Error(`no stored delivery of ${provider}`);
  const urls = nodes.map(({ url }) => `${url}/v1/webhooks/${endpoint}`);
  await until(`the endpoint of ${provider} to be known`, () => areKnown(urls));
  // Both nodes stand behind one public URL, which is what was signed.
  const signedUrl = `${publicBase}/v1/webhooks/${endpoint}`;
  const statuses = await Promise.all(
    Array.from({ length: copies }, async (_, index) => {
      const nowMs = Date.now() - (index % 3) * 1000;
      const signed = signAnew(stored, signedUrl, account.sender, nowMs);
      const to = (urls[index % urls.length] ?? '') + signed.url.slice(signedUrl.length);
      const { method, headers, body } = signed;
      const content = method === 'GET' ? {} : { body: new Uint8Array(body) };
      const answer = await fetch(to, { method, headers, ...content });
      await answer.arrayBuffer();
      return answer.status;
    }),
  );
  expect(
    statuses.filter((status) => status >= 300),
    provider,
  ).toEqual([]);
}

async function areKnown(urls: readonly string[]): Promise<boolean> {
  const answers = await Promise.all(urls.map((url) => fetch(url, { method: 'POST' })));
  return answers.every(({ status }) => status !== 404);
}

test.each(providerNames)('a hundred copies of a delivery of %s are applied once', (provider) => {
  const events = history.tenants.get(`only-${provider}`) ?? [];
  const addedBy = new Map<string, string>();
  const seenAgain = new Map<string, Set<string>>();
  for (const { body, factId, correlationId } of events) {
    if (body.kind === 'parked' || body.kind === 'act' || factId === null)
      throw new Error(`${provider}: ${body.type}`);
    if (body.type.endsWith('.duplicate_seen')) {
      seenAgain.set(factId, (seenAgain.get(factId) ?? new Set()).add(correlationId));
    } else if (body.kind !== 'not_understood' && body.fact !== null) {
      expect(addedBy.has(factId), `${provider} applied ${factId} twice`).toBe(false);
      addedBy.set(factId, correlationId);
    }
  }
  expect(addedBy.size).toBeGreaterThan(0);
  // By delivery: an append whose outcome was unknown leaves a second record of the same one.
  for (const [factId, adder] of addedBy) {
    const others = seenAgain.get(factId) ?? new Set();
    others.delete(adder);
    expect(others.size).toBe(copies - 1);
  }
  expect([...seenAgain.keys()].sort()).toEqual([...addedBy.keys()].sort());
});
