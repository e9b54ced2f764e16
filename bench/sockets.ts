// Bench: many sockets that watch the topic `calls` and count. A process of its own that looks at lengths
// only, so that the receiving side does not measure itself. Comes in: port, key, number of sockets.

import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

import { partOptions, say } from './measure.js';

interface Options {
  readonly port: number;
  readonly apiKey: string | null;
  readonly sockets: number;
}

const options = partOptions<Options>();
/** Frames of 126 bytes or more: events, unlike heartbeats and answers. */
let events = 0;

function upgrade(): string {
  const key = options.apiKey === null ? [] : [`Authorization: Bearer ${options.apiKey}`];
  const head = [
    'GET /v1/stream HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    ...key,
  ];
  return `${head.join('\r\n')}\r\n\r\n`;
}

/** A text frame of a client, masked with zeros. */
function frame(text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body]);
}

/** Counts frames from their headers; a header may be cut anywhere. */
function counter(): (chunk: Buffer) => void {
  let skip = 0;
  let rest = Buffer.alloc(0);
  return (chunk) => {
    let at = Math.min(skip, chunk.length);
    skip -= at;
    if (at === chunk.length) return;
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk.subarray(at)]);
    if (rest.length > 0) at = 0;
    rest = Buffer.alloc(0);
    while (at < bytes.length) {
      const code = bytes[at + 1] ?? 0;
      const header = code === 127 ? 10 : code === 126 ? 4 : 2;
      if (at + header > bytes.length) {
        rest = Buffer.from(bytes.subarray(at));
        return;
      }
      const length =
        code === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : code === 126
            ? bytes.readUInt16BE(at + 2)
            : code;
      if (code >= 126) events += 1;
      at += header + length;
    }
    skip = at - bytes.length;
  };
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true });
    const count = counter();
    let head = '';
    socket.once('error', reject);
    socket.once('connect', () => socket.write(upgrade()));
    const onHead = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onHead);
      socket.on('data', count);
      count(Buffer.from(head.slice(end + 4), 'latin1'));
      if (options.apiKey !== null)
        socket.write(frame('{"type":"subscribe","id":"calls","topic":"calls"}'));
      resolve(socket);
    };
    socket.on('data', onHead);
  });
}

const sockets: Socket[] = [];
for (let i = 0; i < options.sockets; i += 1) sockets.push(await open());
say({ open: sockets.length });
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== '') say({ events });
}
