// A hole in the log: said to everybody it concerns, never called live again, and the process is not ready.
// Also: credentials that end while a connection is open, and the page's files.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { socketLimits } from '../../gateway/socket.js';
import { readPages, servePages } from '../../gateway/static.js';
import { makeApiKey } from '../../runtime/api-keys.js';
import { createHttpServer } from '../../runtime/http.js';
import type { Codec } from '../../log/event-codec.js';
import { TrunklineError } from '../../runtime/errors.js';
import { tenantId } from '../../schemas/ids.js';
import { codec } from '../projections/station.js';
import { until } from '../services/shared.js';
import { credential, RawSocket, startGateway, type GatewayStation } from './station.js';

let station: GatewayStation;

beforeAll(async () => {
  const limits = { ...socketLimits, heartbeatMs: 200 };
  station = await startGateway({ more: { limits } });
  station.world.happen(50);
});
afterAll(async () => {
  await station.stop();
});

it('ends the connections of an API key that is revoked', async () => {
  const { id, key, secretHash } = makeApiKey();
  const tenant = tenantId('tenant-1');
  station.registry.keys.set(id, { id, tenant, role: 'operator', secretHash, expiresAt: null });
  expect((await station.get('/v1/calls', key)).status).toBe(200);
  const socket = await RawSocket.ready(station.ws, key);
  expect(socket.of('ready')[0]).toMatchObject({ tenant: 'tenant-1', expiresAt: null });
  station.registry.keys.delete(id);
  expect((await socket.gone()).code).toBe(4401);
  expect((await station.get('/v1/calls', key)).status).toBe(401);
});

it('says that credentials cannot be judged now, which is no refusal', async () => {
  const token = `${credential('tenant-0')}/unavailable`;
  expect((await station.get('/v1/calls', token)).status).toBe(503);
  const socket = new RawSocket(station.ws);
  await socket.opened();
  socket.send({ type: 'auth', token });
  expect((await socket.gone()).code).toBe(1013);
});

it('loses what it cannot read like a hole, and asks again for a schema that it cannot fetch now', async () => {
  let failures = 0;
  const learn: Codec['learn'] = (values) => {
    failures += 1;
    if (failures > 1) return codec.learn(values);
    return Promise.reject(new TrunklineError('service_unreachable', 'the registry is away'));
  };
  const own = await startGateway({
    seed: 7,
    more: { limits: socketLimits, codec: { ...codec, learn } },
  });
  own.world.happen(20);
  const socket = await RawSocket.ready(own.ws, credential('tenant-0'));
  socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
  await socket.until('live', ({ type }) => type === 'live');
  own.world.garble(tenantId('tenant-1'));
  const resync = await socket.until('resync', ({ type }) => type === 'resync');
  expect(resync).toMatchObject({ id: 'c', reason: 'gap' });
  expect((await fetch(`${own.http}/health/ready`)).status).toBe(503);
  expect((await own.get('/v1/calls', credential('tenant-0'))).status).toBe(200);
  await own.stop();
});

it('says gap after a hole in the log, is never live again, and is not ready', async () => {
  const socket = await RawSocket.ready(station.ws, credential('tenant-0'));
  socket.send({ type: 'subscribe', id: 'c', topic: 'calls' });
  await socket.until('live', ({ type }) => type === 'live');
  const { world } = station;
  // A record that takes a number and never arrives.
  world.record(tenantId('tenant-0'), {
    ...{ kind: 'parked', type: 'fact.parked', sourceTopic: 'deliveries', sourceOffset: 0 as never },
    ...{ errorCode: 'internal', error: 'lost', parking: null },
  });
  world.happen(60);
  const resync = await socket.until('resync', ({ type }) => type === 'resync');
  expect(resync).toMatchObject({ id: 'c', reason: 'gap' });
  await until('a fresh snapshot', () => socket.of('snapshot').length >= 2);
  const ready = await fetch(`${station.http}/health/ready`);
  expect(ready.status).toBe(503);
  const { checks } = (await ready.json()) as { checks: { name: string; ok: boolean }[] };
  expect(checks.find(({ name }) => name === 'log')?.ok).toBe(false);
  expect(await station.metrics.metrics()).toContain(
    'trunkline_consumer_stopped_partitions{station="gateway",reason="log_loss"} 1',
  );
  const heartbeats = socket.of('heartbeat').length;
  await until('more heartbeats', () => socket.of('heartbeat').length > heartbeats + 1);
  expect(socket.of('live')).toHaveLength(1);
  socket.close();
});

it('serves the page with a strict policy, and 304 while it is the same', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'page-'));
  writeFileSync(join(directory, 'index.html'), '<!doctype html>');
  writeFileSync(join(directory, 'app.js'), 'export {}');
  writeFileSync(join(directory, 'notes.txt'), 'not served');
  const server = await createHttpServer({ trustedProxies: [] });
  servePages(server, await readPages(directory));
  const base = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`;
  const page = await fetch(`${base}/`);
  expect(await page.text()).toBe('<!doctype html>');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  const headers = { 'if-none-match': page.headers.get('etag') ?? '' };
  expect((await fetch(`${base}/`, { headers })).status).toBe(304);
  expect((await fetch(`${base}/app.js`)).headers.get('content-type')).toContain('javascript');
  expect((await fetch(`${base}/notes.txt`)).status).toBe(404);
  expect((await fetch(`${base}/../package.json`)).status).toBe(404);
  server.close();
});
