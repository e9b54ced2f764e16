// Promise 5: one tenant never sees another: not by id, filter, cursor, position, topic, ticket, error text,
// cache or row. Every cell of the matrix is asked by every role, over HTTP and over the stream.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { socketLimits } from '../../gateway/socket.js';
import { createDiagnosisStore } from '../../runtime/diagnosis-store.js';
import { asTenant } from '../../runtime/postgres.js';
import type { RoleName } from '../../runtime/registry.js';
import type { CallItem, ServerFrame } from '../../schemas/live-frames.js';
import { endpointId, tenantId, type EndpointId } from '../../schemas/ids.js';
import { until } from '../services/shared.js';
import {
  credential,
  RawSocket,
  startGateway,
  topOf,
  truthOf,
  type GatewayStation,
} from '../gateway/station.js';

const mine = 'tenant-0';
const theirs = 'tenant-1';
const roles: readonly RoleName[] = ['admin', 'manager', 'operator', 'viewer', 'auditor'];

let station: GatewayStation;
const ownEndpoint = endpointId('ep_MineMineMineMine1');
const foreignEndpoint = endpointId('ep_TheirsTheirs00001');
/** Everything that names something of the other tenant. */
let foreign: {
  readonly callIds: readonly string[];
  readonly messageIds: readonly string[];
  readonly recordIds: readonly string[];
  readonly letterIds: readonly string[];
};

beforeAll(async () => {
  const limits = { ...socketLimits, heartbeatMs: 200 };
  station = await startGateway({ seed: 21, more: { limits } });
  station.world.happen(500);
  const events = truthOf(station.world, theirs);
  foreign = {
    callIds: unique(events.map(({ body }) => (body.kind === 'call' ? body.callId : ''))),
    messageIds: unique(events.map(({ body }) => (body.kind === 'message' ? body.messageId : ''))),
    recordIds: unique(events.map(({ body }) => (body.kind === 'record' ? body.recordId : ''))),
    letterIds: unique(
      events.map(({ body }) => (body.kind === 'parked' ? (body.parking?.parkId ?? '') : '')),
    ),
  };
  expect(foreign.callIds.length).toBeGreaterThan(5);
  expect(foreign.recordIds.length).toBeGreaterThan(2);
  expect(foreign.letterIds.length).toBeGreaterThan(0);
  const top = Math.max(topOf(station.world, mine), topOf(station.world, theirs));
  await until('the read models to reach the top', async () => {
    const answers = await Promise.all([
      station.get(`/v1/calls?atLeast=${topOf(station.world, mine)}`, credential(mine)),
      station.get(`/v1/calls?atLeast=${topOf(station.world, theirs)}`, credential(theirs)),
    ]);
    return answers.every(({ status }) => status === 200);
  });
  expect(top).toBeGreaterThan(0);
  await refuseSomething(mine, ownEndpoint);
  await refuseSomething(theirs, foreignEndpoint);
});
afterAll(async () => {
  await station.stop();
});

const unique = (ids: readonly string[]): string[] => [...new Set(ids)].filter((id) => id !== '');

/** Nothing in the text names the other tenant or anything of it. */
function expectNothingForeign(text: string): void {
  expect(text).not.toContain(theirs);
  expect(text).not.toContain(foreignEndpoint);
  const { callIds, messageIds, recordIds, letterIds } = foreign;
  const ids = [...callIds, ...messageIds, ...recordIds, ...letterIds];
  for (const id of ids) expect(text).not.toContain(id);
}

/** An endpoint of the tenant with refusals whose correlation id names the tenant. */
async function refuseSomething(tenant: string, endpoint: EndpointId): Promise<void> {
  const { database, keyRing } = station;
  const id = tenantId(tenant);
  await database.query('insert into tenants (tenant_id, name) values ($1, $1)', [tenant]);
  await database.query(
    `insert into endpoints (tenant_id, endpoint_id, provider, name) values ($1, $2, 'twilio', $1)`,
    [tenant, endpoint],
  );
  await createDiagnosisStore(database, keyRing).writeRefusals(
    [1, 2, 3].map((n) => ({
      ...{
        tenant: id,
        endpoint,
        at: Date.now() + n,
        layer: 'signature',
        code: 'signature_mismatch',
      },
      ...({ cause: 'unknown', also: null, other: null, looksLike: null, offsetMs: null } as const),
      ...{ method: 'POST', contentType: null, agent: null, bodyBytes: n, network: '' },
      ...{ correlationId: `of-${tenant}-${endpoint}`, unwritten: 0 },
    })),
  );
}

