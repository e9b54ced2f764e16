// Bench baseline: the least that takes a signed webhook into Kafka. uWebSockets.js, one HMAC, a
// batched kafkajs producer with acks=all; no limits, no sealing, no spool, no schema.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';

import { loadUws } from '../../runtime/uws.js';
import { partOptions, say } from '../measure.js';

interface Options {
  readonly brokers: string[];
  readonly topic: string;
  readonly authToken: string;
  readonly publicUrl: string;
}

const options = partOptions<Options>();
const { uws } = await loadUws();
const producer = new Kafka({ brokers: options.brokers, logLevel: logLevel.NOTHING }).producer({
  idempotent: true,
  maxInFlightRequests: 1,
});
await producer.connect();

interface Waiting {
  readonly body: Buffer;
  readonly done: () => void;
}
let queue: Waiting[] = [];
let sending = false;

async function flush(): Promise<void> {
  if (sending) return;
  sending = true;
  while (queue.length > 0) {
    const batch = queue.slice(0, 500);
    queue = queue.slice(500);
    const messages = batch.map(({ body }) => ({ key: 'bare', value: body, partition: 0 }));
    await producer.send({ topic: options.topic, acks: -1, messages });
    for (const { done } of batch) done();
  }
  sending = false;
}

function isSigned(body: string, signature: string): boolean {
  const fields = [...new URLSearchParams(body)].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = options.publicUrl + fields.map(([name, value]) => name + value).join('');
  const own = createHmac('sha1', options.authToken).update(text).digest();
  const theirs = Buffer.from(signature, 'base64');
  return own.length === theirs.length && timingSafeEqual(own, theirs);
}

const app = uws.App();
app.post('/v1/webhooks/:id', (res, req) => {
  let signature = '';
  req.forEach((name, value) => {
    if (name === 'x-twilio-signature') signature = value;
  });
  const chunks: Buffer[] = [];
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  res.onData((chunk, last) => {
    chunks.push(Buffer.from(Buffer.from(chunk)));
    if (!last) return;
    const body = Buffer.concat(chunks);
    const answer = (status: string) => {
      if (!aborted) res.cork(() => res.writeStatus(status).end());
    };
    if (!isSigned(body.toString(), signature)) {
      answer('403 Forbidden');
      return;
    }
    queue.push({ body, done: () => answer('204 No Content') });
    setImmediate(() => void flush());
  });
});
app.listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) =>
  say({ port: uws.us_socket_local_port(socket) }),
);
