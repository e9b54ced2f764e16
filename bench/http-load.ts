// Bench: sends prepared requests over keep-alive connections. Closed loop for throughput (one request
// in flight a connection), open loop for latency (every request at its intended time).

import { connect, type Socket } from 'node:net';

export interface LoadResult {
  readonly sent: number;
  readonly notAccepted: number;
  readonly seconds: number;
}

interface Connection {
  readonly socket: Socket;
  /** Called with each status in the order of the requests. */
  readonly waiting: ((status: number) => void)[];
}

function open(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const connection: Connection = { socket, waiting: [] };
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
      rest = answers(rest, connection.waiting);
    });
    socket.once('connect', () => resolve(connection));
    socket.on('error', reject);
    socket.on('close', () => {
      for (const done of connection.waiting.splice(0)) done(lost);
    });
  });
}

/** Stands for the status of a request whose connection ended before its answer. */
const lost = 0;

/** Sends one request; its status. */
function ask({ socket, waiting }: Connection, bytes: Buffer): Promise<number> {
  return new Promise((done) => {
    if (socket.destroyed) {
      done(lost);
      return;
    }
    waiting.push(done);
    socket.write(bytes);
  });
}

/** Takes whole responses off the front; returns what is left. */
function answers(text: string, waiting: ((status: number) => void)[]): string {
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return rest;
    const head = rest.slice(0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (rest.length < end + 4 + length) return rest;
    waiting.shift()?.(Number(head.slice(9, 12)));
    rest = rest.slice(end + 4 + length);
  }
}

/** Sends all requests as fast as `connections` connections take them. */
export async function closedLoop(
  port: number,
  requests: readonly Buffer[],
  connections: number,
): Promise<LoadResult> {
  const open_ = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let next = 0;
  let notAccepted = 0;
  const begin = performance.now();
  await Promise.all(
    open_.map(async (connection) => {
      for (let bytes = requests[next++]; bytes !== undefined; bytes = requests[next++]) {
        const status = await ask(connection, bytes);
        if (status < 200 || status > 299) notAccepted += 1;
      }
      connection.socket.destroy();
    }),
  );
  return { sent: requests.length, notAccepted, seconds: (performance.now() - begin) / 1000 };
}

/** `intendedMs` is on the clock of `performance.now()`. */
export interface Pace {
  readonly rate: number;
  readonly onSend: (index: number, intendedMs: number) => void;
  readonly onAnswer?: (index: number) => void;
}

/** Sends request i at `begin + i / rate`, whatever the answers do; resolves when all are answered. */
export async function openLoop(
  port: number,
  requests: readonly Buffer[],
  options: Pace,
): Promise<LoadResult> {
  // A connection carries one request at a time, as a provider's does; more are opened when all wait.
  const idle = await Promise.all(Array.from({ length: 64 }, () => open(port)));
  const all = [...idle];
  const begin = performance.now() + 20;
  const statuses: Promise<number>[] = [];
  const send = async (bytes: Buffer, index: number): Promise<number> => {
    const connection = idle.pop() ?? (await open(port));
    const status = await ask(connection, bytes);
    options.onAnswer?.(index);
    idle.push(connection);
    return status;
  };
  let next = 0;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const now = performance.now();
      for (let bytes = requests[next]; bytes !== undefined; bytes = requests[next]) {
        const intended = begin + (next * 1000) / options.rate;
        if (intended > now) break;
        options.onSend(next, intended);
        statuses.push(send(bytes, next));
        next += 1;
      }
      if (next < requests.length) setTimeout(turn, 1);
      else resolve();
    };
    turn();
  });
  const answered = await Promise.all(statuses);
  for (const { socket } of new Set([...all, ...idle])) socket.destroy();
  return {
    sent: requests.length,
    notAccepted: answered.filter((status) => status < 200 || status > 299).length,
    seconds: (performance.now() - begin) / 1000,
  };
}
