// Bench baseline: kafkajs → fold in a Map → kafkajs, no guarantees at all.

import { Kafka, logLevel } from 'kafkajs';

import { partOptions, say } from '../measure.js';

interface Options {
  readonly brokers: string[];
  readonly from: string;
  readonly to: string;
}

const options = partOptions<Options>();
const kafka = new Kafka({ brokers: options.brokers, logLevel: logLevel.NOTHING });
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
const consumer = kafka.consumer({
  groupId: `bare-${options.from}`,
  maxWaitTimeInMs: 50,
  minBytes: 1,
});
const calls = new Map<string, { status: string; facts: number }>();

await producer.connect();
await consumer.connect();
await consumer.subscribe({ topic: options.from, fromBeginning: true });
consumer.on(consumer.events.GROUP_JOIN, () => say({ joined: true }));
await consumer.run({
  // No guarantees: not even a committed offset.
  autoCommit: false,
  eachBatch: async ({ batch }) => {
    const messages = batch.messages.map(({ value }) => {
      const fields = new URLSearchParams(value?.toString());
      const callSid = fields.get('CallSid') ?? '';
      const facts = (calls.get(callSid)?.facts ?? 0) + 1;
      const state = { status: fields.get('CallStatus') ?? '', facts };
      calls.set(callSid, state);
      return { key: 'bare', value: JSON.stringify({ callSid, ...state }), partition: 0 };
    });
    await producer.send({ topic: options.to, acks: -1, messages });
  },
});
