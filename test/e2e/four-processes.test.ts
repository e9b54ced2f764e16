// Real Kafka, registry and PostgreSQL, the four roles as four processes: the stored deliveries, with the signatures they were stored with, give the statuses that are expected of them.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { legIdOf } from '../../processors/call/identity.js';
import { sealFacts } from '../../processors/seal.js';
import type { CallView } from '../../schemas/call-state.js';
import { tenantId, type EndpointId } from '../../schemas/ids.js';
import type { CallItem, RecordItem, StatsItem, TimelineItem } from '../../schemas/live-frames.js';
import {
  secretsOf,
  stored,
  storedDeliveries,
  type StoredDelivery,
} from '../ingest/stored-deliveries.js';
import { mapped, testKeyRing, whoseOf } from '../processors/facts.js';
import { PureWorld } from '../processors/pure-world.js';
import { causes, stories } from '../processors/stories.js';
import { random } from '../projections/world.js';
import { until } from '../services/shared.js';
import type { Product } from '../services/product.js';
import { Cluster, expectDense } from './cluster.js';
import { get, listCalls, listEntries, listMessages, type Caller } from './live.js';

/** In the ±5 minutes of every stored signature. */
const now = 1_790_849_000;

let cluster: Cluster;
let ingest: Product;
let gateway: Product;

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'four' });
  [ingest, , , gateway] = await Promise.all([
    cluster.start('ingest', { env: { TRUNKLINE_TEST_NOW: String(now) } }),
    cluster.start('processors'),
    cluster.start('projections'),
    cluster.start('gateway'),
  ]);
});
afterAll(() => cluster.close());

/** The public URL that was signed, without its query: what the endpoint's path-rewriting proxy has. */
const baseOf = ({ url }: StoredDelivery): string => url.split('?', 1)[0] ?? '';

/** Headers that say how bytes came to us, which is this client's to say. */
const ofConnection = /^(host|connection|content-length|transfer-encoding)$/i;

/** A tenant with an endpoint for each public URL among its deliveries. */
class Tenant {
  private constructor(
    readonly caller: Caller,
    private readonly endpoints: ReadonlyMap<string, EndpointId>,
  ) {}

  static async make(name: string, deliveries: readonly StoredDelivery[]): Promise<Tenant> {
    const endpoints = new Map<string, EndpointId>();
    for (const delivery of deliveries) {
      const base = baseOf(delivery);
      if (endpoints.has(base)) continue;
      const { provider } = delivery;
      endpoints.set(base, await cluster.endpoint(name, provider, secretsOf(provider), base));
    }
    const caller = { url: gateway.url, token: await cluster.key(name, 'manager') };
    const made = new Tenant(caller, endpoints);
    await until('the new endpoints and key to be known', async () => {
      const calls = await fetch(`${gateway.url}/v1/calls`, {
        headers: { authorization: `Bearer ${caller.token}` },
      });
      if (!calls.ok) return false;
      const unsigned = [...endpoints.values()].map((id) => fetch(urlOf(id), { method: 'POST' }));
      return (await Promise.all(unsigned)).every(({ status }) => status !== 404);
    });
    return made;
  }

  /** Sends a delivery as it was stored, signature and all. */
  async send(delivery: StoredDelivery): Promise<Response> {
    const endpoint = this.endpoints.get(baseOf(delivery));
    if (endpoint === undefined) throw new Error(`no endpoint for ${delivery.file}`);
    const query = delivery.url.slice(baseOf(delivery).length);
    const headers = Object.entries(delivery.headers).filter(([name]) => !ofConnection.test(name));
    const answer = await fetch(urlOf(endpoint) + query, {
      method: delivery.method,
      headers,
      ...(delivery.method === 'POST' ? { body: Buffer.from(delivery.rawBody, 'utf8') } : {}),
    });
    expect(answer.status, `${delivery.file}: ${await answer.clone().text()}`).toBeLessThan(300);
    return answer;
  }

