// The codec of the log: what goes in comes out, for every union and null; released schemas bind.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLocalCodec } from '../../log/event-codec.js';
import {
  currentSchemas,
  historyFaults,
  localId,
  readHistory,
  typeOf,
} from '../../log/schema-history.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { anyEvent, anyFact } from './arbitraries.js';

const codec = createLocalCodec();
const [sample] = fc.sample(anyEvent, { numRuns: 1, seed: 7 });

/** As it was written before calls had timers. */
function beforeTimers(value: EventEnvelope): EventEnvelope {
  const { body } = value;
  if (body.kind !== 'call') return value;
  const after = { ...body.after, settledAt: null };
  return { ...value, body: { ...body, after, timer: null } };
}

function event(): EventEnvelope {
  if (sample === undefined) throw new Error('no sample');
  return sample;
}

/** A fact that was parked before there were queues. */
const beforeQueues = (value: EventEnvelope): EventEnvelope =>
  value.body.kind === 'parked' ? { ...value, body: { ...value.body, parking: null } } : value;

describe('values', () => {
  test('every event comes out as it went in', () => {
    fc.assert(
      fc.property(anyEvent, (value) => {
        expect(codec.decodeEvent(codec.encodeEvent(value))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test('every fact comes out as it went in', () => {
    fc.assert(
      fc.property(anyFact, (value) => {
        const back = codec.decodeFact(codec.encodeFact(value));
        expect({ ...back, sealed: [...back.sealed] }).toEqual({
          ...value,
          sealed: [...value.sealed],
        });
      }),
      { numRuns: 200 },
    );
  });

  test('a fact with room for its box has the same bytes once the box is in', () => {
    fc.assert(
      fc.property(anyFact, fc.constantFrom(0, 1, 63, 64, 8191, 8192, 70_000), (fact, length) => {
        const sealed = Buffer.alloc(length, 0xb0);
        const { value, box } = codec.encodeFactAround(fact, length);
        box.set(sealed);
        expect(value.equals(codec.encodeFact({ ...fact, sealed }))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('a value is in the Confluent wire format with the id of the local table', () => {
    const bytes = codec.encodeEvent(event());
    expect(bytes[0]).toBe(0);
    const last = readHistory().findLast(({ name }) => name === 'event-envelope');
    expect(bytes.readUInt32BE(1)).toBe(localId(last?.number ?? 0));
  });

  test('a value larger than the scratch buffer is written whole', () => {
    const big = { ...event(), correlationId: 'x'.repeat(300_000) };
    expect(codec.decodeEvent(codec.encodeEvent(big))).toEqual(big);
    expect(codec.decodeEvent(codec.encodeEvent(event()))).toEqual(event());
  });

  test('a number that is no safe integer is refused, and the error does not quote the value', () => {
    const wrong = { ...event(), occurredAt: 2 ** 60 };
    expect(() => codec.encodeEvent(wrong)).toThrow(/not a value of/);
    const odd = { ...event(), occurredAt: -(2 ** 52) - 1 };
    expect(() => codec.encodeEvent(odd)).toThrow(/not a value of/);
    expect(() => codec.encodeEvent(wrong)).not.toThrow(/1152921504606846976/);
  });

  test('bytes that are cut off, too long or of no schema are refused with a code', () => {
    const bytes = codec.encodeEvent(event());
    const unreadable = expect.objectContaining({ code: 'value_unreadable' }) as unknown;
    expect(() => codec.decodeEvent(bytes.subarray(0, -1))).toThrow(unreadable as Error);
    expect(() => codec.decodeEvent(Buffer.concat([bytes, bytes]))).toThrow(unreadable as Error);
    expect(() => codec.decodeEvent(Buffer.from('{}'))).toThrow(unreadable as Error);
  });

  test('an unknown schema id is said, and the local table cannot learn it', async () => {
    const bytes = codec.encodeEvent(event());
    bytes.writeUInt32BE(99, 1);
    expect(() => codec.decodeEvent(bytes)).toThrow(
      expect.objectContaining({ code: 'schema_unknown' }) as Error,
    );
    await expect(codec.learn([bytes])).rejects.toMatchObject({ code: 'schema_unknown' });
    expect(codec.learn([codec.encodeEvent(event()), null])).toBeNull();
  });
});

describe('released schemas', () => {
  const history = readHistory();

  test('an event of each earlier version of the schema is read as it was written', () => {
    const versions = history.filter(({ name }) => name === 'event-envelope');
    expect(versions.length).toBeGreaterThan(1);
    const now = typeOf(currentSchemas['event-envelope']);
    const kindsOfThen = anyEvent
      .filter(({ body }) => body.kind !== 'record' && body.kind !== 'act')
      .map(beforeTimers)
      .map(beforeQueues);
    for (const { number, schema } of versions) {
      const then = typeOf(schema);
      fc.assert(
        fc.property(kindsOfThen, (value) => {
          const bytes = codec.encodeEvent(value);
          // As a process of that version wrote it: the same fields, without those that came later.
          const wire: unknown = now.fromBuffer(bytes.subarray(5));
          const head = Buffer.from(bytes.subarray(0, 5));
          head.writeUInt32BE(localId(number), 1);
          const old = Buffer.concat([head, then.toBuffer(wire)]);
          expect(codec.decodeEvent(old)).toEqual(value);
        }),
        { numRuns: 100 },
      );
    }
  });

  test.each(['event-envelope', 'recorded-fact', 'dead-letter'] as const)(
    '%s is released and compatible both ways with every version',
    (name) => {
      expect(historyFaults(name, currentSchemas[name], history)).toEqual([]);
    },
  );

  const withField = (field: object): object => {
    const schema = structuredClone(currentSchemas['recorded-fact']) as { fields: object[] };
    schema.fields.push(field);
    return schema;
  };

  test('a new field without a default is refused', () => {
    const changed = withField({ name: 'extra', type: 'string' });
    expect(historyFaults('recorded-fact', changed, history).join()).toMatch(/against version 2/);
  });

  test('a removed field without a default is refused', () => {
    const schema = structuredClone(currentSchemas['recorded-fact']) as { fields: object[] };
    schema.fields.pop();
    expect(historyFaults('recorded-fact', schema, history).join()).toMatch(/against version 2/);
  });

  test('a compatible change still needs its file in the history', () => {
    const changed = withField({ name: 'extra', type: ['null', 'string'], default: null });
    expect(historyFaults('recorded-fact', changed, history)).toEqual([
      'recorded-fact is not the last released version: add it to schemas/history',
    ]);
    const released = [...history, { number: 3, name: 'recorded-fact' as const, schema: changed }];
    expect(historyFaults('recorded-fact', changed, released)).toEqual([]);
  });
});
