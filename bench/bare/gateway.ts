// Bench baseline: kafkajs → uWebSockets.js publish to every socket. With `publish` it also publishes
// frames it is sent on standard input, for the fan-out alone.

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
    eachBatch: async ({ batch, resolveOffset }) => {
      for (const { value, offset } of batch.messages) {
        app.publish('calls', value?.toString() ?? '', false);
        resolveOffset(offset);
      }
    },
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { frames } = JSON.parse(line) as { frames: string[] };
  for (const frame of frames) app.publish('calls', frame, false);
}
