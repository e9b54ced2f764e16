// Promise 6: a live view has no gap and no duplicate. Sockets are cut at random while events flow; every
// client's store equals the truth of the log, and each seq was applied once, in order, per view.

import { afterAll, beforeAll, expect, it } from 'vitest';

import { callItem, masked, toJson } from '../../gateway/views.js';
import { LiveClient, type LiveSubscription } from '../../gateway/web/client.js';
import type { CallDetailItem, CallItem, LiveEvent } from '../../schemas/live-frames.js';
import { random } from '../projections/world.js';
import { until } from '../services/shared.js';
import {
  credential,
  Cutter,
  startGateway,
  topOf,
  truthOf,
  type GatewayStation,
} from '../gateway/station.js';

const tenant = 'tenant-0';
let station: GatewayStation;

beforeAll(async () => {
  station = await startGateway({ seed: 11 });
  station.world.happen(200);
});
afterAll(async () => {
  await station.stop();
});

interface Watcher {
  readonly client: LiveClient;
  readonly cutter: Cutter;
  readonly calls: LiveSubscription<CallItem>;
  readonly active: LiveSubscription<CallItem>;
  readonly one: LiveSubscription<CallDetailItem>;
  /** Where the first snapshot stood; null before it. */
  readonly joinedAt: () => number | null;
  /** Seqs applied to `calls`, in the order of their application. */
  readonly seqs: number[];
  /** States of the link, in order. */
  readonly states: string[];
}

function watch(ws: string, callId: string): Watcher {
  const cutter = new Cutter();
  const client = new LiveClient({
    url: ws,
    token: () => Promise.resolve(credential(tenant)),
    createSocket: cutter.createSocket,
    backOff: { shortestMs: 5, longestMs: 60 },
  });
  const calls = client.subscribe('calls');
  const active = client.subscribe('calls', { filter: { status: 'active' } });
  const one: LiveSubscription<CallDetailItem> = client.subscribe(`call:${callId}`);
  const seqs: number[] = [];
  const states: string[] = [];
  let joinedAt: number | null = null;
  calls.onChange(() => {
    joinedAt ??= calls.cursor?.seq ?? null;
  });
  calls.onEvent((_: LiveEvent, seq) => seqs.push(seq));
  client.onState(({ status }) => states.push(status));
  return { client, cutter, calls, active, one, joinedAt: () => joinedAt, seqs, states };
}

/** Every call of the tenant as the log's events leave it; a merged call is no call of its own. */
function trueCalls(): Map<string, CallItem> {
  const calls = new Map<string, CallItem>();
  for (const { body } of truthOf(station.world, tenant)) {
    if (body.kind !== 'call') continue;
    if (body.after.mergedInto === null) {
      // What clients get is JSON, with NUL replaced as in the rows.
      const item = JSON.parse(toJson(callItem(body.after, masked))) as CallItem;
      calls.set(body.callId, item);
    } else {
      calls.delete(body.callId);
    }
    if (body.mergedFrom !== null && body.mergedFrom !== body.callId) calls.delete(body.mergedFrom);
  }
  return calls;
}

const isActive = ({ status }: CallItem): boolean => status !== 'completed' && status !== 'failed';

/** Entries of one call's timeline as the log leaves them. */
function trueEntries(callId: string): Set<string> {
  const entries = new Set<string>();
  for (const { body } of truthOf(station.world, tenant)) {
    if (!('timeline' in body) || body.callId !== callId) continue;
    for (const { entryId } of body.timeline.upsert) entries.add(entryId);
    for (const gone of body.timeline.remove) entries.delete(gone);
  }
  return entries;
}

async function arrived(watchers: readonly Watcher[]): Promise<void> {
  const top = topOf(station.world, tenant);
  await until('every view to reach the top of the log', () =>
    watchers.every(
      ({ client, calls, active, one }) =>
        [calls, active, one].every(({ cursor, isLive }) => isLive && cursor?.seq === top) &&
        client.state.status === 'live',
    ),
  );
}

