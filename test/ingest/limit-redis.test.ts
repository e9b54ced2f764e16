// Counting together on a real Redis: exactly, atomically, and what happens when it is away.

import fc from 'fast-check';
import { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { Limits, type DecidedBy } from '../../ingest/limit.js';
import { Buckets, burstTicks, waitOf } from '../../ingest/limit-bucket.js';
import type { Rates } from '../../ingest/limit-keys.js';
import { takeScript } from '../../ingest/limit-script.js';
import { SharedLimits } from '../../ingest/limit-shared.js';
import type { Standing } from '../../ingest/limit-standing.js';
import { silentLogger } from '../../runtime/logger.js';
import { openRedis } from '../../runtime/redis.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { startRedis, type OwnRedis } from '../services/redis.js';
import { until } from '../services/shared.js';
import { endpoint } from './fixtures.js';

const address = '192.0.2.7';
let server: OwnRedis;
let client: Redis;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
  client.on('error', () => undefined);
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(async () => {
  client.disconnect();
  await server.kill();
});

interface Node {
  readonly limits: Limits;
  readonly shared: SharedLimits;
  readonly by: DecidedBy[];
  readonly seen: string[];
}

/** However busy the machine is: what is late would be decided alone. */
const patient = 20_000;

/** A node of the installation `prefix`. */
async function node(
  prefix: string,
  change: Partial<Rates> & { readonly deadlineMs?: number } = {},
): Promise<Node> {
  const seen: string[] = [];
  const watch = {
    together: (nodes: number) => seen.push(`together ${nodes}`),
    alone: (absence: string) => seen.push(`alone ${absence}`),
    answered: () => undefined,
  };
  const redis = openRedis(server.url, silentLogger);
  const { deadlineMs = patient, ...rates } = change;
  const shared = new SharedLimits({ redis, prefix, watch, everyMs: 200, deadlineMs });
  const stop = new AbortController();
  const running = shared.run(stop.signal);
  ends.push(async () => {
    stop.abort();
    await running;
  });
  await shared.started;
  expect(shared.isOn).toBe(true);
  const by: DecidedBy[] = [];
  const limits = new Limits({
    rates: { endpoint: 1000, tenant: 10_000, credential: 0, address: 5, ...rates },
    shared: { limits: shared, addressKey: Buffer.alloc(32, 1) },
    onDecision: (one) => by.push(one),
  });
  return { limits, shared, by, seen };
}

const fresh = (): string => `test-${randomBytes(6).toString('hex')}`;
const passed = (standings: readonly Standing[]): number =>
  standings.filter(({ refusedBy }) => refusedBy === null).length;
const takeOf = ({ limits }: Node, one: Endpoint) =>
  Promise.resolve(limits.take(one, 'c1', address));

test('the script and the local buckets agree to the tick, whatever is asked of them in whatever order', async () => {
  // The same text by a clock of ours, which the expiry of keys knows nothing of.
  const timed = takeScript.lua
    .replace("redis.call('TIME')", '{ ARGV[#ARGV - 1], ARGV[#ARGV] }')
    .replace(", 'PX', ttl", '');
  expect(timed).not.toMatch(/TIME|PX/);
  const mode = fc.constantFrom('take', 'take', 'take', 'charge', 'give');
  // Whole parts of a burst meet the limit to the tick.
  const parts = fc.constantFrom(1, burstTicks / 4, burstTicks / 2, burstTicks);
  const cost = fc.oneof(fc.integer({ min: 1, max: burstTicks }), parts);
  const key = fc.integer({ min: 0, max: 3 });
  const step = fc.record({
    gapUs: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 500 }),
      fc.integer({ min: 0, max: 4_000_000 }),
    ),
    draws: fc.uniqueArray(fc.record({ key, mode, cost }), {
      ...{ minLength: 1, maxLength: 4 },
      selector: (draw) => draw.key,
    }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const prefix = fresh();
      const buckets = new Buckets({ maxKeys: Infinity });
      let us = 90_000_000_000_000;
      for (const { gapUs, draws } of steps) {
        us += gapUs;
        const now = us * 10;
        const used = draws.map((draw) => buckets.used(`${draw.key}`, now));
        const fits = draws.every(
          (draw, i) => draw.mode !== 'take' || waitOf(used[i] ?? 0, draw.cost) <= 0,
        );
        const after = draws.map((draw, i) => {
          const sum = (used[i] ?? 0) + (draw.mode === 'give' ? -draw.cost : draw.cost);
          return fits ? Math.min(burstTicks, Math.max(0, sum)) : (used[i] ?? 0);
        });
        if (fits) draws.forEach((draw, i) => buckets.put(`${draw.key}`, after[i] ?? 0, now));
        const answer = await client.eval(
          timed,
          draws.length,
          ...draws.map((draw) => `${prefix}:${draw.key}`),
          ...draws.flatMap((draw) => [draw.mode, draw.cost]),
          1_700_000_000 + Math.floor(us / 1_000_000),
          us % 1_000_000,
        );
        expect(answer).toEqual([fits ? 1 : 0, ...after]);
      }
    }),
    { numRuns: 150 },
  );
});

