// A rolling restart of all roles under load, on real Kafka: two processes of each role, ended by SIGTERM and
// started again one after another. No sender sees an error, no subscriber a gap.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';

import type { LiveClient, LiveSubscription } from '../../gateway/web/client.js';
import type { CallItem } from '../../schemas/live-frames.js';
import { freshDirectory, type Product } from '../services/product.js';
import { until } from '../services/shared.js';
import { Cluster, expectDense } from './cluster.js';
import { openLive } from './live.js';
import { expectEachFactOnce, expectTruth, Traffic } from './traffic.js';
import { publicUrl, senderOf } from './two-nodes.js';

vi.setConfig({ testTimeout: 240_000 });

const roles = ['ingest', 'processors', 'projections', 'gateway'] as const;
type RoleName = (typeof roles)[number];

interface Place {
  readonly role: RoleName;
  readonly data: string;
  product: Product;
}

let cluster: Cluster;
let places: Place[];
let traffic: Traffic;
let client: LiveClient;
let calls: LiveSubscription<CallItem>;
let joinedAt = 0;
const seqs: number[] = [];
const frames: string[] = [];
/** The client goes to the other gateway with every connection. */
let connections = 0;

const of = (role: RoleName): Place[] => places.filter((place) => place.role === role);

beforeAll(async () => {
  const env = { TRUNKLINE_PUBLIC_URL: publicUrl };
  cluster = await Cluster.open({ name: 'rolling', env });
  const twice = [...roles, ...roles];
  places = await Promise.all(
    twice.map(async (role) => {
      const data = freshDirectory(`rolling-${role}`);
      return { role, data, product: await cluster.start(role, { data }) };
    }),
  );
  const ingest = of('ingest').map(({ product }) => product.url);
  traffic = await Traffic.play(cluster, ingest[0] ?? '', {
    ...{ seed: 21, calls: null, rate: 60, publicUrl, sender: senderOf(ingest) },
  });
  const key = await cluster.key(traffic.tenants[0] ?? '', 'viewer');
  const gateways = {
    get url() {
      connections += 1;
      return of('gateway')[connections % 2]?.product.url ?? '';
    },
  };
  client = openLive(
    gateways,
    () => Promise.resolve(key),
    (url) => {
      const socket = new WebSocket(url);
      socket.addEventListener('message', ({ data }) => {
        if (typeof data !== 'string') return;
        const { type } = JSON.parse(data) as { type: string };
        if (type === 'resync' || type === 'drain') frames.push(type);
      });
      return socket;
    },
  );
  calls = client.subscribe('calls');
  await until('the view to be live', () => calls.isLive);
  joinedAt = calls.cursor?.seq ?? 0;
  calls.onEvent((_, seq) => seqs.push(seq));
});
afterAll(async () => {
  client.close();
  await traffic.stop();
  await cluster.close();
});

async function moreSent(count: number): Promise<void> {
  const goal = traffic.sent + count;
  await until(`${count} more deliveries`, () => traffic.sent >= goal);
}

test('every process is ended and started again, each cleanly and within its deadline', async () => {
  await moreSent(100);
  for (const place of places) {
    const { product, role, data } = place;
    const { code, tookMs } = await product.end('SIGTERM');
    expect(code, `${role}: ${product.output()}`).toBe(0);
    expect(tookMs, role).toBeLessThan(5_000);
    await moreSent(40);
    place.product = await cluster.start(role, { port: product.port, data });
    await moreSent(40);
  }
});

test('no delivery was refused, and everything is as the providers know it', async () => {
  const report = await traffic.stop();
  expect(report.refused).toEqual({});
  await cluster.processed();
  const history = await cluster.history();
  expectDense(history);
  expectEachFactOnce(history);
  await expectTruth(cluster, traffic);
});

test('the live view was told to move on, and saw every event once', async () => {
  const history = await cluster.history();
  const events = history.tenants.get(traffic.tenants[0] ?? '') ?? [];
  const top = events.findLast(({ body }) => body.kind === 'call')?.seq ?? 0;
  await until('the view to reach the top', () => (calls.cursor?.seq ?? 0) >= top);
  const expected = events.filter(({ body, seq }) => body.kind === 'call' && seq > joinedAt);
  expect(seqs).toEqual(expected.map(({ seq }) => seq));
  expect(frames).toContain('drain');
  expect(frames).not.toContain('resync');
});
