import { connect as connectRaw } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';

import { createHttpServer, type HttpServer } from '../../runtime/http.js';
import { proxyHeader, v4Addresses, v6Addresses } from './proxy-header.js';
import { RawClient } from './raw-client.js';

const servers: HttpServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Started {
  readonly server: HttpServer;
  readonly port: number;
  readonly addresses: string[];
}

async function start(
  proxyProtocol: 'off' | 'v2',
  trustedProxies: readonly string[] = ['127.0.0.1', '10.0.0.0/8'],
): Promise<Started> {
  const bounds = { proxyHeaderMs: 60 };
  const server = await createHttpServer({ trustedProxies, proxyProtocol, bounds });
  servers.push(server);
  const addresses: string[] = [];
  server.route({ method: 'POST', pattern: '/', maxBody: 3_000_000 }, (request) => {
    addresses.push(request.clientAddress);
    return { status: 200, body: `${request.clientAddress} ${request.body.length};` };
  });
  server.socket(
    {
      pattern: '/stream',
      maxFrameBytes: 1024,
      maxBackpressureBytes: 65_536,
      idleTimeoutSec: 60,
    },
    {
      upgrade: () => null,
      open: (socket) => socket.send(socket.upgrade.clientAddress),
      message: (socket, text) => socket.send(text),
      drain: () => undefined,
      dropped: () => undefined,
      close: () => undefined,
    },
  );
  return { server, port: await server.listen('127.0.0.1', 0), addresses };
}

