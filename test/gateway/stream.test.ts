// The protocol of design section 8 on a real server, a real database and plain WebSockets.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { socketLimits } from '../../gateway/socket.js';
import type { CallItem, ServerFrame } from '../../schemas/live-frames.js';
import { until } from '../services/shared.js';
import { credential, RawSocket, startGateway, topOf, type GatewayStation } from './station.js';

type Frame<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;
const isType =
  <T extends ServerFrame['type']>(type: T, id?: string) =>
  (frame: ServerFrame): frame is Frame<T> =>
    frame.type === type && (id === undefined || ('id' in frame && frame.id === id));

let station: GatewayStation;
const open: RawSocket[] = [];

beforeAll(async () => {
  const limits = { ...socketLimits, heartbeatMs: 200, authMs: 400, subscriptions: 4 };
  station = await startGateway({ more: { limits } });
  station.world.happen(300);
});
afterAll(async () => {
  for (const socket of open) socket.close();
  await station.stop();
});

async function connect(token = credential('tenant-0')): Promise<RawSocket> {
  const socket = await RawSocket.ready(station.ws, token);
  open.push(socket);
  return socket;
}

async function bare(query = '', headers: Record<string, string> = {}): Promise<RawSocket> {
  const socket = new RawSocket(`${station.ws}${query}`, headers);
  open.push(socket);
  await socket.opened();
  return socket;
}

/** Every seq that an id was sent as an event. */
const seqsOf = (socket: RawSocket, id: string): number[] =>
  socket
    .of('event')
    .filter((frame) => frame.id === id)
    .map(({ seq }) => seq);

describe('authentication', () => {
  it('takes a first frame, and says epoch, tenant, expiry and heartbeat', async () => {
    const socket = await connect(credential('tenant-1', 'viewer', '60000'));
    const ready = await socket.until('ready', isType('ready'));
    expect(ready).toMatchObject({ epoch: 'e1', tenant: 'tenant-1', heartbeatMs: 200 });
    expect(Date.parse(ready.expiresAt ?? '')).toBeGreaterThan(Date.now());
  });

  it('takes Authorization: Bearer on the upgrade', async () => {
    const socket = await bare('', { authorization: `Bearer ${credential('tenant-2')}` });
    expect((await socket.until('ready', isType('ready'))).tenant).toBe('tenant-2');
  });

  it('is refused to pages of other hosts, before a ticket is taken, unless they are listed', async () => {
    const listed = await station.another({ origins: ['https://app.example.com'] });
    const statusOf = async (url: string, origin: string): Promise<number> => {
      const socket = new WebSocket(url, { headers: { origin } });
      return new Promise((resolve) => {
        socket.once('unexpected-response', (request, response) => {
          resolve(response.statusCode ?? 0);
          request.destroy();
        });
        socket.once('open', () => {
          resolve(101);
          socket.terminate();
        });
      });
    };
    const own = new URL(station.http).host;
    expect(await statusOf(station.ws, `http://${own}`)).toBe(101);
    expect(await statusOf(station.ws, `HTTP://${own.toUpperCase()}`)).toBe(101);
    for (const origin of [
      'https://app.example.com',
      'null',
      `http://${own}.evil.example`,
      'http://',
    ]) {
      expect(await statusOf(station.ws, origin)).toBe(403);
    }
    expect(await statusOf(listed.ws, 'https://app.example.com')).toBe(101);
    expect(await statusOf(listed.ws, 'https://evil.example')).toBe(403);
    await listed.stop();
  });

  it('takes a ticket once', async () => {
    const answer = await fetch(`${station.http}/v1/stream/tickets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${credential('tenant-1')}` },
    });
    expect(answer.status).toBe(201);
    const { ticket } = (await answer.json()) as { ticket: string };
    const socket = await bare(`?ticket=${ticket}`);
    expect((await socket.until('ready', isType('ready'))).tenant).toBe('tenant-1');
    const again = new RawSocket(`${station.ws}?ticket=${ticket}`);
    await again.gone();
    expect(again.frames).toEqual([]);
  });

  it('closes 4401 when nobody authenticates in time', async () => {
    const socket = await bare();
    expect((await socket.gone()).code).toBe(4401);
  });

  it('says that a credential was refused, and closes 4401', async () => {
    const socket = await bare();
    socket.send({ type: 'auth', token: 'tenant-0/king' });
    expect((await socket.gone()).code).toBe(4401);
    expect(socket.of('error')[0]?.code).toBe('unauthenticated');
  });

  it('closes 4401 when the token expires, unless it was refreshed', async () => {
    const ends = await connect(credential('tenant-0', 'viewer', '600'));
    const stays = await connect(credential('tenant-0', 'viewer', '600'));
    stays.send({ type: 'refresh', token: credential('tenant-0', 'viewer', '600000') });
    expect((await ends.gone()).code).toBe(4401);
    expect(ends.of('error')[0]?.code).toBe('token_expired');
    stays.send({ type: 'ping' });
    await stays.until('pong', isType('pong'));
    expect(stays.of('ready')).toHaveLength(2);
  });

  it('does not let a refresh change the tenant', async () => {
    const socket = await connect();
    socket.send({ type: 'refresh', token: credential('tenant-1') });
    expect((await socket.gone()).code).toBe(4401);
  });
});

