// Promise 2 on real parts: Kafka, PostgreSQL and the roles as processes of their own, with traffic whose
// truth is known. Processes are killed in mid-stream and stopped until others have taken their place,
// and go on as zombies; nothing of it shows in the log as readers read it, nor in the rows.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { Cluster, expectDense } from '../e2e/cluster.js';
import { expectEachFactOnce, expectTruth, Traffic } from '../e2e/traffic.js';
import { freshDirectory, type Product } from '../services/product.js';
import { until } from '../services/shared.js';

// Alone this takes a fraction; on a machine with more to do it only has to end.
vi.setConfig({ testTimeout: 240_000 });

let cluster: Cluster;
let ingest: Product;
const ingestData = freshDirectory('promise-2-ingest');
const processors: Product[] = [];
const projectors: Product[] = [];
let traffic: Traffic;

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'promise-2' });
  ingest = await cluster.start('ingest', { data: ingestData });
  processors.push(...(await Promise.all([1, 2].map(() => cluster.start('processors')))));
  projectors.push(...(await Promise.all([1, 2].map(() => cluster.start('projections')))));
  traffic = await Traffic.play(cluster, ingest.url, { seed: 2, calls: null });
});
afterAll(async () => {
  await traffic.stop();
  await cluster.close();
});

/** Waits until so many more records were appended to `events`. */
async function moreEvents(count: number): Promise<void> {
  const goal = (await cluster.eventRecords()) + count;
  await until(`${count} more events`, async () => (await cluster.eventRecords()) >= goal);
}

/** Waits until the read models have moved so far. */
async function moreRows(count: number): Promise<void> {
  const facts = async (): Promise<number> => {
    const { rows } = await cluster.installation.database.query<{ n: number }>(
      `select coalesce(sum(last_seq), 0)::int as n from mark_sequences where projection = 'calls'`,
    );
    return rows[0]?.n ?? 0;
  };
  const goal = (await facts()) + count;
  await until(`${count} more projected events`, async () => (await facts()) >= goal, 60_000);
}

/** The oldest of the processes is killed in mid-stream, and a new one takes its place. */
async function killOne(role: 'processors' | 'projections', processes: Product[]): Promise<void> {
  await processes.shift()?.end('SIGKILL');
  processes.push(await cluster.start(role));
}

test('processors killed in mid-stream', async () => {
  for (let round = 0; round < 2; round += 1) {
    await moreEvents(100);
    await killOne('processors', processors);
  }
  await moreEvents(100);
});

test('projectors killed in mid-stream', async () => {
  for (let round = 0; round < 2; round += 1) {
    await moreRows(100);
    await killOne('projections', projectors);
  }
  await moreRows(100);
});

test('a processor that sleeps until others own its partitions, and then goes on', async () => {
  const [sleeper] = processors;
  if (sleeper === undefined) throw new Error('no processor');
  for (let round = 0; round < 4; round += 1) {
    const before = await cluster.history();
    await moreEvents(50);
    process.kill(sleeper.pid, 'SIGSTOP');
    await until('another owner', async () => (await cluster.history()).markers > before.markers);
    await moreEvents(50);
    process.kill(sleeper.pid, 'SIGCONT');
    await moreEvents(50);
    const { dropped } = await cluster.history();
    if (dropped.not_owner > 0) return;
  }
  throw new Error('the zombie never appended: this test has shown nothing');
});

test('a projector that sleeps until another leads in its place, and then goes on', async () => {
  for (const sleeper of projectors) {
    process.kill(sleeper.pid, 'SIGSTOP');
    // Whoever sleeps in mid-transaction holds its marks until the server ends the session.
    await moreRows(300);
    process.kill(sleeper.pid, 'SIGCONT');
    await moreRows(100);
  }
});

test('ingest killed in mid-stream and started again', async () => {
  await moreEvents(50);
  await ingest.end('SIGKILL');
  ingest = await cluster.start('ingest', { port: ingest.port, data: ingestData });
  await moreEvents(50);
});

test('nothing was applied twice, nothing was skipped, and everybody ended as the truth says', async () => {
  const report = await traffic.stop();
  await cluster.processed();
  const history = await cluster.history();
  expectDense(history);
  expectEachFactOnce(history);
  expect(report.duplicated).toBeGreaterThan(50);
  expect(report.reordered).toBeGreaterThan(50);
  // Only what the killed ingest could not answer is missing, and nobody was promised that.
  expect(Object.keys(report.refused).filter((what) => what !== 'error')).toEqual([]);
  expect(history.deliveries).toBeGreaterThanOrEqual(report.accepted);
  expect(history.deliveries).toBeLessThanOrEqual(report.sent);
  expect(traffic.truths.filter(({ isDecided }) => isDecided).length).toBeGreaterThan(200);
  await expectTruth(cluster, traffic);
  await cluster.expectRebuiltEqualsLive();
  process.stdout.write(
    `promise 2: ${report.sent} deliveries, ${history.markers} ownerships, ` +
      `dropped by readers ${JSON.stringify(history.dropped)}\n`,
  );
});