const post = (body: string, headers = ''): string =>
  `POST / HTTP/1.1\r\nHost: a\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

const client9 = proxyHeader({ payload: v4Addresses('203.0.113.9') });
const spoof = proxyHeader({ payload: v4Addresses('198.51.100.66') });

async function exchange(port: number, header: Buffer, rest: string): Promise<string> {
  const client = await RawClient.open(port);
  client.write(header.toString('latin1') + rest);
  const answer = await client.until(/;/);
  client.abort();
  return answer;
}

describe('with PROXY protocol v2', () => {
  test('the address is the one the proxy reports, IPv4, IPv6 and with TLVs', async () => {
    const { port, addresses } = await start('v2');
    const tlvs = Buffer.concat([v4Addresses('203.0.113.9'), Buffer.from('040003616263', 'hex')]);
    const long = Buffer.concat([
      v4Addresses('203.0.113.10'),
      Buffer.from([0xea, 0x01, 0x2c]),
      Buffer.alloc(300),
    ]);
    for (const header of [
      client9,
      proxyHeader({ family: 0x21, payload: v6Addresses('2001:db8::9') }),
      proxyHeader({ payload: tlvs }),
      proxyHeader({ payload: long }),
    ]) {
      expect(await exchange(port, header, post('x'))).toContain(' 200 OK');
    }
    expect(addresses).toEqual(['203.0.113.9', '2001:db8::9', '203.0.113.9', '203.0.113.10']);
  });

  test('LOCAL is the proxy itself, even where it names an address', async () => {
    const { port, addresses } = await start('v2');
    const health = proxyHeader({ command: 0x20, family: 0, payload: Buffer.alloc(0) });
    const named = proxyHeader({ command: 0x20, payload: v4Addresses('203.0.113.9') });
    expect(await exchange(port, health, post('x'))).toContain(' 200 OK');
    expect(await exchange(port, named, post('x'))).toContain(' 200 OK');
    expect(addresses).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  test('behind it, X-Forwarded-For counts only of a proxy that is trusted too', async () => {
    const { port, addresses } = await start('v2');
    const inner = proxyHeader({ payload: v4Addresses('10.1.2.3') });
    const forwarded = 'X-Forwarded-For: 192.0.2.1, 203.0.113.77\r\n';
    await exchange(port, inner, post('x', forwarded));
    await exchange(port, client9, post('x', forwarded));
    expect(addresses).toEqual(['203.0.113.77', '203.0.113.9']);
  });

  test('a header that comes byte by byte is read, and megabytes pass both ways whole', async () => {
    const { port } = await start('v2');
    const client = await RawClient.open(port);
    for (const byte of client9) {
      client.write(String.fromCharCode(byte));
      await new Promise(setImmediate);
    }
    client.write(post('y'.repeat(2_500_000)));
    expect(await client.until(/;/)).toContain('203.0.113.9 2500000;');
    client.write(post('z'));
    expect(await client.until(/ 1;/)).toContain('203.0.113.9 1;');
    client.abort();
  });

  test('a client cannot give itself another address by a header of its own', async () => {
    const { port, addresses, server } = await start('v2');
    const text = spoof.toString('latin1');
    for (const rest of [
      post('x') + text + post('x'),
      text + post('x'),
      post(`x${text}`),
      `${post('x')}${text.slice(0, 14)}`,
    ]) {
      const client = await RawClient.open(port);
      client.write(client9.toString('latin1') + rest);
      await client.untilClosed();
    }
    const later = await RawClient.open(port);
    later.write(client9.toString('latin1') + post('x'));
    await later.until(/;/);
    later.write(text.slice(0, 9));
    await new Promise(setImmediate);
    later.write(text.slice(9) + post('x'));
    await later.untilClosed();
    expect(new Set(addresses)).toEqual(new Set(['203.0.113.9']));
    expect(server.counts.refused.get('proxy_header')).toBe(5);
  });

  test.each([
    ['no header', Buffer.alloc(0)],
    ['a header of version 1', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n')],
    ['a wrong signature', Buffer.from('0d0a0d0a000d0a515549540b21110000', 'hex')],
    ['datagrams', proxyHeader({ family: 0x12, payload: v4Addresses('203.0.113.9') })],
    ['an address cut short', proxyHeader({ payload: v4Addresses('203.0.113.9').subarray(0, 9) })],
    ['an oversize length', Buffer.concat([client9.subarray(0, 14), Buffer.of(0xff, 0xff)])],
  ])('a connection with %s is closed without an answer', async (_name, header) => {
    const { port, addresses } = await start('v2');
    const client = await RawClient.open(port);
    client.write(header.toString('latin1') + post('x'));
    expect(await client.untilClosed()).toBe('');
    expect(addresses).toEqual([]);
    expect(await exchange(port, client9, post('x'))).toContain(' 200 OK');
  });

  test('a truncated header is closed at its deadline, silence too', async () => {
    const { port, server } = await start('v2');
    for (const bytes of [Buffer.alloc(0), client9.subarray(0, 20)]) {
      const client = await RawClient.open(port);
      client.write(bytes.toString('latin1'));
      expect(await client.untilClosed()).toBe('');
    }
    expect(server.counts.refused.get('proxy_header')).toBe(2);
  });

  test('a peer that is no trusted proxy is closed, whatever it says', async () => {
    const { port, addresses } = await start('v2', ['10.0.0.0/8']);
    const client = await RawClient.open(port);
    client.write(client9.toString('latin1') + post('x'));
    expect(await client.untilClosed()).toBe('');
    expect(addresses).toEqual([]);
  });

  test('a WebSocket opens through it, with the reported address', async () => {
    const { port, server } = await start('v2');
    const client = new WebSocket(`ws://127.0.0.1:${port}/stream`, {
      createConnection: () => {
        const socket = connectRaw(port);
        socket.write(client9);
        return socket;
      },
    });
    const first = await new Promise<string>((resolve) => {
      client.once('message', (data: Buffer) => resolve(data.toString('utf8')));
    });
    expect(first).toBe('203.0.113.9');
    expect(server.counts.connections).toBe(0);
    client.terminate();
  });

  test('a port that is taken is said in words, and stopping lets open connections finish', async () => {
    const { port, server } = await start('v2');
    const options = { trustedProxies: ['127.0.0.1'], proxyProtocol: 'v2' } as const;
    const second = await createHttpServer(options);
    await expect(second.listen('127.0.0.1', port)).rejects.toMatchObject({ code: 'port_in_use' });
    second.close();
    const client = await RawClient.open(port);
    client.write(client9.toString('latin1') + post('x'));
    await client.until(/;/);
    server.stopAccepting();
    await expect(RawClient.open(port)).rejects.toThrow(/ECONNREFUSED/);
    client.write(post('x'));
    expect((await client.untilClosed()).match(/ 200 OK/g)).toHaveLength(2);
  });
});

describe('without it', () => {
  test('a PROXY header is never believed: the connection is closed', async () => {
    const { port, addresses, server } = await start('off');
    for (const header of [client9, Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n')]) {
      const client = await RawClient.open(port);
      client.write(header.toString('latin1') + post('x'));
      expect(await client.untilClosed()).not.toContain(' 200 ');
    }
    const later = await RawClient.open(port);
    later.write(post('x'));
    await later.until(/;/);
    later.write(client9.toString('latin1') + post('x'));
    await later.untilClosed();
    expect(addresses).toEqual(['127.0.0.1']);
    expect(server.counts.refused.get('proxy_header')).toBe(2);
  });
});
