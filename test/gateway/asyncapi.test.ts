// /asyncapi.json describes every frame, with payloads that are valid JSON Schema.

import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect, test } from 'vitest';
import { z } from 'zod';

import { asyncApi } from '../../gateway/asyncapi.js';

const shape = z.object({
  asyncapi: z.literal('3.0.0'),
  channels: z.object({
    stream: z.object({
      address: z.literal('/v1/stream'),
      messages: z.record(
        z.string(),
        z.object({ summary: z.string().min(10), payload: z.record(z.string(), z.unknown()) }),
      ),
    }),
  }),
  operations: z.object({
    send: z.object({ messages: z.array(z.object({ $ref: z.string() })) }),
    receive: z.object({ messages: z.array(z.object({ $ref: z.string() })) }),
  }),
});
const document = shape.parse(asyncApi('0.0.0'));

test('every frame is described once, and every reference leads to one', () => {
  const names = Object.keys(document.channels.stream.messages);
  const { send, receive } = document.operations;
  const referred = [...send.messages, ...receive.messages].map(({ $ref }) =>
    $ref.split('/').at(-1),
  );
  expect([...referred].sort()).toEqual([...names].sort());
  expect(send.messages).toHaveLength(9);
  expect(receive.messages).toHaveLength(5);
});

test('every payload is a JSON Schema that compiles and takes only its own frame', () => {
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  for (const [name, { payload }] of Object.entries(document.channels.stream.messages)) {
    const validate = ajv.compile(payload);
    expect(validate({ type: 'something else' }), name).toBe(false);
  }
  const ping = document.channels.stream.messages['ping']?.payload ?? {};
  expect(ajv.compile(ping)({ type: 'ping' })).toBe(true);
});
