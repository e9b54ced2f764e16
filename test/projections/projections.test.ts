import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Codec } from '../../log/event-codec.js';
import { createMemoryLog } from '../../log/memory.js';
import { TrunklineError } from '../../runtime/errors.js';
import { createMetrics } from '../../runtime/metrics.js';
import type { Database } from '../../runtime/postgres.js';
import { openDatabase } from '../../runtime/postgres.js';
import type { Evolver } from '../../schemas/aggregates.js';
import { until } from '../services/shared.js';
import { allRows, caughtUp, codec, freshStore, start } from './station.js';
import { traceEvolver, World } from './world.js';

let expected: Record<string, string[]>;
const databases: Database[] = [];
const stops = 'trunkline_consumer_stopped_partitions{station="projections"';
const steps = 1_500;
const seed = 7;

async function store(): Promise<Database> {
  const { database } = await freshStore();
  databases.push(database);
  return database;
}

beforeAll(async () => {
  // What one projector leaves that nothing happens to: the measure of the others.
  const database = await store();
  const world = new World({ seed, codec });
  world.happen(steps);
  const running = start(world, database);
  await caughtUp(world, database);
  await running.stop();
  expected = await allRows(database);
});

afterAll(async () => {
  await Promise.all(databases.map((database) => database.end()));
});

test('every read model has rows, and every event left its trace once', () => {
  for (const [table, rows] of Object.entries(expected)) {
    expect(rows.length, table).toBeGreaterThan(0);
  }
});

test('events that come one by one give the same rows as events that come at once', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  const running = start(world, database, { maxEvents: 7 });
  // The steps are drawn one after another, so the same seed gives the same world in any portions.
  world.happen(steps);
  await caughtUp(world, database);
  await running.stop();
  expect(await allRows(database)).toEqual(expected);
});

test('two projectors on the same partitions apply every event once', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  const first = start(world, database, { maxEvents: 20 });
  const second = start(world, database, { maxEvents: 30 });
  world.happen(steps);
  await caughtUp(world, database);
  await Promise.all([first.stop(), second.stop()]);
  expect(await allRows(database)).toEqual(expected);
  expect([...first.codes, ...second.codes]).not.toContain('projections_stopped');
});

test('a standby takes over when the projector before it is gone', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  const first = start(world, database);
  const second = start(world, database);
  await caughtUp(world, database);
  await first.stop();
  world.happen(steps);
  await caughtUp(world, database);
  await second.stop();
  expect(await allRows(database)).toEqual(expected);
});

test('connections cut at any statement lose nothing and repeat nothing', async () => {
  const { url, database } = await freshStore();
  databases.push(database);
  const victim = openDatabase({ url, max: 4, applicationName: 'victim' });
  databases.push(victim);
  const world = new World({ seed, codec });
  const running = start(world, victim, { maxEvents: 10 });
  const cut = setInterval(() => {
    void database
      .query(
        `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'victim' and datname = current_database()`,
      )
      .catch(() => undefined);
  }, 40);
  world.happen(steps);
  await until('some cuts', () => running.codes.filter((c) => c === 'projections_retry').length > 2);
  clearInterval(cut);
  await caughtUp(world, database);
  await running.stop();
  expect(await allRows(database)).toEqual(expected);
});

test('a stored mark that no projector could have left stops the partition loudly', async () => {
  const database = await store();
  const world = new World({ seed, codec, partitions: 1, tenants: 1 });
  world.happen(50);
  const metrics = createMetrics();
  const running = start(world, database, { metrics });
  await caughtUp(world, database);
  const before = await allRows(database);
  expect(await metrics.metrics()).toContain(`${stops},reason="mark_mismatch"} 0`);
  await database.query(`update marks set next_offset = next_offset - 5 where projection = 'calls'`);
  world.happen(50);
  await until('the stop', () => running.codes.includes('projections_stopped'));
  expect(running.status.health()).toMatchObject({
    ok: false,
    partitions: [{ state: 'stopped', error: expect.stringContaining('mark_mismatch') }],
  });
  expect(await metrics.metrics()).toContain(`${stops},reason="mark_mismatch"} 1`);
  await running.stop();
  expect(await allRows(database)).toEqual(before);
});

test('a database that lost its last commits is gone on from where it stands', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  world.happen(500);
  const running = start(world, database);
  await caughtUp(world, database);
  const tables = ['marks', 'mark_sequences', ...Object.keys(expected)];
  for (const table of tables) await database.query(`create table kept_${table} as table ${table}`);
  world.happen(500);
  await caughtUp(world, database);
  await database.query(
    [
      'begin',
      `lock table marks in access exclusive mode`,
      `truncate ${tables.join(', ')}`,
      ...tables.map((table) => `insert into ${table} table kept_${table}`),
      'commit',
    ].join(';'),
  );
  world.happen(500);
  await caughtUp(world, database);
  await running.stop();
  const undisturbed = await store();
  const other = start(world, undisturbed);
  await caughtUp(world, undisturbed);
  await other.stop();
  expect(await allRows(database)).toEqual(await allRows(undisturbed));
  expect(running.codes).toContain('projections_retry');
  expect(running.codes).not.toContain('projections_stopped');
});

