// The bytes of our Produce requests are those of kafkajs, and of its checksum.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { crc32c, encodeProduce, type ProduceBody } from '../../log/kafka-encode.js';
import '../../log/kafka-wire.js';

const load = createRequire(import.meta.url);
const crcOfKafkajs = load('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
type Make = (args: object) => {
  request: { apiVersion: number; encode(): Promise<{ readonly buffer: Buffer }> };
};
const requestOfKafkajs = load('kafkajs/src/protocol/requests/produce/v7/request') as (
  args: object,
) => ReturnType<Make>['request'];
const produce = load('kafkajs/src/protocol/requests/produce') as {
  protocol(options: { version: number }): Make;
};

const bytes = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const record = fc.record({
  key: fc.string({ unit: 'binary', maxLength: 80 }),
  value: fc.option(fc.oneof(bytes(70), bytes(9_000)), { freq: 5 }),
  headers: fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ unit: 'binary' }), {
    maxKeys: 3,
  }),
});
const batch = fc.record({
  partition: fc.nat(),
  firstSequence: fc.nat(),
  messages: fc.array(record, { minLength: 1, maxLength: 100 }),
});
const body: fc.Arbitrary<ProduceBody> = fc.record({
  acks: fc.constantFrom(-1, 1),
  timeout: fc.nat(),
  producerId: fc.bigInt({ min: -1n, max: 2n ** 62n }).map(String),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  topicData: fc.array(
    fc.record({
      topic: fc.string({ unit: 'binary' }),
      partitions: fc.array(batch, { minLength: 1, maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
});

describe('a Produce request', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_790_000_000_123 }));
  afterEach(() => void vi.useRealTimers());

  test('has the bytes that kafkajs writes', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (args) => {
        const { buffer } = await requestOfKafkajs(args).encode();
        expect(encodeProduce(args, Date.now()).equals(buffer)).toBe(true);
      }),
    );
  });

  test('goes through kafkajs in the same bytes, whether or not it is one of ours', async () => {
    const header = { t: '1 f' };
    const ours = { key: 'acme', value: Buffer.from('v'), partition: 0, headers: header };
    const others = [
      { ...ours, timestamp: '1790000000000' },
      { ...ours, headers: { t: ['1', '2'] } },
      { ...ours, headers: { t: Buffer.from('1') } },
      { ...ours, headers: undefined },
      { ...ours, key: null },
      { ...ours, value: 'text' },
    ];
    for (const message of [ours, ...others]) {
      const args = {
        ...{ acks: -1, timeout: 1000, compression: 0, producerId: '7', producerEpoch: 1 },
        topicData: [
          { topic: 'x', partitions: [{ partition: 0, firstSequence: 3, messages: [message] }] },
        ],
      };
      const { request } = produce.protocol({ version: 7 })(args);
      const { buffer } = await requestOfKafkajs(args).encode();
      expect((await request.encode()).buffer.equals(buffer)).toBe(true);
      expect(request.apiVersion).toBe(7);
    }
  });
});

test('the checksum is CRC-32C, as kafkajs computes it', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  fc.assert(fc.property(bytes(3_000), (some) => crc32c(some) === crcOfKafkajs(some)));
});
