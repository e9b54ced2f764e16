// The station with a real Redis before its database: what Redis forgets, forges in age or keeps to itself
// changes no event and no state, and what it does know spares the database.

import { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { HotMetrics } from '../../log/hot-metrics.js';
import { RedisHotStore } from '../../log/hot-store.js';
import { HotTier } from '../../log/hot-tier.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import type { Database } from '../../runtime/postgres.js';
import { openRedis } from '../../runtime/redis.js';
import { freshStore } from '../projections/station.js';
import { storedDeliveries } from '../ingest/stored-deliveries.js';
import { startRedis, type OwnRedis } from '../services/redis.js';
import { until } from '../services/shared.js';
import { sealedSamples, whoseOf } from './facts.js';
import { PureWorld } from './pure-world.js';
import { home, Station } from './station.js';

let database: Database;
let server: OwnRedis;
let client: Redis;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  ({ database } = await freshStore());
  server = await startRedis();
  client = new Redis(server.url);
  client.on('error', () => undefined);
});
afterAll(async () => {
  client.disconnect();
  await server.kill();
  await database.end();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await database.query(
    'truncate aggregate_state, marks, mark_sequences, calls, legs, call_timeline, messages, records, stats_minute, unattributed',
  );
});

/** A tier for one process, patient on a busy machine. */
async function openTier(prefix: string, deadlineMs = 5_000) {
  const metrics = createMetrics();
  const watch = new HotMetrics(metrics, silentLogger);
  const redis = openRedis(server.url, silentLogger);
  const ready = new Promise<void>((resolve) => redis.onReady(resolve));
  const tier = new HotTier({ store: new RedisHotStore(redis, prefix), watch, deadlineMs });
  ends.push(async () => tier.close());
  await ready;
  return { tier, watch, metrics };
}

const fresh = (): string => `test-${randomBytes(6).toString('hex')}`;
const stop = (one: { stop(): Promise<void> }): void => void ends.push(() => one.stop());

/** Facts of every aggregate as they are stored, in order; sealing keys differ from run to run. */
async function storedFacts(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await database.query<{ kind: string; key: string; state: string }>(
    'select kind, key, state from aggregate_state',
  );
  return new Map(rows.map(({ kind, key, state }) => [`acme\0${kind}\0${key}`, factIds(state)]));
}
const factIds = (text: string): readonly string[] =>
  [...text.matchAll(/"factId":"([^"]+)"/g)].map((match) => match[1] ?? '');

async function refs(station: Station, outcome: 'hit' | 'miss' | 'behind'): Promise<number> {
  const metric = await station.metrics
    .getSingleMetric('trunkline_processors_hot_refs_total')
    ?.get();
  return metric?.values.find(({ labels }) => labels.outcome === outcome)?.value ?? -1;
}

/** Every key with what it holds, as a snapshot of the server has it. */
async function saveAll(prefix: string): Promise<() => Promise<void>> {
  const keys = await client.keys(`${prefix}:*`);
  const dumps = await Promise.all(
    keys.map(async (key) => [key, await client.dumpBuffer(key)] as const),
  );
  return async () => {
    const whole = client.multi().flushall();
    for (const [key, dump] of dumps) whole.restore(key, 60_000, dump, 'REPLACE');
    await whole.exec();
  };
}

test('all samples while Redis is emptied, rolled back and robbed of keys: states as one fold', async () => {
  const prefix = fresh();
  const station = new Station(database);
  const { tier } = await openTier(prefix);
  stop(station.projections({ hotTier: tier }));
  const files = storedDeliveries.map(({ file }) => file.replace(/\.json$/, ''));
  const world = new PureWorld();
  const process = station.processors({ maxInputs: 3, hotTier: tier });
  stop(process);
  let restore = async (): Promise<void> => undefined;
  for (const [i, file] of files.entries()) {
    world.take(whoseOf(file), ...(await sealedSamples([file])));
    await station.deliver(file);
    if (i % 12 === 3) await station.untilProjected();
    if (i % 12 === 4) restore = await saveAll(prefix);
    if (i % 24 === 11) await client.flushall();
    if (i % 24 === 20) await restore();
    if (i % 12 === 7) {
      for (const key of await client.keys(`${prefix}:*call*`)) await client.del(key);
    }
  }
  await station.untilEvents(world.events.length);
  await station.untilProjected();
  const stored = await storedFacts();
  expect([...stored.keys()].sort()).toEqual([...world.states.keys()].sort());
  for (const [name, state] of world.states) {
    expect(stored.get(name), name).toEqual(factIds(JSON.stringify(state)));
  }
  expect(station.lines.filter(({ code }) => code === 'fact_parked')).toEqual([]);
  expect(await refs(station, 'hit'), 'Redis answered now and then').toBeGreaterThan(0);
  expect(await refs(station, 'miss')).toBeGreaterThan(0);
});