describe('frames that are wrong', () => {
  it.each([
    ['bad JSON', '{', 'frame_invalid'],
    ['no object', '[]', 'frame_invalid'],
    ['an unknown type', { type: 'shout' }, 'frame_unknown'],
    ['a missing field', { type: 'subscribe', topic: 'calls' }, 'frame_invalid'],
    ['an unknown topic', { type: 'subscribe', id: 'x', topic: 'secrets' }, 'topic_unknown'],
    [
      'an unknown filter',
      { type: 'subscribe', id: 'x', topic: 'calls', filter: { agent: 'a' } },
      'filter_invalid',
    ],
    [
      'a filter value that is none',
      { type: 'subscribe', id: 'x', topic: 'calls', filter: { status: 'gone' } },
      'filter_invalid',
    ],
    ['leaving what was not subscribed', { type: 'unsubscribe', id: 'x' }, 'subscription_unknown'],
  ])('answers %s with a code and stays open', async (_, frame, code) => {
    const socket = await connect();
    socket.send(frame);
    const error = await socket.until('error', isType('error'));
    expect(error.code).toBe(code);
    socket.send({ type: 'ping' });
    await socket.until('pong', isType('pong'));
  });

  it('refuses to subscribe before authentication', async () => {
    const socket = await bare();
    socket.send({ type: 'subscribe', id: 'a', topic: 'calls' });
    expect(await socket.until('error', isType('error'))).toMatchObject({
      code: 'unauthenticated',
      id: 'a',
    });
  });

  it('closes 1009 after an oversized frame, with words', async () => {
    for (const length of [20_000, 200_000]) {
      const socket = await connect();
      socket.send({ type: 'ping', padding: 'x'.repeat(length) });
      expect((await socket.gone()).code).toBe(1009);
      expect(socket.of('error')[0]?.code).toBe('frame_too_large');
    }
  });

  it('bounds the subscriptions of a connection and refuses an id twice', async () => {
    const socket = await connect();
    for (const id of ['1', '2', '3', '4', '5']) {
      socket.send({ type: 'subscribe', id, topic: 'messages' });
    }
    const full = await socket.until('limit', isType('error'));
    expect(full).toMatchObject({ code: 'subscription_limit', id: '5' });
    const other = await connect();
    other.send({ type: 'subscribe', id: '1', topic: 'messages' });
    other.send({ type: 'subscribe', id: '1', topic: 'calls' });
    expect((await other.until('twice', isType('error'))).code).toBe('subscription_exists');
  });

  it('bounds how many frames a connection may send', async () => {
    const socket = await connect();
    for (let i = 0; i < 400; i += 1) socket.send({ type: 'ping' });
    expect((await socket.until('limit', isType('error'))).code).toBe('rate_limited');
  });
});