function expectTruth({ calls, active, one, seqs }: Watcher): void {
  const truth = trueCalls();
  // The snapshot of a client that joined late holds only the newest calls that ended.
  for (const [id, call] of calls.items) expect(call, id).toEqual(truth.get(id));
  const going = [...truth.values()].filter(isActive);
  expect(
    [...calls.items.values()]
      .filter(isActive)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(going.map(({ id }) => id).sort());
  expect([...active.items.values()].sort(byId)).toEqual(going.sort(byId));
  for (const [id, { entries }] of one.items) {
    expect(new Set(entries.map((entry) => entry.id))).toEqual(trueEntries(id));
  }
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
}

const byId = (a: CallItem, b: CallItem): number => (a.id < b.id ? -1 : 1);

/** Seqs of the events that belong to the topic `calls`, after a cursor. */
const callSeqs = (after: number): number[] =>
  truthOf(station.world, tenant)
    .filter(({ body, seq }) => body.kind === 'call' && seq > after)
    .map(({ seq }) => seq);

it('keeps every view equal to the log while its sockets are cut at random', async () => {
  const dice = random(7);
  const [callId = ''] = trueCalls().keys();
  const watchers = Array.from({ length: 6 }, () => watch(station.ws, callId));
  await arrived(watchers);
  for (let round = 0; round < 60; round += 1) {
    station.world.happen(1 + Math.floor(dice() * 25));
    for (const { cutter } of watchers) if (dice() < 0.25) cutter.cut();
    if (dice() < 0.1) await station.pauseProjections();
    if (dice() < 0.3) station.resumeProjections();
    await new Promise((resolve) => setTimeout(resolve, dice() * 20));
  }
  station.resumeProjections();
  await arrived(watchers);
  for (const watcher of watchers) {
    expectTruth(watcher);
    // The ring kept everything, so that nobody needed a second snapshot: each event came, once.
    expect(watcher.seqs).toEqual(callSeqs(watcher.joinedAt() ?? 0));
    expect(watcher.states).toContain('stale');
    watcher.client.close();
  }
});

it('says the loss and begins again where a node keeps too little, and the view is still the truth', async () => {
  const small = await station.another({ ringEvents: 3 });
  const dice = random(8);
  const [callId = ''] = trueCalls().keys();
  const watchers = Array.from({ length: 4 }, () => watch(small.ws, callId));
  await arrived(watchers);
  for (let round = 0; round < 25; round += 1) {
    station.world.happen(10 + Math.floor(dice() * 20));
    for (const { cutter } of watchers) if (dice() < 0.5) cutter.cut();
    await new Promise((resolve) => setTimeout(resolve, dice() * 30));
  }
  await arrived(watchers);
  for (const watcher of watchers) {
    expectTruth(watcher);
    watcher.client.close();
  }
  await small.stop();
});

it('moves from a node that drains to another one without a gap', async () => {
  const first = await station.another();
  const second = await station.another();
  const [callId = ''] = trueCalls().keys();
  let url = first.ws;
  const cutter = new Cutter();
  const client = new LiveClient({
    url: 'ws://either',
    token: () => Promise.resolve(credential(tenant)),
    createSocket: () => cutter.createSocket(url),
    backOff: { shortestMs: 5, longestMs: 50 },
  });
  const calls = client.subscribe('calls');
  await until('the view to be live', () => client.state.status === 'live');
  await until('the top', () => calls.cursor?.seq === topOf(station.world, tenant));
  const joinedAt = calls.cursor?.seq ?? 0;
  const seqs: number[] = [];
  calls.onEvent((_, seq) => seqs.push(seq));
  station.world.happen(40);
  url = second.ws;
  const stopped = first.stop();
  station.world.happen(40);
  await stopped;
  station.world.happen(40);
  const top = topOf(station.world, tenant);
  await until('the top', () => calls.isLive && calls.cursor?.seq === top);
  expect(seqs).toEqual(callSeqs(joinedAt));
  expect(callId).not.toBe('');
  client.close();
  await second.stop();
});