test('two nodes that are asked at once give one limit together, and not one delivery more', async () => {
  const prefix = fresh();
  const [a, b] = [await node(prefix), await node(prefix)];
  await until('two nodes', () => a.shared.nodes === 2 && b.shared.nodes === 2);
  const one = endpoint({ ratePerSecond: 2 });
  const begin = performance.now();
  const standings = await Promise.all(
    Array.from({ length: 200 }, (_, i) => takeOf(i % 2 === 0 ? a : b, one)),
  );
  const seconds = (performance.now() - begin) / 1000;
  expect(passed(standings)).toBeGreaterThanOrEqual(20);
  expect(passed(standings)).toBeLessThanOrEqual(20 + Math.floor(seconds * 2));
  expect([...a.by, ...b.by].every((by) => by === 'together')).toBe(true);
  expect(a.by.length + b.by.length).toBe(200);
});

test('a tenant’s limit is over its endpoints and nodes; a refusal by it takes nothing of the endpoint', async () => {
  const prefix = fresh();
  const [a, b] = [await node(prefix, { tenant: 1 }), await node(prefix, { tenant: 1 })];
  const [one, two] = ['ep_0000000000000001', 'ep_0000000000000002'].map((id) =>
    endpoint({ id: endpointId(id) }),
  ) as [Endpoint, Endpoint];
  const standings = await Promise.all([
    ...Array.from({ length: 50 }, () => takeOf(a, one)),
    ...Array.from({ length: 50 }, () => takeOf(b, two)),
  ]);
  expect(passed(standings)).toBeGreaterThanOrEqual(10);
  expect(passed(standings)).toBeLessThanOrEqual(11);
  const refused = standings.filter(({ refusedBy }) => refusedBy !== null);
  expect(new Set(refused.map(({ refusedBy }) => refusedBy))).toEqual(new Set(['tenant']));
  // What passed took a millisecond of each endpoint's bucket; 89 refusals would have left 50 in it.
  for (const { used } of refused) expect(used[0]).toBeLessThanOrEqual(11 * 10_000);
  const globex = endpoint({ ...one, tenant: tenantId('globex') });
  expect(await takeOf(a, globex)).toMatchObject({ refusedBy: null });
});

test('failures of an address at one node close it at the other as soon as that one sees it', async () => {
  const prefix = fresh();
  const [a, b] = [await node(prefix), await node(prefix)];
  const stranger = '198.51.100.9';
  for (let i = 0; i < 60; i += 1) {
    if (a.limits.admit(null, stranger).ok) a.limits.failed(null, stranger, false);
  }
  await until('the charges', async () => (await client.keys(`${prefix}:{-*`)).length === 1);
  expect(b.limits.admit(null, stranger)).toMatchObject({ ok: true });
  b.limits.failed(null, stranger, false);
  await until('b knows', () => !b.limits.admit(null, stranger).ok);
});

