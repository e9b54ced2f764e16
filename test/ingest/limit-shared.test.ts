// Counting together, with a Redis that does what the test says.

import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { Limits, type DecidedBy } from '../../ingest/limit.js';
import { announceScript } from '../../ingest/limit-script.js';
import { SharedLimits, type SharingWatch } from '../../ingest/limit-shared.js';
import type { RedisConnection } from '../../runtime/redis.js';
import { until } from '../services/shared.js';
import { endpoint } from './fixtures.js';

const rates = { endpoint: 100, tenant: 1000, credential: 0, address: 5 };
const address = '192.0.2.7';

interface Asked {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
  readonly answer: (reply: unknown) => void;
  readonly fail: (error: Error) => void;
}

/** Announcements are answered with `nodes`, or not while it is null; questions when the test says. */
class StubRedis implements RedisConnection {
  nodes: number | null = 1;
  readonly asked: Asked[] = [];
  readonly said: string[] = [];
  reconnects = 0;
  announced = 0;

  run(
    script: { readonly sha: string },
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    if (script.sha === announceScript.sha) {
      this.announced += 1;
      this.said.push(String(args[2]));
      const { nodes } = this;
      return nodes === null ? new Promise(() => undefined) : Promise.resolve(nodes);
    }
    return new Promise((answer, fail) => {
      this.asked.push({ keys, args, answer, fail });
    });
  }
  onReady(listener: () => void): void {
    listener();
  }
  reconnect(): void {
    this.reconnects += 1;
  }
  close(): void {
    this.said.push('closed');
  }
}

async function together(
  options: {
    readonly nodes?: number;
    readonly everyMs?: number;
    readonly deadlineMs?: number;
  } = {},
) {
  const redis = new StubRedis();
  redis.nodes = options.nodes ?? 1;
  const seen: string[] = [];
  const watch: SharingWatch = {
    together: (nodes) => seen.push(`together ${nodes}`),
    alone: (absence, reason, nodes) => seen.push(`alone ${absence} ${reason} ${nodes}`),
    answered: () => seen.push('answered'),
  };
  const { everyMs = 20, deadlineMs } = options;
  const deadline = deadlineMs === undefined ? {} : { deadlineMs };
  const shared = new SharedLimits({ redis, prefix: 'p', watch, everyMs, ...deadline });
  const stop = new AbortController();
  const running = shared.run(stop.signal);
  await shared.started;
  const by: DecidedBy[] = [];
  const limits = new Limits({
    rates,
    shared: { limits: shared, addressKey: Buffer.alloc(32, 1) },
    onDecision: (one) => by.push(one),
  });
  const end = async () => {
    stop.abort();
    await running;
  };
  return { redis, seen, shared, limits, by, end };
}

test('a request is one call of the script, with the tenant in every key and one hash tag', async () => {
  const { redis, limits, end } = await together();
  const one = endpoint();
  const taking = limits.take(one, 'c1', address);
  expect(redis.asked).toHaveLength(1);
  expect(redis.asked[0]).toMatchObject({
    keys: ['p:{acme}:endpoint:ep_0000000000000001', 'p:{acme}:tenant'],
    args: ['take', 100_000, 'take', 10_000],
  });
  redis.asked[0]?.answer([1, 300_000, 10_000]);
  expect(await taking).toMatchObject({ refusedBy: null, used: [300_000, 10_000], share: 1 });
  await end();
  expect(redis.said.slice(-2)).toEqual(['leave', 'closed']);
});

test('a refusal by Redis is remembered: until then nothing is verified or asked', async () => {
  const { redis, limits, by, end } = await together();
  const one = endpoint({ ratePerSecond: 1 });
  const taking = limits.take(one, 'c1', address);
  redis.asked[0]?.answer([0, 100_000_000, 0]);
  expect(await taking).toMatchObject({ refusedBy: 'endpoint', retryInMs: 1000 });
  expect(limits.admit(one, address)).toMatchObject({ ok: false });
  expect(await limits.take(one, 'c1', address)).toMatchObject({ refusedBy: 'endpoint' });
  expect(redis.asked).toHaveLength(1);
  expect(by).toEqual(['together', 'together']);
  await end();
});

