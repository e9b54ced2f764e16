import { createServer } from 'node:net';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TrunklineError } from '../../runtime/errors.js';
import { createHttpServer, problem } from '../../runtime/http.js';
import type { HttpRequest, HttpServer, Socket } from '../../runtime/http.js';
import { createLogger } from '../../runtime/logger.js';
import { RawClient, exchangeRaw } from './raw-client.js';

const big = 'x'.repeat(3_000_000);
const log = new PassThrough();

let server: HttpServer;
let port: number;
const seen: HttpRequest[] = [];
const sockets: Socket[] = [];
const closed: number[] = [];
let release: () => void = () => undefined;

beforeAll(async () => {
  server = await createHttpServer({
    trustedProxies: ['127.0.0.1', '10.0.0.0/8'],
    logger: createLogger({ level: 'info', destination: log }),
  });
  const note = (request: HttpRequest) => {
    seen.push(request);
    return { status: 200, body: `${request.method} ${request.body.toString()}` };
  };
  server.route({ method: 'POST', pattern: '/echo', maxBody: 1000 }, note);
  server.route({ method: 'GET', pattern: '/echo' }, note);
  server.route({ method: 'GET', pattern: '/calls/:id/legs/:leg' }, note);
  server.route({ method: 'ANY', pattern: '/hook' }, note);
  server.route({ method: 'GET', pattern: '/big' }, () => ({ status: 200, body: big }));
  server.route({ method: 'POST', pattern: '/empty' }, async () => ({ status: 204 }));
  server.route({ method: 'GET', pattern: '/split' }, () => ({
    status: 200,
    headers: { 'x-a': 'b\r\nset-cookie: c=d' },
  }));
  server.route({ method: 'GET', pattern: '/throws' }, () => {
    throw new Error('secret detail of +15550100142');
  });
  server.route({ method: 'GET', pattern: '/rejects' }, async () => {
    throw new TrunklineError('parameter_invalid', 'limit must be a number');
  });
  server.route({ method: 'GET', pattern: '/internal' }, async () => {
    throw new TrunklineError('store_behind', 'inner words');
  });
  server.route({ method: 'POST', pattern: '/slow' }, async (request) => {
    seen.push(request);
    await new Promise<void>((resolve) => (release = resolve));
    return { status: 200, body: 'late' };
  });
  server.socket(
    {
      pattern: '/stream',
      maxFrameBytes: 1024,
      maxBackpressureBytes: 64 * 1024,
      idleTimeoutSec: 60,
      protocol: 'trunkline.v1',
    },
    {
      upgrade: (request) =>
        request.query === 'refuse' ? problem('unauthenticated', 'no token') : null,
      open: (socket) => {
        sockets.push(socket);
        socket.subscribe('news');
      },
      message: (socket, text) => {
        if (text === 'throw') throw new Error('in a socket handler');
        socket.send(`echo ${text}`);
      },
      drain: () => undefined,
      dropped: () => undefined,
      close: (_socket, code) => closed.push(code),
    },
  );
  port = await server.listen('127.0.0.1', 0);
});
afterAll(() => server.close());

