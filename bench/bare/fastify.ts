// Bench baseline: what one builds in an afternoon. Fastify, the official validator of the `twilio` package,
// and one kafkajs send for each request with acks=all; no limits, no sealing, no spool, no schema.

import { parse } from 'node:querystring';
import Fastify from 'fastify';
import { Kafka, logLevel } from 'kafkajs';
import twilio from 'twilio';

import { partOptions, say } from '../measure.js';

interface Options {
  readonly brokers: string[];
  readonly topic: string;
  readonly authToken: string;
  readonly publicUrl: string;
}

const { brokers, topic, authToken, publicUrl } = partOptions<Options>();
const producer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).producer();
await producer.connect();

const app = Fastify();
app.addContentTypeParser(
  'application/x-www-form-urlencoded',
  { parseAs: 'string' },
  (_request, body, done) => {
    done(null, body);
  },
);
app.post('/v1/webhooks/:id', async (request, reply) => {
  const body = String(request.body);
  const signature = String(request.headers['x-twilio-signature'] ?? '');
  if (!twilio.validateRequest(authToken, signature, publicUrl, { ...parse(body) })) {
    return reply.code(403).send();
  }
  await producer.send({ topic, acks: -1, messages: [{ key: 'bare', value: body, partition: 0 }] });
  return reply.code(204).send();
});
const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
say({ port: Number(url.port) });
