// Promise 6 on real parts: the stream of a gateway process on Kafka and PostgreSQL, with signed traffic
// coming in. Sockets are cut at random, the gateway is killed, drained and started again: every view has
// every event once, in order, or was told of the loss, and is what the query side says in the end.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';

import type { LiveClient, LiveSubscription, WebSocketLike } from '../../gateway/web/client.js';
import type { CallDetailItem, CallItem, ServerFrame } from '../../schemas/live-frames.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { Cluster } from '../e2e/cluster.js';
import { listCalls, listEntries, openLive, type Caller } from '../e2e/live.js';
import { Traffic } from '../e2e/traffic.js';
import { random } from '../projections/world.js';
import type { Product } from '../services/product.js';
import { until } from '../services/shared.js';

// Alone this takes a fraction; on a machine with more to do it only has to end.
vi.setConfig({ testTimeout: 240_000 });

let cluster: Cluster;
let gateway: Product;
let traffic: Traffic;
/** Where clients connect; a gateway that was started again is found here. */
const where = { url: '' };
const callers = new Map<string, Caller>();

beforeAll(async () => {
  cluster = await Cluster.open({ name: 'promise-6' });
  const [ingest, web] = await Promise.all([
    cluster.start('ingest'),
    cluster.start('gateway'),
    cluster.start('processors'),
    cluster.start('projections'),
  ]);
  gateway = web;
  where.url = gateway.url;
  traffic = await Traffic.play(cluster, ingest.url, { seed: 6, calls: null, rate: 80 });
  for (const tenant of traffic.tenants) {
    const token = await cluster.key(tenant, 'viewer');
    callers.set(tenant, { url: gateway.url, token });
    await until('the key to be known', async () => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${gateway.url}/v1/calls`, { headers })).ok;
    });
  }
});
afterAll(async () => {
  for (const { client } of watchers) client.close();
  await traffic.stop();
  await cluster.close();
});

/** A client whose sockets can be cut, and everything it was told. */
class Watcher {
  readonly client: LiveClient;
  readonly calls: LiveSubscription<CallItem>;
  readonly active: LiveSubscription<CallItem>;
  one: LiveSubscription<CallDetailItem> | null = null;
  /** Runs of applied seqs: a new one begins after each snapshot that the server had to send. */
  readonly runs: { readonly after: number; readonly seqs: number[] }[] = [];
  resyncs = 0;
  readonly states = new Set<string>();
  private socket: WebSocket | null = null;

  constructor(
    readonly tenant: string,
    token: string,
  ) {
    this.client = openLive(where, () => Promise.resolve(token), this.open);
    this.calls = this.client.subscribe('calls');
    this.active = this.client.subscribe('calls', { filter: { status: 'active' } });
    this.calls.onEvent((_, seq) => this.runs.at(-1)?.seqs.push(seq));
    this.client.onState(({ status }) => this.states.add(status));
  }

  cut(): void {
    this.socket?.terminate();
  }

  /** Also follows one call that goes on now. */
  follow(): void {
    const [going] = this.active.items.values();
    if (this.one === null && going !== undefined) {
      this.one = this.client.subscribe(`call:${going.id}`);
    }
  }

  /** A socket whose frames are noted before the client sees them. */
  private readonly open = (url: string): WebSocketLike => {
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.note(JSON.parse(data.toString()) as ServerFrame));
    return socket;
  };

  private note(frame: ServerFrame): void {
    if (frame.type === 'resync' && frame.id === 'calls') this.resyncs += 1;
    if (frame.type === 'snapshot' && frame.id === 'calls' && !frame.more) {
      this.runs.push({ after: frame.asOf.seq, seqs: [] });
    }
  }
}

const watchers: Watcher[] = [];

/** Waits until every view is live, and has gone on since. */
async function allGoOn(): Promise<void> {
  const from = new Map(watchers.map((watcher) => [watcher, watcher.calls.cursor?.seq ?? 0]));
  await until(
    'every view to be live and to go on',
    () =>
      watchers.every(
        (watcher) =>
          watcher.client.state.status === 'live' &&
          (watcher.calls.cursor?.seq ?? 0) > (from.get(watcher) ?? 0),
      ),
    60_000,
  );
}

test('sockets cut at random while events flow', async () => {
  for (const [tenant, { token }] of callers) {
    watchers.push(new Watcher(tenant, token), new Watcher(tenant, token));
  }
  await allGoOn();
  const dice = random(66);
  for (let round = 0; round < 25; round += 1) {
    for (const watcher of watchers) {
      watcher.follow();
      if (dice() < 0.3) watcher.cut();
    }
    const goal = (await cluster.eventRecords()) + dice() * 30;
    await until('more events', async () => (await cluster.eventRecords()) > goal);
  }
  await allGoOn();
  for (const { states } of watchers) expect(states).toContain('stale');
});

test('the gateway killed and started again elsewhere', async () => {
  await gateway.end('SIGKILL');
  gateway = await cluster.start('gateway');
  where.url = gateway.url;
  await allGoOn();
});

test('the gateway drained and started again', async () => {
  const begun = gateway.end('SIGTERM');
  const [next, ended] = await Promise.all([cluster.start('gateway'), begun]);
  expect(ended.code).toBe(0);
  gateway = next;
  where.url = gateway.url;
  await allGoOn();
});

test('every view had every event once, in order, and is the truth in the end', async () => {
  await traffic.stop();
  await cluster.processed();
  const { tenants } = await cluster.history();
  await until(
    'every view to reach the top',
    () =>
      watchers.every(({ client, calls, tenant }) => {
        const top = tenants.get(tenant)?.at(-1)?.seq ?? 0;
        return client.state.status === 'live' && calls.cursor?.seq === top;
      }),
    60_000,
  );
  let applied = 0;
  for (const watcher of watchers) {
    const events = tenants.get(watcher.tenant) ?? [];
    const top = events.at(-1)?.seq ?? 0;
    // Without a word of a loss there is one run only, and it has no hole.
    expect(watcher.runs).toHaveLength(1 + watcher.resyncs);
    watcher.runs.forEach(({ after, seqs }, index) => {
      const end = watcher.runs[index + 1] === undefined ? top : (seqs.at(-1) ?? after);
      expect(seqs).toEqual(callSeqs(events, after, end));
      applied += seqs.length;
    });
    await expectTruth(watcher);
  }
  const resyncs = watchers.reduce((sum, watcher) => sum + watcher.resyncs, 0);
  expect(applied).toBeGreaterThan(watchers.length * 20);
  expect(watchers.some(({ one }) => one !== null && one.items.size > 0)).toBe(true);
  process.stdout.write(
    `promise 6: ${watchers.length} views, ${applied} events applied, ${resyncs} resyncs said\n`,
  );
});

/** Seqs of the topic `calls` in `(after, until]`. */
const callSeqs = (events: readonly EventEnvelope[], after: number, end: number): number[] =>
  events
    .filter(({ body, seq }) => body.kind === 'call' && seq > after && seq <= end)
    .map((e) => e.seq);

const isActive = ({ status }: CallItem): boolean => status !== 'completed' && status !== 'failed';

/** What stands in the stores is what the query side says of the same calls. */
async function expectTruth({ tenant, calls, active, one }: Watcher): Promise<void> {
  const caller = { ...callers.get(tenant), url: gateway.url } as Caller;
  const { items } = await listCalls(caller);
  const truth = new Map(items.map((call) => [call.id, call]));
  expect(calls.items.size).toBeGreaterThan(10);
  for (const [id, call] of calls.items) expect(call, id).toEqual(truth.get(id));
  const going = items.filter(isActive).map(({ id }) => id);
  expect(
    [...calls.items.values()]
      .filter(isActive)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(going.sort());
  expect([...active.items.keys()].sort()).toEqual(going);
  for (const [id, { call, entries }] of one?.items ?? []) {
    expect(call).toEqual(truth.get(id));
    expect(entries).toEqual((await listEntries(caller, id)).items);
  }
}