test('every key holds a tenant, expires by itself, and no key holds an address', async () => {
  const prefix = fresh();
  const a = await node(prefix, { credential: 1, tenant: 1 });
  const one = endpoint({ ratePerSecond: 1 });
  await takeOf(a, one);
  for (let i = 0; i < 50; i += 1) {
    a.limits.failed(one, '2001:db8::1', false);
    a.limits.failed(null, address, false);
  }
  await until('six buckets', async () => (await client.keys(`${prefix}:{*`)).length === 6);
  const keys = await client.keys(`${prefix}:*`);
  for (const key of keys) {
    expect(await client.pttl(key)).toBeGreaterThan(0);
    expect(key).not.toMatch(/192|2001|db8/);
    if (key !== `${prefix}:nodes`) expect(key).toMatch(/^test-[0-9a-f]+:\{(acme|-:[\w-]{22})\}:/);
  }
});

test('a Redis that has lost its scripts is sent the text, and nothing is decided alone', async () => {
  const a = await node(fresh());
  await takeOf(a, endpoint());
  for (let i = 0; i < 3; i += 1) {
    await client.script('FLUSH');
    const standings = await Promise.all(Array.from({ length: 20 }, () => takeOf(a, endpoint())));
    expect(passed(standings)).toBe(20);
  }
  expect(new Set(a.by)).toEqual(new Set(['together']));
  expect(a.seen).toEqual(['together 1']);
});

test('what was written under another clock, or is no number, is cut to a burst', async () => {
  const prefix = fresh();
  const a = await node(prefix);
  const one = endpoint({ ratePerSecond: 1 });
  await client.set(`${prefix}:{acme}:endpoint:${one.id}`, '9e17');
  expect(await takeOf(a, one)).toMatchObject({ refusedBy: 'endpoint', retryInMs: 1000 });
  const other = endpoint({ id: endpointId('ep_0000000000000002'), ratePerSecond: 1 });
  await client.set(`${prefix}:{acme}:endpoint:${other.id}`, 'x');
  expect(await takeOf(a, other)).toMatchObject({ refusedBy: null });
});

const senders = 8;

/** Takes without a pause until told to end; how long each waited, in ms. */
function load(one: Node, of: Endpoint) {
  const waits: number[] = [];
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      const begin = performance.now();
      await takeOf(one, of);
      waits.push(performance.now() - begin);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const all = Promise.all(Array.from({ length: senders }, run));
  return {
    waits,
    end: async () => {
      isOver = true;
      await all;
    },
  };
}

// Deadlines longer than the product's, so that a busy machine does not look like a Redis that is away.

test('killed under load: decisions go on alone within the deadline, and together again once it is back', async () => {
  const deadlineMs = 1_000;
  const a = await node(fresh(), { deadlineMs });
  const { waits, end } = load(a, endpoint({ ratePerSecond: 1_000_000 }));
  await until('some decisions', () => a.by.length > 500);
  await server.kill();
  await until('alone', () => !a.shared.isOn);
  const alone = a.by.length;
  await until('decisions go on', () => a.by.length > alone + 500);
  await server.restart();
  await until('together again', () => a.shared.isOn);
  const back = a.by.length;
  await until('decisions together', () => a.by.slice(back).includes('together'));
  await end();
  expect(Math.max(...waits)).toBeLessThan(deadlineMs);
  expect(a.seen).toMatchObject(['together 1', expect.stringMatching(/^alone/), 'together 1']);
});

test('a Redis that hangs costs the deadline for what is on its way, and then nothing', async () => {
  const deadlineMs = 300;
  const a = await node(fresh(), { deadlineMs });
  const { waits, end } = load(a, endpoint({ ratePerSecond: 1_000_000 }));
  await until('some decisions', () => a.by.length > 500);
  const asking = new Redis(server.url);
  await asking.call('CLIENT', 'PAUSE', '2000', 'ALL');
  await until('alone', () => !a.shared.isOn);
  const away = a.by.length;
  await until('decisions go on', () => a.by.length > away + 2_000);
  expect(new Set(a.by.slice(away + senders))).toEqual(new Set(['away']));
  await until('together again', () => a.shared.isOn);
  await end();
  asking.disconnect();
  expect(a.by.filter((by) => by === 'late').length).toBeLessThanOrEqual(senders);
  expect(waits.filter((ms) => ms >= deadlineMs).length).toBeLessThanOrEqual(senders);
  expect(a.seen).toEqual(['together 1', 'alone late', 'together 1']);
});