const post = (headers: string, body: string, path = '/echo'): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`;

describe('a message that could be read in two ways', () => {
  const smuggled = 'GET /echo?smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const upgrade =
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

  it.each([
    [
      'two different lengths',
      post('Content-Length: 5\r\nContent-Length: 50\r\n', `hello${smuggled}`),
    ],
    ['two equal lengths', post('Content-Length: 5\r\nContent-Length: 5\r\n', `hello${smuggled}`)],
    ['a list of lengths', post('Content-Length: 5, 5\r\n', `hello${smuggled}`)],
    ['a signed length', post('Content-Length: +5\r\n', `hello${smuggled}`)],
    ['a length in hex', post('Content-Length: 0x5\r\n', `hello${smuggled}`)],
    ['another coding', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${smuggled}`)],
    ['two codings', post('Transfer-Encoding: gzip, chunked\r\n', `0\r\n\r\n${smuggled}`)],
    ['identity', post('Transfer-Encoding: identity\r\n', `0\r\n\r\n${smuggled}`)],
    [
      'two coding headers',
      post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', `0\r\n\r\n${smuggled}`),
    ],
    [
      'a length and a coding',
      post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`),
    ],
    [
      'a coding and a length',
      post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `0\r\n\r\n${smuggled}`),
    ],
    ['a space before the colon', post('Content-Length : 5\r\n', `hello${smuggled}`)],
    ['no route', post('Content-Length: 5\r\nContent-Length: 6\r\n', `hello${smuggled}`, '/none')],
    [
      'an upgrade with two lengths',
      `GET /stream HTTP/1.1\r\nHost: a\r\n${upgrade}Content-Length: 0\r\nContent-Length: 9\r\n\r\n${smuggled}`,
    ],
    [
      'an upgrade with a coding',
      `GET /stream HTTP/1.1\r\nHost: a\r\n${upgrade}Transfer-Encoding: gzip\r\n\r\n${smuggled}`,
    ],
  ])('is closed without dispatch: %s', async (_name, text) => {
    seen.length = 0;
    sockets.length = 0;
    const answer = await exchangeRaw(port, text);
    expect(answer).not.toMatch(/ 200 | 101 /);
    expect({ requests: seen.length, sockets: sockets.length }).toEqual({ requests: 0, sockets: 0 });
  });

  it('does not stop honest chunks', async () => {
    const client = await RawClient.open(port);
    client.write(post('Transfer-Encoding: Chunked\r\n', '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n'));
    expect(await client.until(/hello!/)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    client.abort();
  });
});

describe('a body', () => {
  it('that is announced too large gets 413 and the connection ends', async () => {
    seen.length = 0;
    const answer = await exchangeRaw(port, post('Content-Length: 1001\r\n', 'x'));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"code":"body_too_large"');
    expect(seen).toHaveLength(0);
  });

  it('that grows too large without being announced gets 413 and the connection ends', async () => {
    seen.length = 0;
    const chunk = `100\r\n${'x'.repeat(256)}\r\n`;
    const answer = await exchangeRaw(port, post('Transfer-Encoding: chunked\r\n', chunk.repeat(5)));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(seen).toHaveLength(0);
  });

  it('of exactly the limit is taken, also in small pieces', async () => {
    const client = await RawClient.open(port);
    client.write(post('Content-Length: 1000\r\n', ''));
    for (let sent = 0; sent < 1000; sent += 100) {
      client.write('y'.repeat(100));
      await new Promise(setImmediate);
    }
    expect(await client.until(/y{1000}/)).toContain(' 200 OK');
    client.abort();
  });

  it('whose upload is aborted is never dispatched, and the process lives', async () => {
    seen.length = 0;
    const client = await RawClient.open(port);
    client.write(post('Content-Length: 900\r\n', 'half'));
    await new Promise(setImmediate);
    client.abort();
    const answer = await (await fetch(`http://127.0.0.1:${port}/echo`)).text();
    expect(answer).toBe('GET ');
    expect(seen.map((request) => request.method)).toEqual(['GET']);
  });
});

describe('a client that goes away while the handler works', () => {
  it('aborts the signal, and the late answer goes nowhere', async () => {
    seen.length = 0;
    const client = await RawClient.open(port);
    client.write(post('Content-Length: 2\r\n', 'hi', '/slow'));
    await expect.poll(() => seen.length).toBe(1);
    const { signal } = seen[0] ?? { signal: undefined };
    expect(signal?.aborted).toBe(false);
    client.abort();
    await expect.poll(() => signal?.aborted).toBe(true);
    release();
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
  });
});

describe('pipelined requests', () => {
  it('are answered one by one and in order when the handler is synchronous', async () => {
    const client = await RawClient.open(port);
    const requests = Array.from({ length: 100 }, (_, index) =>
      post(`Content-Length: 3\r\n`, String(index).padStart(3, '0')),
    );
    client.write(requests.join(''));
    const answer = await client.until(/POST 099/);
    const bodies = [...answer.matchAll(/POST (\d{3})/g)].map((match) => Number(match[1]));
    expect(bodies).toEqual(Array.from({ length: 100 }, (_, index) => index));
    client.abort();
  });

  it('never get each other’s answer when the handler is asynchronous', async () => {
    seen.length = 0;
    const client = await RawClient.open(port);
    client.write(post('Content-Length: 1\r\n', '1', '/slow').repeat(100));
    const answer = await client.untilClosed();
    release();
    expect(answer).toBe('');
    expect(seen.length).toBe(1);
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
  });
});

