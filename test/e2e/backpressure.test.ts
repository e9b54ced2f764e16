// PostgreSQL slow under load, on real Kafka: the lag grows and is shown, ingest keeps answering, and when
// PostgreSQL is quick again the lag goes by itself.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { Wire } from '../chaos/proxy.js';
import { freshDirectory, runTrunkline, type Product } from '../services/product.js';
import { until } from '../services/shared.js';
import { Cluster, expectDense } from './cluster.js';
import { expectEachFactOnce, expectTruth, Traffic } from './traffic.js';

vi.setConfig({ testTimeout: 240_000 });

/** Each answer of PostgreSQL is so late, twice: on the way there and back. */
const delayMs = 400;

let cluster: Cluster;
let traffic: Traffic;
let ingest: Product;
let processors: Product;
let projections: Product;
let wire: Wire;

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'backpressure' });
  const url = new URL(cluster.env['DATABASE_URL'] ?? '');
  wire = await Wire.open(Number(url.port));
  url.port = String(wire.port);
  const env = { DATABASE_URL: url.href };
  [ingest, processors, projections] = await Promise.all([
    cluster.start('ingest'),
    cluster.start('processors', { env }),
    cluster.start('projections', { env }),
  ]);
  traffic = await Traffic.play(cluster, ingest.url, { seed: 41, calls: null, rate: 100 });
});
afterAll(async () => {
  await traffic.stop();
  await cluster.close();
  await wire.close();
});

async function moreSent(count: number): Promise<void> {
  const goal = traffic.sent + count;
  await until(`${count} more deliveries`, () => traffic.sent >= goal);
}

/** The sum of a metric over its labels. */
async function sum({ url }: Product, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const lag = async (): Promise<number> =>
  (await sum(processors, 'trunkline_processors_lag_records')) +
  (await sum(projections, 'trunkline_projections_lag_records'));

test('a slow PostgreSQL makes the lag grow, and shows; ingest answers as before', async () => {
  await moreSent(200);
  wire.slow(delayMs);
  await until('the lag to show', async () => (await lag()) > 50, 60_000);
  await moreSent(500);
  expect((await fetch(`${ingest.url}/health/ready`)).status).toBe(200);
});

test('quick again, the lag goes by itself, and nothing was refused, lost or doubled', async () => {
  wire.mend();
  await moreSent(100);
  const report = await traffic.stop();
  expect(report.refused).toEqual({});
  await cluster.processed();
  await until('the lag to be gone', async () => (await lag()) === 0);
  const history = await cluster.history();
  expectDense(history);
  expectEachFactOnce(history);
  await expectTruth(cluster, traffic);
});

test('doctor says that all is decided, and without processors which partitions wait', async () => {
  expect(await partitionsRow()).toMatchObject({ state: 'ok', detail: 'all decided and projected' });
  expect((await processors.end('SIGTERM')).code, processors.output()).toBe(0);
  const more = await Traffic.play(cluster, ingest.url, { seed: 42, calls: 3 });
  expect((await more.finished()).refused).toEqual({});
  expect(await partitionsRow()).toMatchObject({
    state: 'warn',
    runbook: 'partition-stopped',
    detail: expect.stringMatching(/^partition \d: \d+ deliveries wait, and none is decided/),
  });
  for (const one of [ingest, projections]) {
    expect((await one.end('SIGTERM')).code, one.output()).toBe(0);
  }
});

/** What `trunkline doctor` says of the way from delivery to row. */
async function partitionsRow(): Promise<unknown> {
  const options = { data: freshDirectory('doctor'), env: cluster.env };
  const { stdout } = await runTrunkline(['doctor', '--json'], options);
  const rows = JSON.parse(stdout) as { readonly what: string }[];
  return rows.find(({ what }) => what === 'partitions');
}
