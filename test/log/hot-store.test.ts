// The scripts of the hot tier on a real Redis, and the twin that stands for them in the model: held equal
// step by step, whatever is written, lost or asked.

import fc from 'fast-check';
import { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { lineageOf, RedisHotStore, type HotRow } from '../../log/hot-store.js';
import { silentLogger } from '../../runtime/logger.js';
import { openRedis, type RedisConnection } from '../../runtime/redis.js';
import { offset } from '../../schemas/ids.js';
import { redisUrl } from '../services/services.js';
import { HotTwin } from './hot-twin.js';

let client: Redis;
let connection: RedisConnection;
beforeAll(async () => {
  const url = await redisUrl();
  client = new Redis(url);
  connection = openRedis(url, silentLogger);
  await new Promise<void>((resolve) => connection.onReady(resolve));
});
afterAll(() => {
  connection.close();
  client.disconnect();
});

const fresh = (): string => `test-${randomBytes(6).toString('hex')}`;
const place = { partition: 3, lineage: lineageOf(1, 'e', 0) };
const names = ['t\0alias\0a', 't\0alias\0b', 't\0call\0x', 't\0call\0y', 't\0message\0m'] as const;

const row: fc.Arbitrary<HotRow> = fc
  .record({ name: fc.integer({ min: 0, max: 4 }), to: fc.integer({ min: 2, max: 3 }), n: fc.nat() })
  .map(({ name, to, n }) => ({
    name: names[name] ?? '',
    state: JSON.stringify({ n }),
    leadsTo: name < 2 ? (names[to] ?? '') : '',
    ttlMs: 60_000,
  }));
const rows = fc.uniqueArray(row, { maxLength: 4, selector: ({ name }) => name });
const mark = fc.integer({ min: 0, max: 12 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('go on' as const), by: mark, rows }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('apply' as const), at: mark, by: mark, rows }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('fill' as const), at: mark, rows }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('lose' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('lose head' as const) }) },
);

test('twin and scripts agree, whatever is written, lost or asked in whatever order', async () => {
  let begun = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const prefix = fresh();
      const real = new RedisHotStore(connection, prefix);
      const twin = new HotTwin();
      const head = `${prefix}:{hot:3:1.e.0}`;
      /** The same key under both: generations have other names, and only the present one matters. */
      const lose = async (name: string | null): Promise<void> => {
        const generation = await client.hget(head, 'g');
        await client.del(name === null ? head : `${head}:${generation ?? ''}:${name}`);
        const [own] = twin.keys();
        if (own === undefined) return;
        if (name === null) twin.drop(own);
        const last = twin.keys().filter((key) => name !== null && key.endsWith(` ${name}`));
        const newest = last.sort((a, b) => age(a) - age(b)).at(-1);
        if (newest !== undefined) twin.drop(newest);
      };
      let at = 0;
      for (const one of steps) {
        if (one.op === 'lose') await lose(names[one.which % names.length] ?? '');
        else if (one.op === 'lose head') await lose(null);
        else if (one.op === 'fill') {
          const outcome = await real.fill(place, offset(one.at), one.rows);
          expect(outcome).toBe(await twin.fill(place, offset(one.at), one.rows));
        } else {
          const from = one.op === 'apply' ? one.at : at;
          const move = { from: offset(from), to: offset(from + one.by), rows: one.rows };
          const outcome = await real.apply(place, move);
          expect(outcome).toBe(await twin.apply(place, move));
          if (outcome === 'begun') begun += 1;
        }
        const found = await real.read(place, names);
        expect(found).toEqual(await twin.read(place, names));
        at = found?.mark ?? at;
      }
    }),
    { numRuns: 200 },
  );
  expect(begun).toBeGreaterThan(200);
});

/** Number of the twin's generation in a key. */
const age = (key: string): number => Number(/ g(\d+) /.exec(key)?.[1] ?? 0);

test('every key goes by itself, all of a place are in one slot, and other lineages are other places', async () => {
  const prefix = fresh();
  const store = new RedisHotStore(connection, prefix);
  const alias = { name: names[0], state: '{}', leadsTo: names[2], ttlMs: 60_000 };
  const call = { name: names[2], state: '{}', leadsTo: '', ttlMs: 1_000 };
  await store.apply(place, { from: offset(0), to: offset(5), rows: [alias, call] });
  const keys = await client.keys(`${prefix}:*`);
  expect(keys.length).toBe(3);
  for (const key of keys) {
    expect(await client.pttl(key)).toBeGreaterThan(0);
    expect(key.startsWith(`${prefix}:{hot:3:1.e.0}`)).toBe(true);
  }
  const other = { ...place, lineage: lineageOf(1, 'e', 1) };
  expect(await store.read(other, names)).toBeNull();
  expect((await store.read({ ...place, partition: 4 }, names)) === null).toBe(true);
  expect((await store.read(place, names))?.states.size).toBe(2);
});

test('an alias whose call is lost is a miss with it: a call is never taken for one without facts', async () => {
  const store = new RedisHotStore(connection, fresh());
  const alias = { name: names[0], state: '{"callId":"x"}', leadsTo: names[2], ttlMs: 60_000 };
  await store.fill(place, offset(5), [alias]);
  expect(await store.read(place, names)).toEqual({ mark: 5, states: new Map() });
});

test('a server that has lost its scripts is sent the text', async () => {
  const store = new RedisHotStore(connection, fresh());
  await store.fill(place, offset(5), []);
  await client.script('FLUSH');
  expect(await store.read(place, [])).toEqual({ mark: 5, states: new Map() });
});

test('what is no answer of a script is an error, not a state', async () => {
  const prefix = fresh();
  const store = new RedisHotStore(connection, prefix);
  await client.set(`${prefix}:{hot:3:1.e.0}`, 'no hash');
  await expect(store.read(place, names)).rejects.toThrow(/WRONGTYPE/);
  await client.del(`${prefix}:{hot:3:1.e.0}`);
  await client.hset(`${prefix}:{hot:3:1.e.0}`, 'g', 'x', 'm', 'no number');
  expect(await store.read(place, names)).toBeNull();
  const move = { from: offset(1), to: offset(2), rows: [] };
  expect(await store.apply(place, move)).toBe('begun');
});