  /** The position of the query side. */
  async seq(): Promise<number> {
    return (await listCalls(this.caller)).asOf.seq;
  }
}

const urlOf = (endpoint: EndpointId): string => `${ingest.url}/v1/webhooks/${endpoint}`;

/** Holds what the API says of the call and of the delivery's own leg against its `_expected`. */
function expectAsTold(
  { file, provider, _expected: expected = {} }: StoredDelivery,
  tenant: string,
  call: CallItem,
): void {
  const [fact] = mapped(file.replace(/\.json$/, ''));
  if (fact?.kind !== 'call') throw new Error(`${file} is no call fact`);
  const { status, failureReason, direction, durationSec, amd } = expected;
  const legId = legIdOf(tenantId(tenant), provider, fact.legRef);
  const leg = call.legs.find(({ id }) => id === legId);
  const subject = expected['leg'] === true ? leg : call;
  if (status === 'completed-or-transferred') expect(call.status, file).toBe('completed');
  else if (typeof status === 'string') expect(subject?.status, file).toBe(status);
  if (typeof failureReason === 'string') {
    expect(causes[failureReason], file).toContain(subject?.cause);
  }
  if (typeof direction === 'string') expect(call.direction, file).toBe(direction);
  if (typeof durationSec === 'number') expect(subject?.durationSec, file).toBe(durationSec);
  if (typeof amd === 'string') expect(call.amd, file).toBe(amd);
  if (expected['recording'] === true) expect(call.recordings, file).toBe(1);
}

/** Sends the story's deliveries one by one, each once the one before is visible. */
async function tell(name: string, files: readonly string[]): Promise<void> {
  const deliveries = files.map(stored);
  const tenant = await Tenant.make(name, deliveries);
  let entriesBefore: readonly TimelineItem[] = [];
  /** A delivery may tell several facts, and one that was told before. */
  const told = new Set<string>();
  let statusBefore: CallItem['status'] | undefined;
  for (const delivery of deliveries) {
    const { file, _expected: expected = {} } = delivery;
    const before = await tenant.seq();
    const answer = await tenant.send(delivery);
    if (expected['respond'] === 'TwiML') {
      expect(answer.headers.get('content-type')).toMatch(/xml/);
      expect(await answer.text()).toContain('<Response');
    }
    await until(`${file} to be visible`, async () => (await tenant.seq()) > before);
    const { items: calls } = await listCalls(tenant.caller);
    expect(calls, file).toHaveLength(1);
    const [call] = calls;
    if (call === undefined) throw new Error('no call');
    // An inferred line gives way when the fact it stands for arrives.
    const { items } = await listEntries(tenant.caller, call.id);
    const entries = items.filter(({ inferred }) => !inferred);
    expectAsTold(delivery, name, call);
    if (expected['status'] === null) expect(call.status, file).toBe(statusBefore);
    if (expected['duplicateOf'] !== undefined) expect(entries).toEqual(entriesBefore);
    for (const { factId } of mapped(file.replace(/\.json$/, ''))) told.add(factId);
    expect(entries, file).toHaveLength(told.size);
    expect(call.factCount, file).toBe(entries.length);
    entriesBefore = entries;
    statusBefore = call.status;
  }
}

describe('the stored deliveries, told as the calls they belong to', () => {
  const titles = Object.keys(stories);
  test.concurrent.each(titles)('%s', async (title) => {
    await tell(`story-${titles.indexOf(title)}`, stories[title] ?? []);
  });
});

/** What the fold of the same facts in their order says of a call, beside what the API says. */
const outline = (call: CallItem | CallView) => ({
  status: call.status,
  cause: call.cause,
  direction: call.direction,
  durationSec: call.durationSec,
  amd: call.amd,
  recordings: call.recordings,
  factCount: call.factCount,
  refusedCount: call.refusedCount,
  from: call.from?.masked ?? null,
  to: call.to?.masked ?? null,
  legs: call.legs.map(({ status, cause, primary }) => ({ status, cause, primary })),
});

