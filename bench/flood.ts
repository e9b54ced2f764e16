// Bench, a process of its own: a tenant that floods. Comes in: lines on standard input, one to begin and one to
// end. Goes out: how many of its deliveries were taken and how many refused.

import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

import { partOptions, say } from './measure.js';
import { twilioTraffic, type Target } from './traffic.js';

interface Options {
  readonly port: number;
  readonly target: Target;
  readonly connections: number;
}

const { port, target, connections } = partOptions<Options>();
/** Signed once and sent over and over: a flood needs no news. */
const requests = twilioTraffic(target, 4_000).map(({ bytes }) => bytes);
/** Far sooner than Retry-After says. */
const againMs = 50;

let isFlooding = false;
let accepted = 0;
let refused = 0;
let next = 0;

function send(): void {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  const more = (): void => {
    const bytes = requests[next++ % requests.length];
    if (isFlooding && bytes !== undefined) socket.write(bytes);
    else socket.end();
  };
  socket.on('connect', more);
  // An answer of ingest comes in one piece.
  socket.on('data', (chunk: Buffer) => {
    if (chunk.toString('latin1', 9, 10) === '2') {
      accepted += 1;
      more();
      return;
    }
    refused += 1;
    void pause(againMs).then(more);
  });
}

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === '') continue;
  isFlooding = !isFlooding;
  if (isFlooding) {
    accepted = 0;
    refused = 0;
    for (let n = 0; n < connections; n += 1) send();
  } else {
    say({ accepted, refused });
  }
}
