// Promise 5 on real parts: two tenants of one partition get the very same deliveries, with the same ids of
// the provider and the same numbers, each at its own endpoint. Each has its own calls and no trace of the
// other: in lists, streams, caches, keys, subject ids or rows; and no credential of one opens the other.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { SimulatedAccount } from '../../cli/simulator/activity.js';
import { signAnew } from '../../cli/simulator/stored-delivery.js';
import { providerNames } from '../../ingest/providers/registry.js';
import { partitionOf } from '../../log/topics.js';
import { asTenant } from '../../runtime/postgres.js';
import { createLocalTokens } from '../../runtime/tokens.js';
import { tenantId, type EndpointId } from '../../schemas/ids.js';
import type { ProviderName } from '../../schemas/facts.js';
import { Cluster } from '../e2e/cluster.js';
import { get, listCalls, listMessages, type Caller } from '../e2e/live.js';
import { RawSocket } from '../gateway/station.js';
import { accountOf, storedDeliveries } from '../ingest/stored-deliveries.js';
import type { Product } from '../services/product.js';
import { until } from '../services/shared.js';

interface Tenant {
  readonly name: string;
  readonly endpoints: ReadonlyMap<ProviderName, EndpointId>;
  readonly accounts: ReadonlyMap<ProviderName, SimulatedAccount>;
  readonly operator: Caller;
}

let cluster: Cluster;
let ingest: Product;
let gateway: Product;
let tenants: readonly [Tenant, Tenant];

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'promise-5' });
  const names = samePartition(cluster.log.partitions);
  [ingest, gateway] = await Promise.all([
    cluster.start('ingest'),
    cluster.start('gateway'),
    cluster.start('processors'),
    cluster.start('projections'),
  ]);
  tenants = [await makeTenant(names[0]), await makeTenant(names[1])];
  await Promise.all(
    tenants.flatMap((tenant) => storedDeliveries.map((one) => deliver(tenant, tenant, one))),
  ).then((statuses) => expect(statuses.every((status) => status < 300)).toBe(true));
  await cluster.processed();
});
afterAll(() => cluster.close());

/** Two tenants whose events share a partition, an owner and its caches. */
function samePartition(partitions: number): readonly [string, string] {
  const names = Array.from({ length: partitions * 2 }, (_, index) => `tenant-${index}`);
  const of = (name: string): number => partitionOf(tenantId(name), partitions);
  for (const one of names) {
    const other = names.find((name) => name !== one && of(name) === of(one));
    if (other !== undefined) return [one, other];
  }
  throw new Error('no two tenants share a partition');
}

async function makeTenant(name: string): Promise<Tenant> {
  const endpoints = new Map<ProviderName, EndpointId>();
  const accounts = new Map<ProviderName, SimulatedAccount>();
  for (const provider of providerNames) {
    const account = accountOf(provider);
    accounts.set(provider, account);
    endpoints.set(provider, await cluster.endpoint(name, provider, account.endpoint));
  }
  const operator = { url: gateway.url, token: await cluster.key(name, 'operator') };
  await until('the endpoints and the key to be known', async () => {
    const asked = [...endpoints.values()].map((id) => fetch(urlOf(id), { method: 'POST' }));
    const known = (await Promise.all(asked)).every(({ status }) => status !== 404);
    return known && (await get(operator, '/v1/calls')).ok;
  });
  return { name, endpoints, accounts, operator };
}

const urlOf = (endpoint: EndpointId): string => `${ingest.url}/v1/webhooks/${endpoint}`;

/** Signed with the credentials of one, sent to the endpoint of the same or of the other. */
async function deliver(
  signer: Tenant,
  receiver: Tenant,
  stored: (typeof storedDeliveries)[number],
): Promise<number> {
  const { provider } = stored;
  const [endpoint, account] = [receiver.endpoints.get(provider), signer.accounts.get(provider)];
  if (endpoint === undefined || account === undefined) throw new Error(`no ${provider}`);
  const signed = signAnew(stored, urlOf(endpoint), account.sender, Date.now());
  const { method, headers, body } = signed;
  const content = method === 'GET' ? {} : { body: new Uint8Array(body) };
  const answer = await fetch(signed.url, { method, headers, ...content });
  await answer.arrayBuffer();
  return answer.status;
}

/** Everything that names something of a tenant: ids that are made for it, and its subjects. */
async function namesOf({ operator }: Tenant): Promise<ReadonlySet<string>> {
  const [calls, messages] = [await listCalls(operator), await listMessages(operator)];
  const parties = [...calls.items, ...messages.items].flatMap(({ from, to }) => [from, to]);
  return new Set([
    ...calls.items.flatMap(({ id, legs }) => [id, ...legs.map((leg) => leg.id)]),
    ...messages.items.map(({ id }) => id),
    ...parties.flatMap((party) => (party === null ? [] : [party.subjectId])),
  ]);
}