describe('all stored deliveries, each twice and in no order', () => {
  const tenantName = 'acme';
  let tenant: Tenant;
  let copies: readonly StoredDelivery[];
  const world = new PureWorld();

  beforeAll(async () => {
    for (const { file } of storedDeliveries) {
      const name = file.replace(/\.json$/, '');
      const facts = mapped(name, { receivedAt: now * 1000 });
      const clear = { ...whoseOf(name), receivedAt: now * 1000, facts };
      world.take(whoseOf(name), ...((await sealFacts(testKeyRing(), [clear]))[0] ?? []));
    }
    tenant = await Tenant.make(tenantName, storedDeliveries);
    const dice = random(5);
    copies = [...storedDeliveries, ...storedDeliveries]
      .map((delivery) => ({ delivery, at: dice() }))
      .sort((a, b) => a.at - b.at)
      .map(({ delivery }) => delivery);
    // As many at once as a node lets one tenant have under way.
    for (let at = 0; at < copies.length; at += 32) {
      await Promise.all(copies.slice(at, at + 32).map((delivery) => tenant.send(delivery)));
    }
    await cluster.processed();
  });

  test('every call stands where the fold of its facts has it', async () => {
    const { items } = await listCalls(tenant.caller);
    expect(Object.fromEntries(items.map((call) => [call.id, outline(call)]))).toEqual(
      Object.fromEntries(world.live.map((call) => [call.callId, outline(call)])),
    );
  });

  test('every message stands where the fold of its facts has it, and opt-outs are seen', async () => {
    const { items } = await listMessages(tenant.caller);
    const statuses = Object.fromEntries(items.map(({ id, status }) => [id, status]));
    const views = [...world.messages.values()];
    expect(statuses).toEqual(Object.fromEntries(views.map((v) => [v.messageId, v.status])));
    const stops = storedDeliveries.filter(({ _expected }) => _expected?.['optOut'] === true);
    expect(stops.length).toBeGreaterThan(0);
    expect(items.filter(({ optOut }) => optOut === 'stop')).toHaveLength(
      views.filter(({ optOut }) => optOut === 'stop').length,
    );
    expect(items.some(({ body }) => body?.includes('Hello') === true)).toBe(true);
  });

  test('every record stands where the fold of its facts has it', async () => {
    const answer = await get(tenant.caller, '/v1/records?limit=200');
    const { data } = (await answer.json()) as { data: RecordItem[] };
    const views = [...world.records.values()];
    expect(views.length).toBeGreaterThan(5);
    const seen = data.map(({ id, status, deleted, lastEvent }) => [id, status, deleted, lastEvent]);
    const folded = views.map((v) => [v.recordId, v.status, v.deleted, v.lastEvent]);
    expect(seen.sort()).toEqual(folded.sort());
    const ada = data.find(({ type, personal }) => type === 'user' && personal !== undefined);
    expect(ada?.personal?.['email']).toContain('@');
  });

  test('none is unattributed, parked or not understood, and every copy is recorded', async () => {
    const answer = await get(tenant.caller, '/v1/stats');
    const { data } = (await answer.json()) as { data: StatsItem[] };
    const sum = (name: 'duplicates' | 'parked' | 'notUnderstood') =>
      data.reduce((total, minute) => total + minute[name], 0);
    expect(sum('parked')).toBe(0);
    expect(sum('notUnderstood')).toBe(0);
    const own = world.events.filter(({ type }) => type.endsWith('duplicate_seen')).length;
    const facts = storedDeliveries.reduce((n, { file }) => n + mapped(file.slice(0, -5)).length, 0);
    // The second round of all facts, and the copies that are among the stored deliveries themselves.
    expect(sum('duplicates')).toBe(facts + own);
    const { rows } = await cluster.installation.database.query('select * from unattributed');
    expect(rows).toEqual([]);
  });

  test('every seq of every tenant is there once, and every read model is what the log says', async () => {
    expectDense(await cluster.history());
    await cluster.expectRebuiltEqualsLive();
  });
});