describe('subscriptions', () => {
  it('sends a snapshot, then live, then each event once in order', async () => {
    const socket = await connect();
    socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
    const live = await socket.until('live', isType('live', 'c'));
    const [first] = socket.of('snapshot');
    expect(first?.asOf.epoch).toBe('e1');
    const before = socket.frames.length;
    station.world.happen(60);
    const top = topOf(station.world, 'tenant-0');
    await until('the heartbeat to reach the top', () =>
      socket.of('heartbeat').some(({ tops }) => tops['c'] === top),
    );
    const seqs = seqsOf(socket, 'c');
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(socket.frames.slice(before).every(({ type }) => type !== 'snapshot')).toBe(true);
    expect(live.seq).toBeGreaterThanOrEqual(first?.asOf.seq ?? 0);
    const sent = socket.of('heartbeat').at(-1)?.sent['c'];
    expect(sent).toBe(seqs.at(-1));
  });

  it('goes on after `since` with exactly what came later', async () => {
    const socket = await connect();
    socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
    const { seq } = await socket.until('live', isType('live', 'c'));
    station.world.happen(50);
    const back = await connect();
    back.send({ type: 'subscribe', id: 'c', topic: 'calls', since: { epoch: 'e1', seq } });
    await back.until('live', isType('live', 'c'));
    const top = topOf(station.world, 'tenant-0');
    await until('both to reach the top', () =>
      [socket, back].every((one) => one.of('heartbeat').some(({ tops }) => tops['c'] === top)),
    );
    expect(back.of('snapshot')).toEqual([]);
    expect(seqsOf(back, 'c')).toEqual(seqsOf(socket, 'c').filter((one) => one > seq));
  });

  it('says resync with the reason for another epoch, and begins again', async () => {
    const socket = await connect();
    socket.send({ type: 'subscribe', id: 'c', topic: 'calls', since: { epoch: 'e0', seq: 5 } });
    expect((await socket.until('resync', isType('resync'))).reason).toBe('epoch');
    await socket.until('live', isType('live', 'c'));
    expect(socket.of('snapshot').length).toBeGreaterThan(0);
  });

  it('says too_old for what the ring no longer keeps', async () => {
    const other = await station.another({ ringEvents: 5 });
    station.world.happen(100);
    const socket = await RawSocket.ready(other.ws, credential('tenant-0'));
    await until('a late start of the ring', async () => {
      socket.send({ type: 'unsubscribe', id: 'c' });
      socket.send({ type: 'subscribe', id: 'c', topic: 'calls', since: { epoch: 'e1', seq: 1 } });
      await socket.until('live', isType('live', 'c'));
      return socket.of('resync').length > 0;
    });
    expect(socket.of('resync')[0]?.reason).toBe('too_old');
    socket.close();
    await other.stop();
  });

  it('filters by status, and says when a call leaves the filter', async () => {
    const socket = await connect();
    const filter = { status: 'active' };
    socket.send({ type: 'subscribe', id: 'a', topic: 'calls', filter });
    socket.send({ type: 'subscribe', id: 'all', topic: 'calls' });
    await socket.until('live', isType('live', 'a'));
    await socket.until('live', isType('live', 'all'));
    station.world.happen(200);
    const top = topOf(station.world, 'tenant-0');
    await until('the top', () =>
      socket.of('heartbeat').some(({ tops }) => tops['a'] === top && tops['all'] === top),
    );
    expect(foldedIds(socket, 'a', () => true)).toEqual(
      foldedIds(socket, 'all', ({ status }) => status !== 'completed' && status !== 'failed'),
    );
    expect(seqsOf(socket, 'a').length).toBeLessThan(seqsOf(socket, 'all').length);
  });

  it('sends one call with its timeline, snapshot and events alike', async () => {
    const list = (await (await station.get('/v1/calls?limit=1')).json()) as { data: CallItem[] };
    const callId = list.data[0]?.id ?? '';
    const socket = await connect();
    socket.send({ type: 'subscribe', id: 'one', topic: `call:${callId}` });
    await socket.until('live', isType('live', 'one'));
    const [snapshot] = socket.of('snapshot');
    expect(snapshot?.items).toHaveLength(1);
    expect(snapshot?.items[0]).toMatchObject({ call: { id: callId } });
    station.world.happen(200);
    const top = topOf(station.world, 'tenant-0');
    await until('the top', () => socket.of('heartbeat').some(({ tops }) => tops['one'] === top));
    for (const { event } of socket.of('event')) expect(event.callId).toBe(callId);
  });

  it('sends statistics as absolute rows', async () => {
    const socket = await connect();
    socket.send({ type: 'subscribe', id: 's', topic: 'stats' });
    await socket.until('live', isType('live', 's'));
    station.world.happen(40);
    const { event } = await socket.until('event', isType('event', 's'));
    expect(event.stats?.minute).toMatch(/:00\.000Z$/);
  });

  it('stops sending after unsubscribe', async () => {
    const socket = await connect();
    socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
    await socket.until('live', isType('live', 'c'));
    socket.send({ type: 'unsubscribe', id: 'c' });
    socket.send({ type: 'ping' });
    await socket.until('pong', isType('pong'));
    station.world.happen(30);
    await until('two heartbeats', () => socket.of('heartbeat').length >= 2);
    expect(seqsOf(socket, 'c')).toEqual([]);
    expect(socket.of('heartbeat').at(-1)?.tops).toEqual({});
  });

  it('says gap when a cursor is ahead of everything this log will ever reach', async () => {
    const socket = await connect();
    const since = { epoch: 'e1', seq: 1_000_000 };
    socket.send({ type: 'subscribe', id: 'c', topic: 'calls', since });
    expect((await socket.until('resync', isType('resync'))).reason).toBe('gap');
    await socket.until('live', isType('live', 'c'));
  });
});

/** Ids of the calls that a client holds after its frames, among those that match. */
function foldedIds(
  socket: RawSocket,
  id: string,
  matches: (call: CallItem) => boolean,
): readonly string[] {
  const calls = new Map<string, CallItem>();
  for (const frame of socket.frames) {
    if (!('id' in frame) || frame.id !== id) continue;
    if (frame.type === 'snapshot') {
      for (const item of frame.items as CallItem[]) calls.set(item.id, item);
    }
    if (frame.type !== 'event') continue;
    const { call, left, callId, removed } = frame.event;
    if (left === true) calls.delete(callId ?? '');
    if (call !== undefined && call.mergedInto === null) calls.set(call.id, call);
    if (call !== undefined && call.mergedInto !== null) calls.delete(call.id);
    for (const gone of removed ?? []) calls.delete(gone);
  }
  return [...calls.values()]
    .filter(matches)
    .map((call) => call.id)
    .sort();
}

it('drains: tells everybody, then closes 1012', async () => {
  const other = await station.another();
  const socket = await RawSocket.ready(other.ws, credential('tenant-0'));
  await other.stop();
  expect((await socket.gone()).code).toBe(1012);
  expect(socket.of('drain')[0]?.retryInMs).toBeGreaterThan(0);
});
