// What is sealed in a record of `deliveries` comes back as it went in, and damage is seen.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeContent, encodeContent } from '../../schemas/delivery-content.js';
import {
  actNames,
  callStatuses,
  failureCauses,
  messageStatuses,
  recordAreas,
  type DeliveryContent,
  type SourceFact,
} from '../../schemas/facts.js';
import { eventId, factId } from '../../schemas/ids.js';

const text = fc.string({ unit: 'binary' });
const maybe = fc.option(text);
const named = <T>(value: fc.Arbitrary<T>) =>
  fc.dictionary(
    text.filter((name) => name !== '__proto__'),
    value,
    { maxKeys: 3, noNullPrototype: true },
  );
const base = {
  factId: text.map(factId),
  eventType: text,
  occurredAt: fc.option(fc.maxSafeNat()),
  order: fc.record({
    phase: fc.constantFrom(0, 1, 2),
    atUs: fc.maxSafeInteger(),
    seq: fc.maxSafeNat(),
  }),
};
const parties = {
  direction: fc.constantFrom('inbound' as const, 'outbound' as const, null),
  providerCode: maybe,
  details: named(fc.oneof(text, fc.integer(), fc.boolean())),
  from: maybe,
  to: maybe,
  personal: named(text),
};
const cause = fc.constantFrom(...failureCauses);
const signal = fc.oneof(
  fc.record({
    type: fc.constant('status' as const),
    status: fc.constantFrom(...callStatuses),
    cause: fc.option(cause),
    reason: maybe,
  }),
  fc.record({ type: fc.constant('hangup' as const), cause }),
  fc.record({ type: fc.constant('note' as const), name: text }),
);
const fact: fc.Arbitrary<SourceFact> = fc.oneof(
  fc.record({
    kind: fc.constant('call' as const),
    ...base,
    ...parties,
    legRef: text,
    parentRef: maybe,
    sessionRef: maybe,
    signal,
    durationSec: fc.option(fc.nat()),
  }),
  fc.record({
    kind: fc.constant('message' as const),
    ...base,
    ...parties,
    messageRef: text,
    status: fc.constantFrom(...messageStatuses),
    providerStatus: text,
    optOut: fc.constantFrom('stop' as const, 'start' as const, 'help' as const, null),
    body: maybe,
  }),
  fc.record({
    kind: fc.constant('record' as const),
    ...base,
    area: fc.constantFrom(...recordAreas),
    ...{ event: text, objectType: text, objectRef: text, parentRef: maybe, status: maybe },
    ...{ deleted: fc.boolean(), details: parties.details, personal: named(text) },
    about: fc.option(fc.record({ objectType: text, objectRef: text })),
  }),
  fc.record({ kind: fc.constant('not_understood' as const), ...base, legRef: maybe, reason: text }),
  fc.record({
    kind: fc.constant('act' as const),
    ...base,
    act: fc.constantFrom(...actNames),
    about: text.map(eventId),
    ...{ actor: text, reason: text },
  }),
);
const content: fc.Arbitrary<DeliveryContent> = fc.record({
  facts: fc.array(fact, { minLength: 1, maxLength: 3 }),
  raw: fc.record({
    method: fc.constantFrom('GET', 'POST'),
    url: text,
    headers: named(text),
    body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
});

describe('the content of a delivery', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(content, (one) => {
        expect(decodeContent(encodeContent(one))).toEqual(one);
      }),
    );
  });

  test('keeps a body that is no text byte by byte, and takes no more than the bytes it has', () => {
    const body = Buffer.from([0, 0xff, 0xfe, 0x0a, 0xc3]);
    const raw = { method: 'POST', url: '', headers: {}, body };
    const bytes = encodeContent({ facts: [], raw });
    expect(decodeContent(bytes)?.raw.body).toEqual(body);
    expect(bytes).toHaveLength(5 + '[[],"POST","",{}]'.length + body.length);
  });

  test('is refused when it is of another version, cut short or no content', () => {
    const raw = { method: 'POST', url: '', headers: {}, body: Buffer.alloc(0) };
    const bytes = encodeContent({ facts: [], raw });
    for (let end = 0; end < bytes.length; end += 1) {
      expect(decodeContent(bytes.subarray(0, end))).toBeNull();
    }
    expect(decodeContent(Buffer.concat([Buffer.from([2]), bytes.subarray(1)]))).toBeNull();
    expect(decodeContent(Buffer.from([1, 0, 0, 0, 2, 0x7b, 0x7d]))).toBeNull();
  });

  test('holds null for a fact of a kind this version does not know', () => {
    const json = Buffer.from('[[["z",1],7],"POST","",{}]');
    const bytes = Buffer.concat([Buffer.from([1, 0, 0, 0, json.length]), json]);
    expect(decodeContent(bytes)?.facts).toEqual([null, null]);
  });
});