test('a database that loses its last commits while nothing happens is seen all the same', async () => {
  const database = await store();
  const world = new World({ seed, codec, partitions: 1, tenants: 1 });
  world.happen(50);
  const running = start(world, database, { lookBackMs: 100 });
  await caughtUp(world, database);
  const tables = ['marks', 'mark_sequences', ...Object.keys(expected)];
  for (const table of tables) await database.query(`create table kept_${table} as table ${table}`);
  world.happen(50);
  await caughtUp(world, database);
  const before = await allRows(database);
  await database.query(
    [
      'begin',
      `lock table marks in access exclusive mode`,
      `truncate ${tables.join(', ')}`,
      ...tables.map((table) => `insert into ${table} table kept_${table}`),
      'commit',
    ].join(';'),
  );
  await until('the loss to be seen', () => running.codes.includes('projections_store_went_back'));
  await caughtUp(world, database);
  await running.stop();
  expect(await allRows(database)).toEqual(before);
});

test('a schema that cannot be fetched now is asked for again', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  world.happen(steps);
  let failures = 0;
  const learn: Codec['learn'] = (values) => {
    failures += 1;
    if (failures > 3) return codec.learn(values);
    return Promise.reject(new TrunklineError('service_unreachable', 'the registry is away'));
  };
  const running = start(world, database, { codec: { ...codec, learn } });
  await caughtUp(world, database);
  await running.stop();
  expect(await allRows(database)).toEqual(expected);
  expect(running.codes).toContain('projections_retry');
  expect(running.codes).not.toContain('projections_stopped');
});

test('an event that cannot be decoded stops its partition loudly and no other', async () => {
  const database = await store();
  const world = new World({ seed, codec, partitions: 2, tenants: 2 });
  const [bad, good] = world.tenants;
  if (bad === undefined || good === undefined) throw new Error('two tenants');
  world.garble(bad);
  world.happen(100);
  const running = start(world, database);
  const other = world.partitionOf(good);
  await until('the stop', () => running.codes.includes('projections_stopped'));
  await until('the other', () =>
    running.commits.some(({ partition, next }) => partition === other && next === world.end(other)),
  );
  const { rows } = await database.query(`select 1 from calls where tenant_id = $1`, [bad]);
  expect(rows).toEqual([]);
  await running.stop();
});

test('an event that aggregate_state cannot fold stops its partition: nothing of its batch stands', async () => {
  const database = await store();
  const world = new World({ seed, codec, partitions: 1, tenants: 1 });
  world.happen(200);
  let failedAt = Infinity;
  const evolver: Evolver = {
    ...traceEvolver,
    evolve(ref, state, event) {
      // The first from here on that touches an aggregate.
      if (event.seq >= 150) {
        failedAt = event.seq;
        throw new TypeError('cannot');
      }
      return traceEvolver.evolve(ref, state, event);
    },
  };
  const running = start(world, database, { evolver, maxEvents: 20 });
  await until('the stop', () => running.codes.includes('projections_stopped'));
  await running.stop();
  const { rows } = await database.query<{ last: number }>(
    `select max(last_seq)::int as last from mark_sequences`,
  );
  const applied = rows[0]?.last ?? 0;
  expect(applied).toBeGreaterThan(100);
  expect(applied).toBeLessThan(failedAt);
  const seen = await database.query<{ last: number }>(
    `select max(seq)::int as last from call_timeline`,
  );
  expect(seen.rows[0]?.last).toBeLessThanOrEqual(applied);
});

test('a hole in the log stops the partition after what stood before it', async () => {
  const database = await store();
  const world = new World({ seed, codec, partitions: 1, tenants: 1 });
  world.happen(60);
  const whole = world.end(0);
  const [tenant] = world.tenants;
  if (tenant === undefined) throw new Error('a tenant');
  const lost = { kind: 'parked', type: 'fact.parked', sourceTopic: 'deliveries' } as const;
  const body = { ...lost, sourceOffset: 1, errorCode: 'x', error: 'y' } as never;
  world.record(tenant, body);
  world.store.land('events', 0, [world.record(tenant, body)]);
  const running = start(world, database);
  await until('the stop', () => running.codes.includes('projections_stopped'));
  await until('what stood before', () => running.commits.some(({ next }) => next === whole));
  await running.stop();
});

test('a projection of a new version catches up from the beginning while the others go on', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  world.happen(steps);
  const first = start(world, database);
  await caughtUp(world, database);
  await first.stop();
  // As after a new version of `calls`: no mark of its own, and nothing in its table.
  await database.query(`delete from marks where projection = 'calls'`);
  await database.query(`delete from mark_sequences where projection = 'calls'`);
  await database.query('delete from calls');
  const second = start(world, database, { maxEvents: 50 });
  await caughtUp(world, database);
  await second.stop();
  expect(await allRows(database)).toEqual(expected);
});

test('other processes are told of moved partitions by coalesced notices', async () => {
  const database = await store();
  const world = new World({ seed, codec });
  const listener = await database.connect();
  const notices: string[] = [];
  listener.on('notification', ({ payload }) => notices.push(payload ?? ''));
  await listener.query('listen trunkline_projected');
  const running = start(world, database, { log: createMemoryLog(world.store), maxEvents: 5 });
  world.happen(600);
  await caughtUp(world, database);
  await until('a notice', () => notices.length > 0);
  await running.stop();
  expect(notices.length).toBeLessThan(running.commits.length / 2);
  expect(notices.every((payload) => /^[01](,[01])?$/.test(payload))).toBe(true);
  listener.release(true);
});
