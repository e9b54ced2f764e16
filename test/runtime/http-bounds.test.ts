// What a stranger can make the server hold has an end: silence, drips, half bodies, connections.

import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import type { HttpBounds } from '../../runtime/http-bounds.js';
import { exportHttpMetrics } from '../../runtime/http-metrics.js';
import { createHttpServer, type HttpServer } from '../../runtime/http.js';
import { createMetrics } from '../../runtime/metrics.js';
import { RawClient } from './raw-client.js';

const servers: HttpServer[] = [];
const clients: RawClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.abort();
  for (const server of servers.splice(0)) server.close();
});

interface Started {
  readonly server: HttpServer;
  readonly port: number;
  readonly bodies: string[];
}

async function start(bounds: Partial<HttpBounds> = {}): Promise<Started> {
  const server = await createHttpServer({ trustedProxies: [], bounds });
  servers.push(server);
  const bodies: string[] = [];
  server.route({ method: 'POST', pattern: '/', maxBody: 1_000_000 }, async (request) => {
    bodies.push(request.body.toString());
    return { status: 200, body: 'taken' };
  });
  server.socket(
    { pattern: '/stream', maxFrameBytes: 1024, maxBackpressureBytes: 65_536, idleTimeoutSec: 60 },
    {
      upgrade: () => null,
      open: (socket) => socket.send('hello'),
      message: () => undefined,
      drain: () => undefined,
      dropped: () => undefined,
      close: () => undefined,
    },
  );
  return { server, port: await server.listen('127.0.0.1', 0), bodies };
}

async function open(port: number, text = ''): Promise<RawClient> {
  const client = await RawClient.open(port);
  clients.push(client);
  client.write(text);
  return client;
}

const head = (length: number): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
const whole = `${head(2)}hi`;

/** A byte (or more) every so often, until the other side has enough. Resolves with the seconds it took. */
async function drip(client: RawClient, unit: string, everyMs: number): Promise<number> {
  const since = performance.now();
  const dripping = setInterval(() => client.write(unit), everyMs);
  await client.untilClosed();
  clearInterval(dripping);
  return (performance.now() - since) / 1000;
}

describe('a body that drips', () => {
  test.each([
    ['of an announced length', head(1000), 'a'],
    ['in chunks', head(0).replace('Content-Length: 0', 'Transfer-Encoding: chunked'), '1\r\na\r\n'],
    ['and never begins', head(1000), ''],
  ])('%s gets 408 at the deadline, and the connection ends', async (_name, begin, unit) => {
    const { server, port, bodies } = await start({ bodyMs: 150 });
    const client = await open(port, begin);
    await drip(client, unit, 20);
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
    expect(client.received).toContain('"code":"body_late"');
    expect(client.received.toLowerCase()).toContain('connection: close');
    expect(server.counts.refused.get('body_late')).toBe(1);
    expect(server.counts.bodyBytes).toBe(0);
    expect(bodies).toEqual([]);
    expect(await (await open(port, whole)).until(/taken/)).toContain(' 200 OK');
  });

  test('within the deadline is taken, each on its own', async () => {
    const { server, port, bodies } = await start({ bodyMs: 30_000 });
    const slow = await open(port, head(5));
    for (const byte of 'hello') {
      slow.write(byte);
      await (await open(port, whole)).until(/taken/);
    }
    expect(await slow.until(/taken/)).toContain(' 200 OK');
    expect(bodies.sort(byLength)).toEqual(['hi', 'hi', 'hi', 'hi', 'hi', 'hello']);
    expect(server.counts.bodyBytes).toBe(0);
  });
});

const byLength = (a: string, b: string): number => a.length - b.length;