async function text(answer: Response): Promise<string> {
  const headers = [...answer.headers].flat().join(' ');
  return `${headers} ${await answer.text()}`;
}

describe.each(roles)('as %s', (role) => {
  const token = credential(mine, role);

  it('lists, statistics, events and endpoints hold only what is mine', async () => {
    const paths = [
      '/v1/calls?limit=200',
      '/v1/calls?limit=200&status=answered,completed,failed',
      '/v1/messages?limit=200',
      '/v1/records?limit=200',
      '/v1/dead-letters?limit=200',
      '/v1/dead-letters?state=open,retried,discarded',
      '/v1/stats',
      '/v1/events?limit=200',
      '/v1/endpoints',
      `/v1/endpoints/${ownEndpoint}/refusals`,
    ];
    for (const path of paths) expectNothingForeign(await text(await station.get(path, token)));
  });

  it('a foreign id answers exactly as an id that never was', async () => {
    const [callId = ''] = foreign.callIds;
    const never = callId.replace(/\d/g, '0');
    for (const tail of ['', '/events']) {
      const there = await station.get(`/v1/calls/${callId}${tail}`, token);
      const nowhere = await station.get(`/v1/calls/${never}${tail}`, token);
      expect(there.status).toBe(404);
      const body = await there.text();
      expect(body).toBe(await nowhere.text());
      expectNothingForeign(body);
    }
  });

  it('a foreign dead letter is neither seen nor acted on: it answers as one that never was', async () => {
    const [letterId = ''] = foreign.letterIds;
    const send = (id: string, act: string): Promise<Response> =>
      fetch(`${station.http}/v1/dead-letters/${id}/${act}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'OPS-1' }),
      });
    const before = station.world.store.bounds('deliveries', 0).next;
    for (const act of ['retry', 'discard']) {
      const there = await send(letterId, act);
      expect(there.status).toBe(['admin', 'operator'].includes(role) ? 404 : 403);
      const body = await there.text();
      expect(body).toBe(await (await send('park-nobody', act)).text());
      expectNothingForeign(body);
    }
    expect(station.world.store.bounds('deliveries', 0).next).toBe(before);
    const seen = await station.get(`/v1/dead-letters/${letterId}`, token);
    expect(seen.status).toBe(role === 'viewer' ? 403 : 404);
    expect(await seen.text()).toBe(
      await (await station.get('/v1/dead-letters/park-nobody', token)).text(),
    );
  });

  it('a foreign endpoint’s refusals answer as those of one that never was', async () => {
    const never = foreignEndpoint.replace('Theirs', 'Nobody');
    const there = await station.get(`/v1/endpoints/${foreignEndpoint}/refusals`, token);
    const nowhere = await station.get(`/v1/endpoints/${never}/refusals`, token);
    expect(there.status).toBe(['admin', 'manager'].includes(role) ? 404 : 403);
    expect(nowhere.status).toBe(there.status);
    const body = await there.text();
    expect(body).toBe(await nowhere.text());
    expectNothingForeign(body);
  });

  it('a foreign cursor of refusals is a 400, or not even looked at', async () => {
    const list = (id: string) => `/v1/endpoints/${id}/refusals?limit=2`;
    const page = await station.get(list(foreignEndpoint), credential(theirs, 'admin'));
    const { next } = ((await page.json()) as { page: { next: string } }).page;
    const answer = await station.get(`${list(ownEndpoint)}&cursor=${next}`, token);
    expect(answer.status).toBe(['admin', 'manager'].includes(role) ? 400 : 403);
    expectNothingForeign(await text(answer));
  });

  it('a foreign cursor is a 400 that leaks nothing', async () => {
    for (const list of ['/v1/calls?limit=2', '/v1/messages?limit=2']) {
      const page = await station.get(list, credential(theirs, role));
      const { next } = ((await page.json()) as { page: { next: string } }).page;
      const answer = await station.get(`${list}&cursor=${next}`, token);
      expect(answer.status).toBe(400);
      const body = await text(answer);
      expect(body).toContain('cursor_invalid');
      expectNothingForeign(body);
    }
  });

  it('a foreign tag or position tells nothing', async () => {
    const etag = (await station.get('/v1/calls', credential(theirs))).headers.get('etag') ?? '';
    const answer = await station.get('/v1/calls', token, { 'if-none-match': etag });
    const own = `"e1.${topOf(station.world, mine)}"`;
    expect(answer.status).toBe(etag === own ? 304 : 200);
    expectNothingForeign(await text(answer));
  });

  it('no parameter and no header picks a tenant', async () => {
    const headers = { 'x-tenant': theirs, 'x-tenant-id': theirs, tenant: theirs };
    const answer = await station.get('/v1/calls?limit=200', token, headers);
    expectNothingForeign(await text(answer));
    for (const name of ['tenant', 'tenant_id', 'tenantId']) {
      expect((await station.get(`/v1/calls?${name}=x`, token)).status).toBe(400);
    }
  });

  it('the stream holds only what is mine: topics, filters, foreign topics and cursors', async () => {
    const socket = await RawSocket.ready(station.ws, token);
    const since = { epoch: 'e1', seq: 0 };
    const [callId = ''] = foreign.callIds;
    const topics = ['calls', 'messages', 'records', 'stats', `call:${callId}`, `call:x\n${theirs}`];
    topics.forEach((topic, index) => {
      socket.send({ type: 'subscribe', id: `s${index}`, topic });
      socket.send({ type: 'subscribe', id: `r${index}`, topic, since });
    });
    // Ids that look like another tenant's publish group.
    const id = `${theirs}\nmasked\ncalls\n\nboard`;
    socket.send({ type: 'subscribe', id, topic: 'calls', filter: { status: 'active' } });
    await until('every view to be live', () => socket.of('live').length >= 8);
    station.world.happen(100);
    const top = topOf(station.world, mine);
    await until(
      'the top',
      () => socket.of('heartbeat').some(({ tops }) => tops['s0'] === top),
      20_000,
    );
    const frames = socket.frames.map((frame) => JSON.stringify(withoutId(frame, id))).join('\n');
    expectNothingForeign(frames);
    socket.close();
  });
});

/** What the client itself sent as an id stands in the answers. */
const withoutId = (frame: ServerFrame, id: string): object => {
  const json = JSON.stringify(frame).replaceAll(JSON.stringify(id).slice(1, -1), 'mine');
  return JSON.parse(json) as object;
};

it('a ticket opens the tenant it was made for, and a refresh does not change it', async () => {
  const answer = await fetch(`${station.http}/v1/stream/tickets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential(mine)}` },
  });
  const { ticket } = (await answer.json()) as { ticket: string };
  const socket = new RawSocket(`${station.ws}?ticket=${ticket}&tenant=${theirs}`);
  const ready = await socket.until('ready', ({ type }) => type === 'ready');
  expect(ready).toMatchObject({ tenant: mine });
  socket.send({ type: 'refresh', token: credential(theirs) });
  expect((await socket.gone()).code).toBe(4401);
  expectNothingForeign(JSON.stringify(socket.frames));
});

it('two tenants that subscribe with the same id and topic share nothing', async () => {
  const here = await RawSocket.ready(station.ws, credential(mine));
  const there = await RawSocket.ready(station.ws, credential(theirs));
  for (const socket of [here, there]) socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
  for (const socket of [here, there]) await socket.until('live', ({ type }) => type === 'live');
  station.world.happen(200);
  for (const [socket, tenant] of [
    [here, mine],
    [there, theirs],
  ] as const) {
    const top = topOf(station.world, tenant);
    await until('the top', () => socket.of('heartbeat').some(({ tops }) => tops['c'] === top));
    const own = new Set(
      truthOf(station.world, tenant).map(({ body }) => (body.kind === 'call' ? body.callId : '')),
    );
    for (const { event } of socket.of('event')) expect(own).toContain(event.callId);
    for (const { items } of socket.of('snapshot')) {
      for (const item of items as CallItem[]) expect(own).toContain(item.id);
    }
    socket.close();
  }
});

it('the second wall stands without the first: no row of another tenant without a predicate', async () => {
  const tables = [
    ...['calls', 'legs', 'call_timeline', 'messages', 'records', 'stats_minute'],
    'mark_sequences',
    'endpoint_refusals',
    'endpoints',
  ];
  for (const table of tables) {
    const { rows } = await asTenant(station.database, mine, (transaction) =>
      transaction.query<{ tenant_id: string }>(`select distinct tenant_id from ${table}`),
    );
    expect(rows, table).toEqual([{ tenant_id: mine }]);
  }
});
