// Bench baseline: kafkajs → uWebSockets.js publish to every socket. For the fan-out alone it publishes
// frames that it was given on standard input before, each at its time.

import { createInterface } from 'node:readline';
import { Kafka, logLevel } from 'kafkajs';

import { loadUws } from '../../runtime/uws.js';
import { partOptions, say } from '../measure.js';

interface Options {
  readonly brokers?: string[];
  readonly from?: string;
}

const options = partOptions<Options>();
const { uws } = await loadUws();
const app = uws.App();
app.ws<object>('/v1/stream', {
  compression: uws.DISABLED,
  maxPayloadLength: 16_384,
  maxBackpressure: 16 * 1024 * 1024,
  closeOnBackpressureLimit: false,
  idleTimeout: 120,
  sendPingsAutomatically: true,
  upgrade: (res, req, context) => {
    const heads = new Map<string, string>();
    req.forEach((name, value) => heads.set(name, value));
    const head = (name: string) => heads.get(`sec-websocket-${name}`) ?? '';
    res.upgrade({}, head('key'), head('protocol'), head('extensions'), context);
  },
  open: (socket) => {
    socket.subscribe('calls');
  },
  message: () => undefined,
  drain: () => undefined,
  dropped: () => undefined,
  close: () => undefined,
});
app.listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) =>
  say({ port: uws.us_socket_local_port(socket) }),
);

if (options.brokers !== undefined && options.from !== undefined) {
  const kafka = new Kafka({ brokers: options.brokers, logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({
    groupId: `bare-${options.from}`,
    maxWaitTimeInMs: 50,
    minBytes: 1,
  });
  await consumer.connect();
  await consumer.subscribe({ topic: options.from, fromBeginning: true });
  consumer.on(consumer.events.GROUP_JOIN, () => say({ joined: true }));
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) {
        app.publish('calls', value?.toString() ?? '', false);
      }
    },
  });
}

/** Publishes each frame at its time after the start, as it came from the product. */
async function play(frames: readonly (readonly [afterMs: number, text: string])[]): Promise<void> {
  const begin = performance.now();
  let next = 0;
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      const now = performance.now() - begin;
      for (let frame = frames[next]; frame !== undefined && frame[0] <= now; frame = frames[next]) {
        app.publish('calls', frame[1], false);
        next += 1;
      }
      if (next < frames.length) setTimeout(turn, 1);
      else resolve();
    };
    turn();
  });
}

let loaded: (readonly [number, string])[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { load } = JSON.parse(line) as { load?: [number, string][] };
  if (load === undefined) {
    await play(loaded);
    say({ played: loaded.length });
  } else {
    loaded = load;
    say({ loaded: loaded.length });
  }
}