describe('a request out of the ordinary', () => {
  it('with a header of 12 kB is taken, with 40 kB refused, and the process lives', async () => {
    const get = (size: number) =>
      exchangeRaw(
        port,
        `GET /echo HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(size)}\r\nConnection: close\r\n\r\n`,
      );
    const client = await RawClient.open(port);
    client.write(`GET /echo HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(12_000)}\r\n\r\n`);
    expect(await client.until(/GET /)).toContain(' 200 OK');
    client.abort();
    expect(await get(40_000)).not.toContain(' 200 ');
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
  });

  it('with an unknown method gets 405 and what the path takes', async () => {
    const client = await RawClient.open(port);
    client.write('BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n');
    const answer = await client.until(/\}/);
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer.toLowerCase()).toContain('allow: post, get, head');
    client.abort();
  });

  it('is told 405 and 404 as problem details', async () => {
    const refused = await fetch(`http://127.0.0.1:${port}/big`, { method: 'DELETE' });
    expect(refused.status).toBe(405);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(refused.headers.get('allow')).toBe('GET, HEAD');
    const missing = await fetch(`http://127.0.0.1:${port}/none`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('of method HEAD gets the length and no body', async () => {
    const client = await RawClient.open(port);
    client.write('HEAD /big HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n');
    const answer = await client.until(/GET $/);
    expect(answer.toLowerCase()).toContain(`content-length: ${big.length}`);
    expect(answer).not.toContain('xxx');
    client.abort();
  });

  it('gets a 204 without a length, and the connection goes on', async () => {
    const client = await RawClient.open(port);
    client.write(post('Content-Length: 1\r\n', 'a', '/empty'));
    const answer = await client.until(/\r\n\r\n/);
    expect(answer).toMatch(/^HTTP\/1.1 204 No Content/);
    expect(answer).not.toMatch(/content-length/i);
    client.write('HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/content-length: 5/);
    client.write(post('Content-Length: 1\r\n', 'b'));
    expect(await client.until(/POST b/)).toMatch(/POST b$/);
    client.abort();
  });

  it('is dispatched with method, query and decoded parameters', async () => {
    seen.length = 0;
    await fetch(`http://127.0.0.1:${port}/calls/a%20b/legs/2?x=%41`);
    expect(seen[0]).toMatchObject({ method: 'GET', params: ['a b', '2'], query: 'x=%41' });
    const bad = await fetch(`http://127.0.0.1:${port}/calls/%ff/legs/2`);
    expect(bad.status).toBe(400);
    await fetch(`http://127.0.0.1:${port}/hook`, { method: 'PUT', body: 'b' });
    expect(seen.at(-1)?.method).toBe('PUT');
  });
});

describe('an answer', () => {
  it('of megabytes arrives whole, also at a slow reader', async () => {
    const client = await RawClient.open(port);
    client.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    client.socket.pause();
    await new Promise(setImmediate);
    client.socket.resume();
    const answer = await client.untilLength(big.length + 40);
    expect(answer.endsWith('xxxx')).toBe(true);
    expect(answer.length - answer.indexOf('\r\n\r\n') - 4).toBe(big.length);
    client.abort();
  });

  it('cannot be split by a header value', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/split`);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('of a handler that failed says nothing about the inside', async () => {
    for (const path of ['throws', 'internal']) {
      const answer = await fetch(`http://127.0.0.1:${port}/${path}`);
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(await answer.text()).not.toMatch(/secret|inner|0100142/);
    }
    const line = String(log.read());
    expect(line).toContain('http_fault');
    expect(line).not.toContain('0100142');
  });

  it('of a handler that refused says what was wrong', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/rejects`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      code: 'parameter_invalid',
      detail: 'limit must be a number',
    });
  });

  it('carries the caller’s correlation id when it is sane, and one of ours otherwise', async () => {
    const idFor = async (given: string) => {
      const headers = { 'x-correlation-id': given };
      const answer = await fetch(`http://127.0.0.1:${port}/echo`, { headers });
      return answer.headers.get('x-correlation-id');
    };
    expect(await idFor('req-2f9a8b7c')).toBe('req-2f9a8b7c');
    for (const given of ['short', '15550100142', 'has space here', 'x'.repeat(65)]) {
      expect(await idFor(given)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

describe('the client address', () => {
  const addressFor = async (forwarded: string) => {
    seen.length = 0;
    await fetch(`http://127.0.0.1:${port}/echo`, { headers: { 'x-forwarded-for': forwarded } });
    return seen[0]?.clientAddress;
  };

  it('is the right-most hop that is not a trusted proxy', async () => {
    expect(await addressFor('203.0.113.9')).toBe('203.0.113.9');
    expect(await addressFor('198.51.100.1, 203.0.113.9, 10.1.2.3')).toBe('203.0.113.9');
    expect(await addressFor('198.51.100.1, 203.0.113.9:4711')).toBe('203.0.113.9');
    expect(await addressFor('[2001:db8::1]:80, 10.1.2.3')).toBe('2001:db8::1');
    expect(await addressFor('198.51.100.1, ::ffff:203.0.113.9')).toBe('203.0.113.9');
  });

  it('is the last proxy when its report cannot be read', async () => {
    expect(await addressFor('203.0.113.9, garbage')).toBe('127.0.0.1');
    expect(await addressFor('203.0.113.9, garbage, 10.1.2.3')).toBe('10.1.2.3');
  });

  it('is the socket’s where no proxy is trusted', async () => {
    const plain = await createHttpServer({ trustedProxies: [] });
    plain.route({ method: 'GET', pattern: '/' }, (r) => ({ status: 200, body: r.clientAddress }));
    const plainPort = await plain.listen('127.0.0.1', 0);
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    expect(await (await fetch(`http://127.0.0.1:${plainPort}/`, { headers })).text()).toBe(
      '127.0.0.1',
    );
    plain.close();
  });

  it('is refused at start when a trusted proxy is no CIDR', async () => {
    await expect(createHttpServer({ trustedProxies: ['proxy'] })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });
});

describe('a WebSocket', () => {
  const open = async (query = '', protocols: string[] = []): Promise<WebSocket> => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/stream${query}`, protocols);
    await once(client, 'open');
    return client;
  };

  it('is opened, answers, gets what is published, and tells its close code', async () => {
    sockets.length = 0;
    const client = await open('', ['bearer.abc', 'trunkline.v1']);
    expect(client.protocol).toBe('trunkline.v1');
    client.send('hello');
    expect(String((await once(client, 'message'))[0])).toBe('echo hello');
    server.publish('news', 'flash');
    expect(String((await once(client, 'message'))[0])).toBe('flash');
    sockets[0]?.end(4008, 'slow');
    const [code, reason] = (await once(client, 'close')) as [number, Buffer];
    expect([code, String(reason)]).toEqual([4008, 'slow']);
    expect(sockets[0]?.send('late')).toBe('dropped');
    expect(sockets[0]?.bufferedBytes).toBe(0);
  });

  it('can be refused with an answer', async () => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/stream?refuse`);
    client.on('error', () => undefined);
    const [, response] = (await once(client, 'unexpected-response')) as [
      unknown,
      { statusCode: number },
    ];
    expect(response.statusCode).toBe(401);
    client.terminate();
  });

  it('is asked for where a plain request comes', async () => {
    expect((await fetch(`http://127.0.0.1:${port}/stream`)).status).toBe(426);
  });

  it.each([
    ['a handler that throws', 'throw', 1011],
    ['a binary frame', Buffer.of(1, 2), 1003],
    ['a frame over the limit', 'x'.repeat(2000), 1006],
  ])('ends after %s, and the process lives', async (_name, data, code) => {
    closed.length = 0;
    const client = await open();
    client.on('error', () => undefined);
    client.send(data);
    const [seenCode] = (await once(client, 'close')) as [number];
    expect([1006, 1009]).toContain(code === 1006 ? seenCode : 1006);
    if (code !== 1006) expect(seenCode).toBe(code);
    expect((await fetch(`http://127.0.0.1:${port}/echo`)).status).toBe(200);
  });

  it('tells backpressure, and a reader that never reads is cut', async () => {
    sockets.length = 0;
    closed.length = 0;
    const client = await open();
    client.pause();
    await expect.poll(() => sockets.length).toBe(1);
    const frame = 'y'.repeat(32 * 1024);
    const statuses = new Set<string>();
    for (let sent = 0; sent < 2_000 && closed.length === 0; sent++) {
      statuses.add(sockets[0]?.send(frame) ?? 'none');
      if (sent % 100 === 0) await new Promise(setImmediate);
    }
    await expect.poll(() => closed.length).toBe(1);
    expect([...statuses]).toEqual(['sent', 'buffered', 'dropped']);
    client.terminate();
  });
});

describe('listening', () => {
  it('fails in one line when the port is taken, by us or by anybody', async () => {
    const second = await createHttpServer({ trustedProxies: [] });
    await expect(second.listen('127.0.0.1', port)).rejects.toMatchObject({ code: 'port_in_use' });
    second.close();
    const stranger = createServer().listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const address = stranger.address();
    const taken = typeof address === 'object' && address !== null ? address.port : 0;
    const third = await createHttpServer({ trustedProxies: [] });
    await expect(third.listen('127.0.0.1', taken)).rejects.toThrow(/TRUNKLINE_PORT/);
    third.close();
    stranger.close();
  });

  it('can stop while open connections are still answered, once each', async () => {
    const draining = await createHttpServer({ trustedProxies: [] });
    draining.route({ method: 'GET', pattern: '/' }, () => ({ status: 200, body: 'ok' }));
    const drainPort = await draining.listen('127.0.0.1', 0);
    const client = await RawClient.open(drainPort);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/ok/);
    draining.stopAccepting();
    await expect(RawClient.open(drainPort)).rejects.toThrow(/ECONNREFUSED/);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await client.untilClosed()).match(/ok/g)).toHaveLength(2);
    draining.close();
  });
});