describe('bodies that are not complete', () => {
  test('are bounded together: one more gets 503 with Retry-After, and room that is free is used again', async () => {
    const { server, port } = await start({ bodyBytes: 1_000_000 });
    const half = 'x'.repeat(400_000);
    const first = await open(port, head(400_001) + half);
    const second = await open(port, head(400_001) + half);
    await expect.poll(() => server.counts.bodyBytes).toBe(800_000);
    const third = await open(port, head(400_001) + half);
    const answer = await third.untilClosed();
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer.toLowerCase()).toContain('retry-after: ');
    expect(server.counts.refused.get('body_memory')).toBe(1);
    first.abort();
    await expect.poll(() => server.counts.bodyBytes).toBe(400_000);
    second.write('x');
    expect(await second.until(/taken/)).toContain(' 200 OK');
    expect(server.counts.bodyBytes).toBe(0);
  });

  test('are put together again, also when each byte is a chunk', async () => {
    const { port, bodies } = await start();
    const client = await open(
      port,
      head(0).replace('Content-Length: 0', 'Transfer-Encoding: chunked'),
    );
    client.write('1\r\na\r\n'.repeat(200_000));
    client.write('0\r\n\r\n');
    expect(await client.untilClosed()).toContain('taken');
    expect(bodies[0]?.length).toBe(200_000);
  });
});

describe('connections', () => {
  test('are bounded: one more is closed, WebSockets are not among them, and those that end make room', async () => {
    const { server, port } = await start({ connections: 5 });
    const sockets = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/stream`);
        await new Promise((resolve) => socket.once('message', resolve));
        return socket;
      }),
    );
    expect(server.counts.connections).toBe(0);
    const held = [];
    for (let n = 0; n < 5; n += 1) held.push(await open(port, whole));
    for (const client of held) await client.until(/taken/);
    const sixth = await open(port, whole);
    expect(await sixth.untilClosed()).toBe('');
    expect(server.counts.refused.get('connections')).toBe(1);
    held[0]?.abort();
    await expect.poll(() => server.counts.connections).toBe(4);
    expect(await (await open(port, whole)).until(/taken/)).toContain(' 200 OK');
    for (const socket of sockets) socket.terminate();
    for (const client of clients) client.abort();
    await expect.poll(() => server.counts.connections).toBe(0);
  });

  test('that ask nothing are bounded per address; those that ask are not', async () => {
    const { server, port } = await start({ silentPerAddress: 3 });
    for (let n = 0; n < 10; n += 1) await (await open(port, whole)).until(/taken/);
    const silent = [await open(port), await open(port, 'POST / HT'), await open(port)];
    await expect.poll(() => server.counts.connections).toBe(13);
    expect(await (await open(port, whole)).untilClosed()).toBe('');
    expect(server.counts.refused.get('silent_connections')).toBe(1);
    silent[0]?.abort();
    await expect.poll(() => server.counts.connections).toBe(12);
    expect(await (await open(port, whole)).until(/taken/)).toContain(' 200 OK');
    silent[1]?.write('TP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi');
    expect(await silent[1]?.until(/taken/)).toContain(' 200 OK');
  });

  test('are told in the metrics, with every reason from the start', async () => {
    const { server, port } = await start({ connections: 1 });
    const metrics = createMetrics();
    exportHttpMetrics(metrics, server.counts);
    await (await open(port, whole)).until(/taken/);
    await (await open(port, whole)).untilClosed();
    const text = await metrics.metrics();
    expect(text).toContain('trunkline_http_connections 1');
    expect(text).toContain('trunkline_http_refused_total{reason="connections"} 1');
    expect(text).toContain('trunkline_http_refused_total{reason="body_late"} 0');
  });
});

// The deadlines of heads and of idle connections are uWebSockets.js's own: 10 s, in steps of 4 s. They are the
// reason why a slow head holds nothing for long, so they are watched here, all at the same time.
test('silence, a dripping head and an idle connection end within 14 seconds, whatever is dripped', async () => {
  const { port } = await start();
  const begin = 'POST / HTTP/1.1\r\nHost: a\r\nX-A: ';
  const held = await Promise.all([
    open(port),
    open(port, begin),
    open(port, begin),
    open(port, whole),
    open(port, whole + begin),
    open(port, '\r\n\r\n'),
  ]);
  const seconds = await Promise.all(held.map((client) => drip(client, 'a', 900)));
  expect(held.map((client) => client.received.match(/ 200 OK/g)?.length ?? 0)).toEqual([
    0, 0, 0, 1, 1, 0,
  ]);
  for (const each of seconds) expect(each).toBeLessThan(14);
}, 30_000);