test('what was projected is in Redis with the mark, and a process that begins is answered from there', async () => {
  const prefix = fresh();
  const station = new Station(database);
  const { tier } = await openTier(prefix);
  stop(station.projections({ hotTier: tier }));
  const first = station.processors({ hotTier: tier });
  await station.deliver('twilio-voice-inbound-1-request');
  const before = (await station.untilEvents(1)).length;
  await station.untilProjected();
  await first.stop();
  const end = station.store.bounds('events', home).next;
  // The next owner's own marker moves the mark past everything that its overlay holds.
  stop(station.processors({ hotTier: tier }));
  await until('its marker', async () => station.store.bounds('events', home).next === end + 1);
  await station.untilProjected();
  const next = String(station.store.bounds('events', home).next);
  await until('the mark', async () => {
    const [head] = (await client.keys(`${prefix}:{hot:${home}:*}`)).slice(0, 1);
    return head !== undefined && (await client.hget(head, 'm')) === next;
  });
  await station.deliver('twilio-voice-inbound-7-completed');
  const events = await station.untilEvents(before + 1);
  expect(events.at(-1)?.body).toMatchObject({ kind: 'call', after: { status: 'completed' } });
  expect(await refs(station, 'hit')).toBe(1);
  expect(await refs(station, 'miss')).toBe(0);
});

test('Redis killed under load is seen, costs nothing, and heals by itself', async () => {
  const station = new Station(database);
  const { tier, watch } = await openTier(fresh(), 1_000);
  stop(station.projections({ hotTier: tier }));
  stop(station.processors({ maxInputs: 2, hotTier: tier }));
  const world = new PureWorld();
  const files = storedDeliveries.map(({ file }) => file.replace(/\.json$/, '')).slice(0, 60);
  for (const [i, file] of files.entries()) {
    world.take(whoseOf(file), ...(await sealedSamples([file])));
    if (i === 10) await until('in use', () => tier.isOn);
    if (i === 20) await server.kill();
    await station.deliver(file);
  }
  await station.untilEvents(world.events.length);
  await station.untilProjected();
  expect(tier.isOn).toBe(false);
  expect(watch.health).toMatchObject({ status: 'degraded' });
  await server.restart();
  await until('in use again', async () => {
    await station.deliver('twilio-sms-inbound');
    return tier.isOn;
  });
  expect(watch.health).toMatchObject({ status: 'ok' });
  const stored = await storedFacts();
  for (const [name, state] of world.states) {
    expect(stored.get(name)?.length, name).toBeGreaterThanOrEqual(
      factIds(JSON.stringify(state)).length,
    );
  }
});

test('after a rebuild rows of before are of another history', async () => {
  const prefix = fresh();
  const station = new Station(database);
  const { tier } = await openTier(prefix);
  stop(station.projections({ hotTier: tier }));
  stop(station.processors({ hotTier: tier }));
  await station.deliver('twilio-voice-inbound-1-request');
  await station.untilEvents(1);
  await station.untilProjected();
  await database.query(
    `insert into projection_rebuilds (projection, generation) values ('aggregate_state', 1)
      on conflict (projection) do update set generation = 1`,
  );
  ends.push(() => database.query('truncate projection_rebuilds'));
  for (let i = 0; i < 3; i += 1) {
    await station.deliver('twilio-sms-inbound');
    await station.untilEvents(2 + i);
    await station.untilProjected();
  }
  await until('a new place', async () => {
    const heads = await client.keys(`${prefix}:{hot:${home}:*.1}`);
    return heads.length > 0;
  });
});
