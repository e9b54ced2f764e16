// The protocol header: what can be written can be read, and nothing else.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatHeader,
  parseHeader,
  parseOwnedHeader,
  type RecordHeader,
} from '../../log/record-header.js';
import { TrunklineError } from '../../runtime/errors.js';
import { epoch, eventId, offset, ownerId, seq } from '../../schemas/ids.js';

const name = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,40}$/);
const position = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }).map(offset);
const covered = fc.record({ realtime: position, bulk: position });
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const header: fc.Arbitrary<RecordHeader> = fc.oneof(
  fc.record({
    kind: fc.constant('marker' as const),
    owner: name.map(ownerId),
    term: number,
    epoch: name.map(epoch),
  }),
  fc.record({
    kind: fc.constant('event' as const),
    owner: name.map(ownerId),
    epoch: name.map(epoch),
    seq: number.map(seq),
    eventId: name.map(eventId),
    covered,
  }),
  fc.record({
    kind: fc.constant('checkpoint' as const),
    owner: name.map(ownerId),
    epoch: name.map(epoch),
    covered,
  }),
  fc.constant({ kind: 'fact' as const }),
  fc.record({
    kind: fc.constant('letter' as const),
    seq: number.map(seq),
    letterId: name.map(eventId),
  }),
);

function codeOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (thrown) {
    return thrown instanceof TrunklineError ? thrown.code : thrown;
  }
}

describe('record header', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(header, (value) => {
        expect(parseHeader(formatHeader(value))).toEqual(value);
      }),
    );
  });

  it('has one form only: whatever can be read is written the same way', () => {
    const noise = fc.oneof(
      fc.string(),
      fc
        .array(fc.oneof(fc.constantFrom('1', 'm', 'e', 'c', 'f', '-1', '07', '1e3', ''), name))
        .map((f) => f.join(' ')),
    );
    fc.assert(
      fc.property(noise, (text) => {
        try {
          expect(formatHeader(parseHeader(text))).toBe(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'record_invalid' });
        }
      }),
    );
  });

  it.each([
    '',
    '2 f',
    '1 f extra',
    '1 m owner 0 epoch',
    '1 m owner 1.5 epoch',
    '1 m owner 1 ',
    '1 c owner epoch -2 0',
    '1 e owner epoch 0 0 0 id',
    '1 e owner epoch 0 0 1',
    '1 x',
  ])('%j is refused loudly', (text) => {
    expect(codeOf(() => parseHeader(text))).toBe('record_invalid');
  });

  it('refuses names with spaces when writing', () => {
    const value = { kind: 'marker', owner: ownerId('a b'), term: 1, epoch: epoch('e') } as const;
    expect(codeOf(() => formatHeader(value))).toBe('record_invalid');
  });

  it('refuses a fact among the events', () => {
    expect(codeOf(() => parseOwnedHeader('1 f'))).toBe('record_invalid');
  });
});
