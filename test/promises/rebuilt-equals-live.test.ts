// Promise 7: dropping any read model and replaying gives byte-equal rows. On a real Postgres (services/); the
// tables are those of the running station, and it goes on while the rebuild runs.

import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';

import { createMemoryLog } from '../../log/memory.js';
import type { Projection } from '../../projections/projection.js';
import { rebuildProjection, type RebuildReport } from '../../projections/rebuild.js';
import type { Database } from '../../runtime/postgres.js';
import {
  allRows,
  caughtUp,
  codec,
  freshStore,
  projections,
  start,
} from '../projections/station.js';
import { World } from '../projections/world.js';

const databases: Database[] = [];

async function store(): Promise<Database> {
  const { database } = await freshStore();
  databases.push(database);
  return database;
}

afterAll(async () => {
  await Promise.all(databases.map((database) => database.end()));
});

interface Call {
  readonly world: World;
  readonly database: Database;
  readonly projection: Projection;
  readonly compareOnly?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: () => void;
}

const rebuild = (call: Call): Promise<RebuildReport> =>
  rebuildProjection({
    ...{ log: createMemoryLog(call.world.store), codec, database: call.database },
    ...{ projection: call.projection, compareOnly: call.compareOnly ?? false },
    signal: call.signal ?? new AbortController().signal,
    onProgress: call.onProgress ?? (() => undefined),
  });

const tableOf = (projection: Projection): string => projection.tables[0]?.name ?? '';
const named = (name: string): Projection => {
  const found = projections.find((projection) => projection.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

test('any stream of events: every read model rebuilds to the bytes that stand live', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 1, max: 60 }),
      async (seed, steps, maxEvents) => {
        const { database } = await freshStore();
        const world = new World({ seed, codec, partitions: 2, tenants: 3 });
        const running = start(world, database, { maxEvents });
        world.happen(steps);
        await caughtUp(world, database);
        for (const projection of projections) {
          const report = await rebuild({ world, database, projection, compareOnly: true });
          expect(report, projection.name).toMatchObject({ equal: true, swapped: false });
        }
        await running.stop();
        await database.end();
      },
    ),
    { numRuns: 8 },
  );
});

test('any read model whose rows are gone comes back byte for byte while the projector runs', async () => {
  const database = await store();
  const world = new World({ seed: 3, codec });
  const running = start(world, database);
  world.happen(800);
  for (const projection of projections) {
    await caughtUp(world, database);
    const before = await allRows(database);
    await database.query(`delete from ${tableOf(projection)}`);
    const report = await rebuild({ world, database, projection });
    expect(report, projection.name).toMatchObject({ equal: false, swapped: true });
    expect(await allRows(database), projection.name).toEqual(before);
    // Events go on: what the projector remembers must be what now stands.
    world.happen(100);
  }
  await caughtUp(world, database);
  for (const projection of projections) {
    const report = await rebuild({ world, database, projection, compareOnly: true });
    expect(report, projection.name).toMatchObject({ equal: true });
  }
  await running.stop();
});

test('a projector forgets the rows it remembers when a rebuild has replaced them', async () => {
  const database = await store();
  const world = new World({ seed: 12, codec, partitions: 1, tenants: 1 });
  world.happen(300);
  const first = start(world, database);
  await caughtUp(world, database);
  await first.stop();
  await database.query(
    `update aggregate_state set state = '{"events":1,"trace":1,"last":"wrong"}' where kind <> 'alias'`,
  );
  // This one reads the wrong rows, folds on them, and remembers the outcome.
  const second = start(world, database);
  world.happen(300);
  await caughtUp(world, database);
  const projection = named('aggregate_state');
  expect(await rebuild({ world, database, projection })).toMatchObject({ swapped: true });
  world.happen(300);
  await caughtUp(world, database);
  const report = await rebuild({ world, database, projection, compareOnly: true });
  expect(report).toMatchObject({ equal: true });
  await second.stop();
});

test('events that arrive during a rebuild are on both sides of the comparison', async () => {
  const database = await store();
  const world = new World({ seed: 4, codec });
  const running = start(world, database, { maxEvents: 50 });
  world.happen(500);
  await caughtUp(world, database);
  let happenings = 0;
  const onProgress = (): void => {
    happenings += 1;
    if (happenings < 30) world.happen(60);
  };
  for (const projection of [named('calls'), named('stats_minute'), named('aggregate_state')]) {
    const report = await rebuild({ world, database, projection, onProgress });
    expect(report, projection.name).toMatchObject({ equal: true, swapped: false });
  }
  await running.stop();
});

test('rows that differ are named by their keys, and put right', async () => {
  const database = await store();
  const world = new World({ seed: 5, codec });
  world.happen(300);
  const running = start(world, database);
  await caughtUp(world, database);
  await running.stop();
  const before = await allRows(database);
  const one = await database.query<{ tenant_id: string; id: string }>(
    `update calls set status = 'held' where ctid = (select min(ctid) from calls) returning tenant_id, id`,
  );
  await database.query(
    `insert into calls select (c).* from (select jsonb_populate_record(c,
      '{"tenant_id":"zz","id":"made up"}') c from calls c limit 1) made`,
  );
  const projection = named('calls');
  const seen = await rebuild({ world, database, projection, compareOnly: true });
  expect(seen).toMatchObject({ equal: false, swapped: false });
  expect(seen.tables[0]?.firstDifferences).toEqual([
    { key: [one.rows[0]?.tenant_id, one.rows[0]?.id], kind: 'differs' },
    { key: ['zz', 'made up'], kind: 'missing_rebuilt' },
  ]);
  expect(await rebuild({ world, database, projection })).toMatchObject({ swapped: true });
  expect(await allRows(database)).toEqual(before);
});

test('a rebuild that is stopped at any point leaves live rows and nothing else', async () => {
  const database = await store();
  const world = new World({ seed: 6, codec });
  world.happen(400);
  const running = start(world, database);
  await caughtUp(world, database);
  await database.query('delete from legs');
  const before = await allRows(database);
  const projection = named('legs');
  for (const stopAt of [1, 2, 3]) {
    const controller = new AbortController();
    let calls = 0;
    const onProgress = (): void => {
      calls += 1;
      if (calls === stopAt) controller.abort();
    };
    const { signal } = controller;
    await expect(rebuild({ world, database, projection, signal, onProgress })).rejects.toThrow();
    expect(await allRows(database)).toEqual(before);
    const schemas = `select 1 from pg_namespace where nspname like 'trunkline_rebuild%'`;
    expect((await database.query(schemas)).rows).toEqual([]);
  }
  expect(await rebuild({ world, database, projection })).toMatchObject({ swapped: true });
  await running.stop();
});

test('only one rebuild of a read model runs at a time', async () => {
  const database = await store();
  const world = new World({ seed: 8, codec });
  world.happen(200);
  const running = start(world, database);
  await caughtUp(world, database);
  await running.stop();
  const projection = named('calls');
  const results = await Promise.allSettled([
    rebuild({ world, database, projection }),
    rebuild({ world, database, projection }),
  ]);
  const failed = results.filter((result) => result.status === 'rejected');
  expect(failed).toMatchObject([{ reason: { code: 'rebuild_running' } }]);
});
