// Decision 0007: an address pays for what it gets wrong and never for what it gets right. The layers as
// they run, with real signatures, at a time of our own.

import { createHmac } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';

import { Answers } from '../../ingest/acknowledge.js';
import { Admission } from '../../ingest/admit.js';
import type { Appends } from '../../ingest/append.js';
import { Limits } from '../../ingest/limit.js';
import type { Rates } from '../../ingest/limit-keys.js';
import { subscriberOf } from '../../ingest/limit-sources.js';
import { IngestMetrics } from '../../ingest/metrics.js';
import { createPipeline } from '../../ingest/pipeline.js';
import { createLocalCodec } from '../../log/event-codec.js';
import { copiedRequest } from '../../runtime/http-exchange.js';
import type { HttpResponse } from '../../runtime/http.js';
import { createKeyRing, createMemoryKeyStore } from '../../runtime/keys.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { endpoint } from './fixtures.js';
import { registryOf } from './station.js';

const provider = '192.0.2.7';
const fields = {
  CallSid: `CA${'0'.repeat(32)}`,
  CallStatus: 'completed',
  AccountSid: `AC${'0'.repeat(32)}`,
  CallbackSource: 'call-progress-events',
};
const body = new URLSearchParams(fields).toString();
const signedFields = Object.entries(fields)
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .flat()
  .join('');

const tokenOf = (one: Endpoint): string => one.credentials[0]?.value['authToken'] ?? '';

/** Endpoints of some tenants in turn. */
function many(count: number, tenants: number): [Endpoint, ...Endpoint[]] {
  const make = (i: number): Endpoint =>
    endpoint({
      id: endpointId(`ep_${String(i).padStart(16, '0')}`),
      tenant: tenantId(`tenant-${i % tenants}`),
      credentials: [{ id: 'c1', value: { authToken: `token-${i}` }, isRetiring: false }],
    });
  return [make(0), ...Array.from({ length: count - 1 }, (_, i) => make(i + 1))];
}

/** One of them, by turns. */
function turn(endpoints: readonly [Endpoint, ...Endpoint[]], i: number): Endpoint {
  return endpoints[i % endpoints.length] ?? endpoints[0];
}

const rates: Rates = { endpoint: 10_000, tenant: 100_000, credential: 0, address: 20 };

/** Lets everything in. */
function openDoor(): Admission {
  const door = new Admission({
    inFlightBytes: 1_000_000_000,
    isLogBehind: () => false,
    waitedMs: () => 0,
    logger: silentLogger,
  });
  doors.push(door);
  return door;
}

const doors: Admission[] = [];
afterEach(() => {
  for (const door of doors.splice(0)) door.close();
});

/** The layers on a memory that takes everything. */
function layers(endpoints: readonly Endpoint[], change: Partial<Rates> = {}) {
  const clock = { ms: 1 };
  const metrics = createMetrics();
  const limits = new Limits({ rates: { ...rates, ...change }, nowMs: () => clock.ms });
  const appends = { append: () => Promise.resolve('appended') } as unknown as Appends;
  const handler = createPipeline({
    registry: registryOf(endpoints),
    limits,
    door: openDoor(),
    turns: { take: () => null },
    answers: new Answers({ metrics: new IngestMetrics(metrics), logger: silentLogger }),
    recorder: {
      keyRing: createKeyRing(Buffer.alloc(32, 7), createMemoryKeyStore()),
      codec: createLocalCodec(),
      log: { partitions: 4, maxBatchBytes: 3_750_000 },
      logger: silentLogger,
    },
    appends,
    clock: Date.now,
    clockWatch: { noteSigned: () => undefined, suspectsOwnClock: () => null },
    isStopping: () => false,
  });
  const send = async (id: string, from: string, signature: string): Promise<HttpResponse> => {
    const path = `/v1/webhooks/${id}`;
    const headers = new Map([
      ['content-type', 'application/x-www-form-urlencoded'],
      ['x-twilio-signature', signature],
    ]);
    const head = { method: 'POST', path, query: '', headers, rawParams: [id] };
    const framing = { contentLength: body.length, hasBody: true, endsConnection: false };
    const about = { clientAddress: from, correlationId: 'none' };
    return handler(copiedRequest({ ...head, ...framing, ...about }, [id], Buffer.from(body), 0));
  };
  const signatures = new Map<Endpoint, string>();
  const sign = (one: Endpoint): string => {
    const url = `${one.publicBaseUrl}/v1/webhooks/${one.id}`;
    return createHmac('sha1', tokenOf(one))
      .update(url + signedFields)
      .digest('base64');
  };
  return {
    clock,
    good: (one: Endpoint, from = provider) => {
      const signature = signatures.get(one) ?? sign(one);
      signatures.set(one, signature);
      return send(one.id, from, signature);
    },
    forged: (one: Endpoint, from = provider) => send(one.id, from, `${'A'.repeat(27)}=`),
    guess: (n: number, from = provider) => send(`ep_guess${String(n).padStart(12, '0')}`, from, ''),
    count: async (layer: string, code: string): Promise<number> => {
      const metric = await metrics.getSingleMetric('trunkline_ingest_deliveries_total')?.get();
      return (metric?.values ?? [])
        .filter(({ labels }) => labels['layer'] === layer && labels['code'] === code)
        .reduce((sum, { value }) => sum + value, 0);
    },
  };
}

test('20,000 a second from one address over many endpoints, all signed right, are all taken', async () => {
  const endpoints = many(400, 100);
  const { clock, good } = layers(endpoints, { address: 1 });
  const statuses = new Set<number>();
  for (let sent = 0; sent < 20_000; sent += 100) {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => good(turn(endpoints, sent + i))),
    );
    for (const { status } of answers) statuses.add(status);
    clock.ms += 5;
  }
  expect([...statuses]).toEqual([204]);
});

