import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HmacKey, hmacKeyOf, type HmacPart } from '../../runtime/hmac.js';

const algorithm = fc.constantFrom('sha1', 'sha256');
const encoding = fc.constantFrom('base64', 'base64url', 'hex');
const bytes = (maxLength: number) =>
  fc.uint8Array({ maxLength, size: 'max' }).map((array) => Buffer.from(array));
const part: fc.Arbitrary<HmacPart> = fc.oneof(
  bytes(300),
  bytes(300).map((buffer) => buffer.toString('latin1')),
);

function expected(name: string, key: Buffer, parts: readonly HmacPart[]): Buffer {
  const hmac = createHmac(name, key);
  for (const one of parts) {
    hmac.update(typeof one === 'string' ? Buffer.from(one, 'latin1') : one);
  }
  return hmac.digest();
}

describe('an HMAC', () => {
  it('is that of node:crypto for any key and any parts', () => {
    fc.assert(
      fc.property(algorithm, bytes(200), fc.array(part), encoding, (name, key, parts, as) => {
        const code = new HmacKey(name, key).sign(parts, as);
        expect(code).toBe(expected(name, key, parts).toString(as));
      }),
      { numRuns: 2000 },
    );
  });

  it('is that of node:crypto around the sizes at which another way is taken', () => {
    for (const name of ['sha1', 'sha256'] as const) {
      for (const keyBytes of [0, 63, 64, 65]) {
        const key = Buffer.alloc(keyBytes, 0xa7);
        for (const size of [0, 55, 64, 65_535, 65_536, 65_537, 300_000]) {
          const message = Buffer.alloc(size, 0x5a);
          const parts = ['prefix.', message];
          const code = new HmacKey(name, key).sign(parts, 'hex');
          expect(code).toBe(expected(name, key, parts).toString('hex'));
        }
      }
    }
  });

  it('does not depend on the codes made before with the same or another key', () => {
    const one = hmacKeyOf('sha256', 'one');
    const other = hmacKeyOf('sha256', 'other');
    const first = one.sign(['message'], 'hex');
    other.sign(['a longer message than the one before'], 'hex');
    new HmacKey('sha1', Buffer.from('one')).sign([''], 'hex');
    expect(one.sign(['message'], 'hex')).toBe(first);
  });

  it('takes the UTF-8 of a secret that is text', () => {
    const secret = 'sécret-☎';
    const code = hmacKeyOf('sha256', secret).sign(['m'], 'hex');
    expect(code).toBe(createHmac('sha256', Buffer.from(secret, 'utf8')).update('m').digest('hex'));
  });

  it('is that of the published vectors (RFC 2202 case 3, RFC 4231 case 6)', () => {
    const sha1 = new HmacKey('sha1', Buffer.alloc(20, 0xaa)).sign([Buffer.alloc(50, 0xdd)], 'hex');
    expect(sha1).toBe('125d7342b9ac11cd91a39af48aa17b4f63f175d3');
    const long = new HmacKey('sha256', Buffer.alloc(131, 0xaa));
    expect(long.sign(['Test Using Larger Than Block-Size Key - Hash Key First'], 'hex')).toBe(
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    );
  });
});
