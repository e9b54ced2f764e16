import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  proxySignature,
  readProxyHeader,
  SignatureSearch,
  writeProxyHeader,
} from '../../runtime/proxy-protocol.js';
import { proxyHeader, v4Addresses, v6Addresses } from './proxy-header.js';

const request = Buffer.from('GET / HTTP/1.1\r\n\r\n');

test('IPv4 and IPv6 sources are read, with TLVs behind them and the request left alone', () => {
  const tlv = Buffer.from('0400050102030405', 'hex');
  const v4 = proxyHeader({ payload: Buffer.concat([v4Addresses('203.0.113.9'), tlv]) });
  expect(readProxyHeader(Buffer.concat([v4, request]))).toEqual({
    state: 'complete',
    length: v4.length,
    source: '203.0.113.9',
  });
  const v6 = proxyHeader({ family: 0x21, payload: v6Addresses('2001:db8::9') });
  expect(readProxyHeader(v6)).toMatchObject({ state: 'complete', source: '2001:db8::9' });
  const mapped = proxyHeader({ family: 0x21, payload: v6Addresses('::ffff:203.0.113.9') });
  expect(readProxyHeader(mapped)).toMatchObject({ state: 'complete', source: '203.0.113.9' });
});

test('LOCAL, UNSPEC and AF_UNIX are taken and name nobody, whatever addresses they carry', () => {
  const payload = v4Addresses('203.0.113.9');
  for (const header of [
    proxyHeader({ command: 0x20, family: 0x00, payload: Buffer.alloc(0) }),
    proxyHeader({ command: 0x20, payload }),
    proxyHeader({ family: 0x00, payload }),
    proxyHeader({ family: 0x31, payload: Buffer.alloc(216, 0x2f) }),
  ]) {
    const read = readProxyHeader(header);
    expect(read).toEqual({ state: 'complete', length: header.length, source: null });
  }
});

test('every shorter part of a header is incomplete', () => {
  const header = proxyHeader({ payload: v4Addresses('203.0.113.9') });
  for (let length = 0; length < header.length; length += 1) {
    expect(readProxyHeader(header.subarray(0, length))).toEqual({ state: 'incomplete' });
  }
});

test('what is no header of version 2 over TCP is refused with the reason', () => {
  const payload = v4Addresses('203.0.113.9');
  const wrong = Buffer.from(proxySignature);
  wrong[11] = 0x0b;
  const cases: [string, Buffer][] = [
    ['signature', request],
    ['signature', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n')],
    ['signature', Buffer.concat([wrong, Buffer.from('21110000', 'hex')])],
    ['version', proxyHeader({ command: 0x11, payload })],
    ['version', proxyHeader({ command: 0x22, payload })],
    ['family', proxyHeader({ family: 0x12, payload })],
    ['family', proxyHeader({ family: 0xf1, payload })],
    ['length', proxyHeader({ payload: payload.subarray(0, 11) })],
    ['length', proxyHeader({ family: 0x21, payload })],
    ['length', proxyHeader({ payload: Buffer.alloc(4097) }).subarray(0, 16)],
    ['tlv', proxyHeader({ payload: Buffer.concat([payload, Buffer.from('0400ff00', 'hex')]) })],
    ['tlv', proxyHeader({ payload: Buffer.concat([payload, Buffer.from('04', 'hex')]) })],
  ];
  for (const [fault, bytes] of cases) {
    expect(readProxyHeader(bytes)).toEqual({ state: 'invalid', fault });
  }
});

test('what is written is read as the same address, for any address', () => {
  const addresses = fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', '::1', 'fe80::7'));
  fc.assert(
    fc.property(addresses, (source) => {
      const bytes = writeProxyHeader(source);
      expect(readProxyHeader(bytes)).toEqual({ state: 'complete', length: bytes.length, source });
    }),
  );
});

test('any bytes are read without a fault of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (random, isSigned) => {
      const bytes = Buffer.concat([isSigned ? proxySignature : Buffer.alloc(0), random]);
      const read = readProxyHeader(bytes);
      if (read.state === 'complete') expect(read.length).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 2_000 },
  );
});

test('a signature is found wherever a stream is cut, and none is seen where there is none', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.boolean(),
      fc.array(fc.nat({ max: 60 }), { maxLength: 6 }),
      (before, isThere, cuts) => {
        const stream = Buffer.concat([before, isThere ? proxySignature : Buffer.alloc(0), before]);
        const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length];
        at.sort((a, b) => a - b);
        const search = new SignatureSearch();
        const found = at.slice(1).map((end, n) => search.finds(stream.subarray(at[n], end)));
        expect(found.includes(true)).toBe(stream.includes(proxySignature));
      },
    ),
    { numRuns: 1_000 },
  );
});