test('a Redis that hangs costs the deadline once; then each node gives its part', async () => {
  const { redis, limits, seen, by, shared, end } = await together({ nodes: 4, deadlineMs: 20 });
  redis.nodes = null;
  const one = endpoint({ ratePerSecond: 4 });
  const begin = performance.now();
  const late = await Promise.all(
    Array.from({ length: 3 }, async () => limits.take(one, 'c1', address)),
  );
  expect(performance.now() - begin).toBeGreaterThanOrEqual(19);
  expect(late.map(({ share, refusedBy }) => [share, refusedBy])).toEqual(Array(3).fill([4, null]));
  expect(shared.isOn).toBe(false);
  const asked = redis.asked.length;
  // A quarter of four a second: a burst of ten, three of which are gone.
  for (let i = 0; i < 7; i += 1) {
    expect(limits.take(one, 'c1', address)).toMatchObject({ refusedBy: null });
  }
  const refused = limits.take(one, 'c1', address);
  expect(refused).toMatchObject({ refusedBy: 'endpoint', share: 4 });
  expect(redis.asked).toHaveLength(asked);
  expect(by).toEqual([...Array(3).fill('late'), ...Array(8).fill('away')]);
  expect(seen.filter((line) => line.startsWith('alone'))).toEqual(['alone late 20 ms 4']);

  // Answers that come after all are no news.
  for (const { answer } of redis.asked) answer([0, 100_000_000, 100_000_000]);
  await turn();
  redis.nodes = 2;
  await until('together again', () => shared.isOn);
  expect(shared.nodes).toBe(2);
  expect(seen.filter((line) => !line.startsWith('answered'))).toEqual([
    'together 4',
    'alone late 20 ms 4',
    'together 2',
  ]);
  await end();
});

test('the deadline is 50 ms where nobody says otherwise', async () => {
  const { redis, limits, seen, end } = await together();
  redis.nodes = null;
  await limits.take(endpoint(), 'c1', address);
  expect(seen.at(-1)).toBe('alone late 50 ms 1');
  await end();
});

test('an error is an absence too, told by its first word alone', async () => {
  const { redis, limits, seen, end } = await together();
  const taking = limits.take(endpoint(), 'c1', address);
  redis.nodes = null;
  redis.asked[0]?.fail(new Error('OOM command not allowed: p:{acme}:tenant'));
  expect(await taking).toMatchObject({ refusedBy: null });
  expect(seen.at(-1)).toBe('alone failed OOM 1');
  await end();
});

test('our own event loop being late is no fault of Redis: what lies in the socket is read first', async () => {
  const { redis, limits, shared, end } = await together();
  const taking = limits.take(endpoint(), 'c1', address);
  setImmediate(() => {
    const begin = performance.now();
    while (performance.now() - begin < 40);
    setImmediate(() => redis.asked[0]?.answer([1, 100_000, 10_000]));
  });
  expect(await taking).toMatchObject({ share: 1, refusedBy: null });
  expect(shared.isOn).toBe(true);
  await end();
});

test('a connection that stays silent is given up for a new one', async () => {
  const { redis, end } = await together({ everyMs: 5 });
  redis.nodes = null;
  await until('a reconnect', () => redis.reconnects > 0);
  await end();
});

test('a Redis that is lost again and again is believed more slowly', async () => {
  const { redis, limits, shared, end } = await together({ everyMs: 10 });
  const away: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    const taking = limits.take(endpoint(), 'c1', address);
    redis.asked.at(-1)?.fail(new Error('OOM'));
    await taking;
    const begin = performance.now();
    await until('together again', () => shared.isOn);
    away.push(performance.now() - begin);
  }
  expect(away[3]).toBeGreaterThan(60);
  await end();
});

test('failures are charged to all nodes; the address is named by a keyed hash', async () => {
  const { redis, limits, end } = await together();
  const one = endpoint();
  limits.failed(one, address, false);
  const [first] = redis.asked;
  expect(first?.args).toEqual(['charge', 2_000_000, 'charge', 400_000]);
  expect(first?.keys[0]).toMatch(/^p:\{acme\}:address:[\w-]{22}$/);
  expect(first?.keys[1]).toBe('p:{acme}:refused:ep_0000000000000001');
  limits.failed(null, address, false);
  const [, second] = redis.asked;
  expect(second?.keys[0]).toMatch(/^p:\{-:[\w-]{22}\}:address$/);
  expect(JSON.stringify(redis.asked)).not.toContain('192.0.2');
  // What others have seen of it closes it here too.
  expect(limits.admit(null, address)).toMatchObject({ ok: true, isSuspect: false });
  second?.answer([1, 100_000_000]);
  await turn();
  expect(limits.admit(null, address)).toMatchObject({ ok: false });
  await end();
});

test('a verified delivery speaks for its address: what it owed is given back with the same call', async () => {
  const { redis, limits, end } = await together();
  limits.failed(endpoint(), address, false);
  const taking = limits.take(endpoint(), 'c1', address);
  const [charged, taken] = redis.asked;
  expect(taken?.keys[2]).toBe(charged?.keys[0]);
  expect(taken?.args.slice(4)).toEqual(['give', 4_000_000]);
  taken?.answer([1, 100_000, 10_000, 0]);
  expect(await taking).toMatchObject({ used: [100_000, 10_000] });
  await end();
});
