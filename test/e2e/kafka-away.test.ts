// Kafka stopped under traffic and started again, cleanly and by loss of power, with the whole product on
// it: every delivery is answered 2xx all the time, every process comes back by itself, a live view that
// stayed open has every event once, and everybody ends as the truth says.

import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import type { LiveClient, LiveSubscription } from '../../gateway/web/client.js';
import type { CallItem } from '../../schemas/live-frames.js';
import { startKafka, type OwnKafka } from '../services/kafka.js';
import type { Product } from '../services/product.js';
import { until } from '../services/shared.js';
import { Cluster, expectDense } from './cluster.js';
import { openLive } from './live.js';
import { expectEachFactOnce, expectTruth, Traffic } from './traffic.js';

// Alone this takes a fraction; on a machine with more to do it only has to end.
vi.setConfig({ testTimeout: 240_000 });

let kafka: OwnKafka;
let cluster: Cluster;
let processes: readonly Product[];
let traffic: Traffic;
let client: LiveClient;
let calls: LiveSubscription<CallItem>;
let joinedAt = 0;
const seqs: number[] = [];

beforeAll(async () => {
  kafka = await startKafka();
  const env = { TRUNKLINE_APPEND_TIMEOUT: '500ms' };
  cluster = await Cluster.open({ name: 'away', brokers: [kafka.broker], env });
  const roles = ['ingest', 'processors', 'projections', 'gateway'];
  processes = await Promise.all(roles.map((role) => cluster.start(role)));
  const [ingest, , , gateway] = processes;
  traffic = await Traffic.play(cluster, ingest?.url ?? '', { seed: 9, calls: null, rate: 60 });
  const tenant = traffic.tenants[0] ?? '';
  const key = await cluster.key(tenant, 'viewer');
  client = openLive({ url: gateway?.url ?? '' }, () => Promise.resolve(key));
  calls = client.subscribe('calls');
  await until('the view to be live', () => calls.isLive);
  joinedAt = calls.cursor?.seq ?? 0;
  calls.onEvent((_, seq) => seqs.push(seq));
});
afterAll(async () => {
  client.close();
  await traffic.stop();
  await cluster.close();
  await kafka.stop().catch(() => undefined);
  rmSync(kafka.directory, { recursive: true, force: true });
});

/** Waits for so many more deliveries to be sent. */
async function moreSent(count: number): Promise<void> {
  const goal = traffic.sent + count;
  await until(`${count} more deliveries`, () => traffic.sent >= goal);
}

/** Deliveries that ingest has on its disk and not in the log yet. */
async function spooled(): Promise<number> {
  const answer = await fetch(`${processes[0]?.url ?? ''}/metrics`);
  const line = /^trunkline_ingest_spool_records (\d+)$/m.exec(await answer.text());
  return Number(line?.[1]);
}

/** Waits until the live view moves again; how long that took. */
async function viewMoves(): Promise<number> {
  const begin = performance.now();
  const before = seqs.length;
  await until('the live view to go on', () => seqs.length > before + 5, 60_000);
  return Math.round(performance.now() - begin);
}

test.each(['stop', 'kill'] as const)(
  'Kafka away by %s, and back: everything goes on by itself',
  async (how) => {
    await viewMoves();
    await kafka[how]();
    await moreSent(150);
    await kafka.restart();
    const tookMs = await viewMoves();
    process.stdout.write(`Kafka back after ${how}: the live view moved ${tookMs} ms later\n`);
    await moreSent(100);
  },
);

test('nothing was refused, lost or doubled, and nobody had to start again', async () => {
  const report = await traffic.stop();
  expect(report.refused).toEqual({});
  await until('the spool to be drained', async () => (await spooled()) === 0, 60_000);
  await cluster.processed();
  const history = await cluster.history();
  expectDense(history);
  expectEachFactOnce(history);
  expect(history.deliveries).toBeGreaterThanOrEqual(report.accepted);
  await expectTruth(cluster, traffic);
  const events = history.tenants.get(traffic.tenants[0] ?? '') ?? [];
  await until('the view to reach the top', () => calls.cursor?.seq === events.at(-1)?.seq);
  const expected = events.filter(({ body, seq }) => body.kind === 'call' && seq > joinedAt);
  expect(seqs).toEqual(expected.map(({ seq }) => seq));
  for (const running of processes) expect((await running.end('SIGTERM')).code).toBe(0);
});
