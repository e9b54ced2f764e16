// Promise 7 on real parts: the rows that processes have written from Kafka are thrown away, one read model
// after the other, and the operator's command brings them back, byte for byte; also while calls go on.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { evolver } from '../../processors/evolver.js';
import { createProjections } from '../../projections/registry.js';
import { Cluster } from '../e2e/cluster.js';
import { Traffic } from '../e2e/traffic.js';
import { freshDirectory, runTrunkline } from '../services/product.js';
import { until } from '../services/shared.js';

// Alone this takes a fraction; on a machine with more to do it only has to end.
vi.setConfig({ testTimeout: 240_000 });

const projections = createProjections(evolver);
let cluster: Cluster;
let traffic: Traffic;

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'promise-7' });
  const [ingest] = await Promise.all([
    cluster.start('ingest'),
    cluster.start('processors'),
    cluster.start('projections'),
  ]);
  traffic = await Traffic.play(cluster, ingest.url, { seed: 7, calls: null, rate: 80 });
});
afterAll(async () => {
  await traffic.stop();
  await cluster.close();
});

async function rebuild(name: string): Promise<string> {
  const options = { data: freshDirectory('promise-7-rebuild'), env: cluster.env };
  const run = await runTrunkline(['projections', 'rebuild', name], options);
  expect(run.code, run.stderr).toBe(0);
  return run.stdout;
}

/** Every row of every read model, as bytes. */
async function allRows(): Promise<Readonly<Record<string, readonly string[]>>> {
  const all: Record<string, readonly string[]> = {};
  for (const { name } of projections.flatMap(({ tables }) => tables)) {
    const { rows } = await cluster.installation.database.query<{ row: string }>(
      `select t::text as row from ${name} t order by 1`,
    );
    all[name] = rows.map(({ row }) => row);
  }
  return all;
}

test('a read model dropped and replayed while calls go on is what it would have been', async () => {
  await until('some traffic', async () => (await cluster.eventRecords()) > 300);
  for (const name of ['calls', 'stats_minute']) {
    await cluster.installation.database.query(`delete from ${name}`);
    expect(await rebuild(name)).toMatch(/live rows replaced|rebuilt equals live/);
  }
  await traffic.stop();
  await cluster.processed();
  await cluster.expectRebuiltEqualsLive();
});

test('every read model dropped and replayed gives the same bytes', async () => {
  const before = await allRows();
  for (const { name, tables } of projections) {
    for (const table of tables) {
      await cluster.installation.database.query(`delete from ${table.name}`);
    }
    expect(await rebuild(name), name).toContain(
      before[tables[0]?.name ?? '']?.length === 0 ? 'rebuilt equals live' : 'live rows replaced',
    );
  }
  expect(await allRows()).toEqual(before);
  expect(before['calls']?.length).toBeGreaterThan(10);
  expect(before['aggregate_state']?.length).toBeGreaterThan(10);
});
