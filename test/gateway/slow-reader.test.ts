// A reader that does not keep up: conflated at the soft limit, closed with its cursor at the hard one, and
// nobody else is held up by it.

import { afterAll, beforeAll, expect, it } from 'vitest';

import { socketLimits } from '../../gateway/socket.js';
import { callItem, masked, toJson } from '../../gateway/views.js';
import type { CallItem } from '../../schemas/live-frames.js';
import { until } from '../services/shared.js';
import {
  credential,
  RawSocket,
  startGateway,
  topOf,
  truthOf,
  type GatewayStation,
} from './station.js';

const tenant = 'tenant-0';
let station: GatewayStation;

beforeAll(async () => {
  const limits = { ...socketLimits, heartbeatMs: 200, hardMs: 60_000, hardBytes: 64 << 20 };
  station = await startGateway({ tenants: 1, more: { limits } });
  station.world.happen(100);
});
afterAll(async () => {
  await station.stop();
});

async function subscribed(ws = station.ws): Promise<RawSocket> {
  const socket = await RawSocket.ready(ws, credential(tenant));
  socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
  await socket.until('live', ({ type }) => type === 'live');
  return socket;
}

/** Lets events happen until the gateway has noticed a slow reader; bounded. */
async function happenUntil(isEnough: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 400; round += 1) {
    station.world.happen(100);
    await new Promise((resolve) => setImmediate(resolve));
    if (round % 10 === 9 && (await isEnough())) return;
  }
  throw new Error('the reader never fell behind');
}

const slowCount = async (): Promise<number> => {
  const metric = await station.metrics.getSingleMetric('trunkline_gateway_slow_total')?.get();
  return metric?.values[0]?.value ?? 0;
};

/** What the client holds after its frames. */
function held(socket: RawSocket): Map<string, CallItem> {
  const calls = new Map<string, CallItem>();
  for (const frame of socket.frames) {
    if (frame.type === 'snapshot') {
      for (const item of frame.items as CallItem[]) calls.set(item.id, item);
    }
    if (frame.type !== 'event') continue;
    const { call, removed } = frame.event;
    if (call !== undefined && call.mergedInto === null) calls.set(call.id, call);
    if (call !== undefined && call.mergedInto !== null) calls.delete(call.id);
    for (const gone of removed ?? []) calls.delete(gone);
  }
  return calls;
}

function truth(): Map<string, CallItem> {
  const calls = new Map<string, CallItem>();
  for (const { body } of truthOf(station.world, tenant)) {
    if (body.kind !== 'call') continue;
    if (body.after.mergedInto !== null) calls.delete(body.callId);
    else {
      const item = JSON.parse(toJson(callItem(body.after, masked))) as CallItem;
      calls.set(body.callId, item);
    }
    if (body.mergedFrom !== null && body.mergedFrom !== body.callId) calls.delete(body.mergedFrom);
  }
  return calls;
}

it('gets the last state of each call once it reads again, and goes on live', async () => {
  const slow = await subscribed();
  const quick = await subscribed();
  slow.socket.pause();
  await happenUntil(async () => (await slowCount()) > 0);
  station.world.happen(300);
  const top = topOf(station.world, tenant);
  await until('the quick reader to be at the top meanwhile', () =>
    quick.of('heartbeat').some(({ tops }) => tops['c'] === top),
  );
  slow.socket.resume();
  await until(
    'the slow reader to be live at the top',
    () => slow.of('live').length >= 2 && slow.of('heartbeat').some(({ tops }) => tops['c'] === top),
  );
  const seqs = slow.of('event').map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
  expect(slow.of('event').some(({ event }) => (event.conflated ?? 0) > 0)).toBe(true);
  expect(slow.of('resync')).toEqual([]);
  expect(seqs.length).toBeLessThan(quick.of('event').length);
  const calls = truth();
  for (const [id, call] of held(slow)) expect(call, id).toEqual(calls.get(id));
  expect([...held(slow).keys()].sort()).toEqual([...held(quick).keys()].sort());
  slow.close();
  quick.close();
});

it('is closed 4008 with its cursor when it does not read for too long', async () => {
  const limits = { ...socketLimits, hardMs: 300, hardBytes: 64 << 20 };
  const other = await station.another({ limits });
  const socket = await subscribed(other.ws);
  socket.socket.pause();
  let closed = false;
  socket.socket.on('close', () => {
    closed = true;
  });
  await happenUntil(async () => (await slowCountOf(other.metrics)) > 0);
  socket.socket.resume();
  const { code, reason } = await socket.gone();
  expect(closed).toBe(true);
  expect(code).toBe(4008);
  const cursor = JSON.parse(reason) as { epoch: string; seq: number };
  expect(cursor.epoch).toBe('e1');
  expect(cursor.seq).toBeGreaterThanOrEqual(socket.of('event').at(-1)?.seq ?? 0);
  await other.stop();
});

async function slowCountOf(metrics: GatewayStation['metrics']): Promise<number> {
  const metric = await metrics.getSingleMetric('trunkline_gateway_closed_total')?.get();
  return metric?.values.find(({ labels }) => labels['reason'] === 'slow')?.value ?? 0;
}
