// Processors scaled from one to four to two under load, on real Kafka: partitions move within seconds, no
// sequence has a hole, no fact has an effect twice.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { until } from '../services/shared.js';
import type { Product } from '../services/product.js';
import { Cluster, expectDense } from './cluster.js';
import { readAll } from './read-log.js';
import { expectEachFactOnce, expectTruth, Traffic } from './traffic.js';

vi.setConfig({ testTimeout: 240_000 });

let cluster: Cluster;
let traffic: Traffic;
const processors: Product[] = [];

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'rebalance' });
  const [ingest, first] = await Promise.all([
    cluster.start('ingest'),
    cluster.start('processors'),
    cluster.start('projections'),
  ]);
  processors.push(first);
  traffic = await Traffic.play(cluster, ingest.url, { seed: 31, calls: null, rate: 100 });
});
afterAll(async () => {
  await traffic.stop();
  await cluster.close();
});

async function moreSent(count: number): Promise<void> {
  const goal = traffic.sent + count;
  await until(`${count} more deliveries`, () => traffic.sent >= goal);
}

async function owned(product: Product): Promise<number> {
  const text = await (await fetch(`${product.url}/metrics`)).text();
  return Number(/^trunkline_processors_owned_partitions (\d+)$/m.exec(text)?.[1]);
}

const shared = (each: number) => async (): Promise<boolean> => {
  const counts = await Promise.all(processors.map(owned));
  return counts.every((count) => count === each);
};

/** Longest time in which a partition of `events` got no record, ms, and how often owners changed. */
async function gaps(): Promise<{ readonly longestMs: number; readonly takes: number }> {
  let [longestMs, takes] = [0, 0];
  for (let partition = 0; partition < cluster.log.partitions; partition += 1) {
    let before: number | null = null;
    for (const { header, appendedAt } of await readAll(cluster.log, 'events', partition)) {
      if (header.startsWith('1 m ')) takes += 1;
      else {
        longestMs = Math.max(longestMs, appendedAt - (before ?? appendedAt));
        before = appendedAt;
      }
    }
  }
  return { longestMs, takes };
}

test('one becomes four, four become two, and each partition goes on within three seconds', async () => {
  await until('the first to own all', shared(4));
  await moreSent(200);
  processors.push(...(await Promise.all([0, 1, 2].map(() => cluster.start('processors')))));
  await until('four to share', shared(1));
  await moreSent(300);
  for (const leaving of processors.splice(2)) {
    expect((await leaving.end('SIGTERM')).code, leaving.output()).toBe(0);
  }
  await until('two to share', shared(2));
  await moreSent(300);
  const { longestMs, takes } = await gaps();
  process.stdout.write(`partitions moved ${takes} times, the longest gap was ${longestMs} ms\n`);
  expect(takes).toBeGreaterThan(7);
  expect(longestMs).toBeLessThan(3_000);
});

test('no sequence has a hole, no fact an effect twice, and every row says what happened', async () => {
  const report = await traffic.stop();
  expect(report.refused).toEqual({});
  await cluster.processed();
  const history = await cluster.history();
  expectDense(history);
  expectEachFactOnce(history);
  await expectTruth(cluster, traffic);
});
