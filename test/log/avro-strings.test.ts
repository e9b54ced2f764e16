// Strings as Avro writes them, whatever is in them and however much room there is.

import utils from 'avsc/lib/utils.js';
import avsc from 'avsc';
import fc from 'fast-check';
import { expect, test } from 'vitest';

// Importing the codec is what makes the strings fast.
import '../../log/event-codec.js';

const type = avsc.Type.forSchema('string');
const text = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.stringMatching(/^[\x20-\x7e]{55,70}$/),
);

test('the bytes are a zigzag length and UTF-8, and they are read back', () => {
  fc.assert(
    fc.property(text, (one) => {
      const utf8 = Buffer.from(one);
      const length: number[] = [];
      let rest = utf8.length * 2;
      for (; rest > 0x7f; rest >>= 7) length.push((rest & 0x7f) | 0x80);
      expect(type.toBuffer(one)).toEqual(Buffer.concat([Buffer.from([...length, rest]), utf8]));
      expect(type.fromBuffer(type.toBuffer(one))).toBe(one);
    }),
    { numRuns: 2_000 },
  );
});

test('without room the tap says how much is missing, as ever', () => {
  fc.assert(
    fc.property(text, fc.nat(100), (one, room) => {
      const tap = new utils.Tap(Buffer.alloc(room), 0);
      tap.writeString(one);
      expect(tap.pos).toBe(type.toBuffer(one).length);
    }),
  );
});