describe('two tenants with the same deliveries', () => {
  test('have the same calls, under ids and subjects of their own', async () => {
    const [one, other] = tenants;
    const [mine, theirs] = [await namesOf(one), await namesOf(other)];
    expect(mine.size).toBe(theirs.size);
    expect(mine.size).toBeGreaterThan(50);
    expect([...mine].filter((name) => theirs.has(name))).toEqual([]);
    const outline = async ({ operator }: Tenant) =>
      (await listCalls(operator)).items
        .map(({ status, cause, factCount, legs, from }) =>
          JSON.stringify([status, cause, factCount, legs.length, from?.number]),
        )
        .sort();
    expect(await outline(one)).toEqual(await outline(other));
  });

  test('a number finds the calls of the one who asks', async () => {
    const number = encodeURIComponent('+15555550142');
    for (const tenant of tenants) {
      const mine = await namesOf(tenant);
      const answer = await get(tenant.operator, `/v1/calls?number=${number}`);
      const { data } = (await answer.json()) as { data: readonly { id: string }[] };
      expect(data.length).toBeGreaterThan(0);
      for (const { id } of data) expect(mine).toContain(id);
    }
  });

  test('a delivery signed by one is refused at the endpoint of the other', async () => {
    const [one, other] = tenants;
    const before = (await cluster.history()).deliveries;
    const statuses = await Promise.all(
      storedDeliveries.map((delivery) => deliver(one, other, delivery)),
    );
    expect(new Set(statuses)).toEqual(new Set([403]));
    expect((await cluster.history()).deliveries).toBe(before);
  });

  test('no answer, frame or error of one names anything of the other', async () => {
    const [one, other] = tenants;
    const theirs = await namesOf(other);
    const seen: string[] = [];
    const [theirCall = ''] = theirs;
    const page = await get(other.operator, '/v1/calls?limit=2');
    const { next } = ((await page.json()) as { page: { next: string } }).page;
    const asked = [
      ...['/v1/calls?limit=200', '/v1/messages?limit=200', '/v1/events?limit=200'],
      ...['/v1/stats', '/v1/endpoints', `/v1/calls?cursor=${next}&limit=2`, '/metrics'],
    ];
    for (const path of asked) seen.push(await (await get(one.operator, path)).text());
    const foreign = await get(one.operator, `/v1/calls/${theirCall}`);
    expect(foreign.status).toBe(404);
    const socket = await RawSocket.ready(
      `${gateway.url.replace(/^http/, 'ws')}/v1/stream`,
      one.operator.token,
    );
    for (const topic of ['calls', 'messages', 'stats']) {
      socket.send({ type: 'subscribe', id: topic, topic });
    }
    socket.send({ type: 'subscribe', id: 'foreign', topic: `call:${theirCall}` });
    await until('the views', () => socket.of('live').length >= 4);
    // Both get the same deliveries once more: copies for each of them, and frames for one of them here.
    const repeated = storedDeliveries.slice(0, 20);
    await Promise.all(tenants.flatMap((t) => repeated.map((copy) => deliver(t, t, copy))));
    await until('frames', () => socket.of('event').length >= 5);
    const frames = socket.frames.map((frame) => JSON.stringify(frame));
    socket.close();
    const text = [...seen, ...frames].join('\n').replaceAll(`call:${theirCall}`, '');
    for (const name of [...theirs, ...Object.values(other.endpoints)]) {
      expect(text).not.toContain(name);
    }
    expect(text).not.toMatch(new RegExp(`"${other.name}"`));
  });

  test('a token says which tenant, and nothing else does', async () => {
    const [one, other] = tenants;
    const master = Buffer.from(cluster.env['TRUNKLINE_MASTER_KEY'] ?? '', 'base64');
    const tokens = await createLocalTokens(master, { issuer: 'trunkline', audience: 'trunkline' });
    const claims = { tenant: tenantId(one.name), role: 'admin', subject: 'somebody' } as const;
    const token = await tokens.sign(claims, 60_000);
    const headers = { authorization: `Bearer ${token}`, 'x-tenant': other.name };
    const answer = await fetch(`${gateway.url}/v1/calls?limit=200`, { headers });
    const mine = await namesOf(one);
    const { data } = (await answer.json()) as { data: readonly { id: string }[] };
    expect(data.length).toBeGreaterThan(0);
    for (const { id } of data) expect(mine).toContain(id);
    const [head, body = '', signature] = token.split('.');
    const altered = Buffer.from(
      Buffer.from(body, 'base64url').toString().replace(one.name, other.name),
    ).toString('base64url');
    const forged = { url: gateway.url, token: [head, altered, signature].join('.') };
    expect((await get(forged, '/v1/calls')).status).toBe(401);
  });

  test('what is sealed for one does not open for the other', async () => {
    const { database, keyRing } = cluster.installation;
    const [one, other] = tenants;
    const { rows } = await database.query<{ from_party: string }>(
      `select from_party from calls where tenant_id = $1 and from_party is not null limit 1`,
      [one.name],
    );
    const party = JSON.parse(rows[0]?.from_party ?? '') as {
      subjectId: string;
      number: { keyId: string; nonce: string; ciphertext: string; tag: string };
    };
    const box = (claimed: string) => [
      { sealed: party.number, place: `${claimed}/${party.subjectId}/number` },
    ];
    const [number] = await keyRing.open(tenantId(one.name), box(one.name));
    expect(number).toMatch(/^\+1555/);
    // The other has no such key: to it the value is as one that was forgotten.
    for (const claimed of [one.name, other.name]) {
      expect(await keyRing.open(tenantId(other.name), box(claimed))).toEqual([null]);
    }
  });

  test('the second wall stands: without a predicate each sees its own rows', async () => {
    const tables = ['calls', 'legs', 'call_timeline', 'messages', 'stats_minute'];
    for (const { name } of tenants) {
      for (const table of [...tables, 'mark_sequences', 'tenants', 'endpoints']) {
        const { rows } = await asTenant(cluster.installation.database, name, (transaction) =>
          transaction.query<{ tenant_id: string }>(`select distinct tenant_id from ${table}`),
        );
        expect(rows, table).toEqual([{ tenant_id: name }]);
      }
    }
  });
});