test('a flood of forged ones is refused before the signature is looked at, and costs the endpoint nothing', async () => {
  const endpoints = many(10, 1);
  const { clock, forged, good, count } = layers(endpoints);
  const statuses: number[] = [];
  for (let sent = 0; sent < 20_000; sent += 1) {
    if (sent % 20 === 0) clock.ms += 1;
    statuses.push((await forged(turn(endpoints, sent), '198.51.100.66')).status);
  }
  // In one second: a burst of ten seconds and the rate, then parole at ten endpoints.
  const looked = await count('signature', 'signature_mismatch');
  expect(looked).toBeGreaterThanOrEqual(200);
  expect(looked).toBeLessThanOrEqual(200 + 20 + 10 * (50 + 5) + 10);
  expect(await count('rate_limit', 'rate_limited_address')).toBe(20_000 - looked);
  expect(statuses.slice(0, 200)).toEqual(Array(200).fill(403));
  // What is refilled meanwhile is looked at again, and told so.
  expect(statuses.filter((status) => status !== 429).length).toBeLessThanOrEqual(221);
  for (const one of endpoints) expect((await good(one)).status).toBe(204);
});

test('forgeries for one endpoint refuse nothing of another from the same address, of the same tenant or not', async () => {
  const endpoints = many(4, 2);
  const [attacked, otherTenant, sameTenant] = [
    turn(endpoints, 0),
    turn(endpoints, 1),
    turn(endpoints, 2),
  ];
  const { forged, good, count } = layers(endpoints);
  for (let i = 0; i < 5_000; i += 1) await forged(attacked);
  expect(await count('rate_limit', 'rate_limited_address')).toBeGreaterThan(4_000);
  for (let i = 0; i < 500; i += 1) {
    expect((await good(sameTenant)).status).toBe(204);
    expect((await good(otherTenant)).status).toBe(204);
    await forged(attacked);
  }
});

test('at the attacked endpoint itself right ones pass as long as they are one in three', async () => {
  const endpoints = many(1, 1);
  const [one] = endpoints;
  const { forged, good, count } = layers(endpoints);
  for (let i = 0; i < 3_000; i += 1) {
    await forged(one);
    await forged(one);
    expect((await good(one)).status).toBe(204);
  }
  expect(await count('rate_limit', 'rate_limited_address')).toBe(0);
});

test('guessing ids costs nobody else a thing: who names an endpoint is not refused for it', async () => {
  const endpoints = many(1, 1);
  const { guess, good } = layers(endpoints);
  const statuses: number[] = [];
  for (let i = 0; i < 300; i += 1) statuses.push((await guess(i)).status);
  expect(statuses.slice(0, 200)).toEqual(Array(200).fill(404));
  expect(statuses.slice(200)).toEqual(Array(100).fill(429));
  expect((await good(endpoints[0])).status).toBe(204);
});

test('forgeries from everywhere close an endpoint to strangers, not to addresses it knows', async () => {
  const endpoints = many(2, 2);
  const [attacked, other] = [turn(endpoints, 0), turn(endpoints, 1)];
  const { forged, good, count } = layers(endpoints);
  expect((await good(attacked)).status).toBe(204);
  for (let i = 0; i < 20_000; i += 1) await forged(attacked, `198.51.${i % 100}.${(i >> 4) % 250}`);
  // Five times the rate of an address, and its burst.
  expect(await count('signature', 'signature_mismatch')).toBeLessThanOrEqual(1_001);
  expect(await count('rate_limit', 'rate_limited_endpoint')).toBeGreaterThan(18_000);
  expect((await good(attacked)).status).toBe(204);
  expect((await good(attacked, '203.0.113.9')).status).toBe(429);
  expect((await good(other, '203.0.113.9')).status).toBe(204);
});

test('once a wrong credential is put right everything passes within a second', async () => {
  const [one] = many(1, 1);
  const { clock, forged, good } = layers([one]);
  for (let i = 0; i < 10_000; i += 1) {
    await forged(one);
    clock.ms += 2;
  }
  const fixedAt = clock.ms;
  let refused = 0;
  for (; clock.ms < fixedAt + 3_000; clock.ms += 2) {
    const { status } = await good(one);
    if (status !== 204) refused = clock.ms - fixedAt;
  }
  expect(refused).toBeLessThan(1_000);
});

test('an address over its rate is told the same whether it was looked at or not', async () => {
  const endpoints = many(1, 1);
  const { forged, count } = layers(endpoints);
  for (let i = 0; i < 200; i += 1) expect((await forged(endpoints[0])).status).toBe(403);
  const onParole = await forged(endpoints[0]);
  expect(await count('signature', 'signature_mismatch')).toBe(201);
  for (let i = 0; i < 60; i += 1) await forged(endpoints[0]);
  const looked = await count('signature', 'signature_mismatch');
  const unseen = await forged(endpoints[0]);
  expect(await count('signature', 'signature_mismatch')).toBe(looked);
  expect(onParole).toEqual(unseen);
  expect(unseen).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
});

test('an IPv6 host counts by its /64, IPv4 inside IPv6 as IPv4', () => {
  expect(subscriberOf('192.0.2.7')).toBe('192.0.2.7');
  expect(subscriberOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(subscriberOf('::ffff:c000:207')).toBe('192.0.2.7');
  expect(subscriberOf('2001:db8:1:2::1')).toBe(subscriberOf('2001:db8:1:2:ffff::2'));
  expect(subscriberOf('2001:db8:1:2::1')).not.toBe(subscriberOf('2001:db8:1:3::1'));
});
