// The codec on a real schema registry (test/services/): its ids, its refusals, and schemas learnt late.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { createLocalCodec, createRegistryCodec, type Codec } from '../../log/event-codec.js';
import { currentSchemas, typeOf } from '../../log/schema-history.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { anyEvent } from './arbitraries.js';
import { registryUrl } from '../services/services.js';

let url: string;
let codec: Codec;
const [event] = fc.sample(anyEvent, { numRuns: 1, seed: 11 }) as [EventEnvelope];

beforeAll(async () => {
  url = await registryUrl();
  codec = await createRegistryCodec(url);
});

test('values carry the registry’s id, and every process gets the same one', async () => {
  const bytes = codec.encodeEvent(event);
  const again = (await createRegistryCodec(url)).encodeEvent(event);
  expect(again.equals(bytes)).toBe(true);
  expect(bytes.readUInt32BE(1)).toBeLessThan(0x544c0000);
  expect(codec.decodeEvent(bytes)).toEqual(event);
});

test('any Confluent client reads a value by its id', async () => {
  const registry = new SchemaRegistry({ host: url });
  const value = (await registry.decode(codec.encodeEvent(event))) as EventEnvelope;
  expect(value.eventId).toBe(event.eventId);
});

test('a log written before there was a registry stays readable', () => {
  expect(codec.decodeEvent(createLocalCodec().encodeEvent(event))).toEqual(event);
});

test('the subject is FULL_TRANSITIVE: an incompatible version is refused by the registry itself', async () => {
  const config = await fetch(`${url}/config/trunkline.recorded-fact`);
  expect(await config.json()).toMatchObject({ compatibilityLevel: 'FULL_TRANSITIVE' });
  const registry = new SchemaRegistry({ host: url });
  const changed = structuredClone(currentSchemas['recorded-fact']) as { fields: object[] };
  changed.fields.push({ name: 'required', type: 'string' });
  const schema = { type: SchemaType.AVRO as const, schema: JSON.stringify(changed) };
  await expect(
    registry.register(schema, {
      subject: 'trunkline.recorded-fact',
      compatibility: COMPATIBILITY.FULL_TRANSITIVE,
    }),
  ).rejects.toThrow();
});

test('a value of a newer process is learnt once and then read with the schema of this one', async () => {
  const newer = structuredClone(currentSchemas['event-envelope']) as { fields: object[] };
  newer.fields.push({ name: 'addedLater', type: ['null', 'string'], default: null });
  const registry = new SchemaRegistry({ host: url });
  const subject = `trunkline.test.${Math.random().toString(36).slice(2)}`;
  const schema = { type: SchemaType.AVRO as const, schema: JSON.stringify(newer) };
  const { id } = await registry.register(schema, {
    subject,
    compatibility: COMPATIBILITY.FULL_TRANSITIVE,
  });
  const known = codec.encodeEvent(event);
  const body = typeOf(newer).toBuffer({
    ...(typeOf(currentSchemas['event-envelope']).fromBuffer(known.subarray(5)) as object),
    addedLater: 'x',
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  const bytes = Buffer.concat([head, body]);
  expect(() => codec.decodeEvent(bytes)).toThrow(
    expect.objectContaining({ code: 'schema_unknown' }) as Error,
  );
  await codec.learn([bytes, null, bytes]);
  expect(codec.learn([bytes])).toBeNull();
  expect(codec.decodeEvent(bytes)).toEqual(event);
});

test('an id that the registry does not know is said; one that it cannot be asked for is tried again', async () => {
  const unknown = Buffer.from([0, 0, 0x0f, 0x42, 0x3f, 0]);
  await expect(codec.learn([unknown])).rejects.toMatchObject({ code: 'schema_unknown' });
  let nextId = 0;
  const registry = createServer((request, response) => {
    const answer = request.method === 'POST' ? { id: (nextId += 1) } : {};
    request.resume();
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ compatibilityLevel: 'FULL_TRANSITIVE', ...answer }));
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  const { port } = registry.address() as AddressInfo;
  const left = await createRegistryCodec(`http://127.0.0.1:${port}`);
  registry.close();
  registry.closeAllConnections();
  await expect(left.learn([unknown])).rejects.toMatchObject({
    code: 'service_unreachable',
    retryable: true,
  });
}, 30_000);

test('a registry that is not there is said as such', async () => {
  await expect(createRegistryCodec('http://127.0.0.1:1')).rejects.toMatchObject({
    code: 'service_unreachable',
  });
}, 30_000);
