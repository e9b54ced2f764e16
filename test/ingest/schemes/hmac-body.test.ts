// An HMAC over the body alone, judged by published and by independently made signatures.

import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  signHmacBody,
  verifyHmacBody,
  type HmacBodyRules,
} from '../../../ingest/schemes/hmac-body.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';

const callrail: HmacBodyRules = { header: 'signature', algorithm: 'sha1', encoding: 'base64' };
const bland: HmacBodyRules = {
  header: 'x-webhook-signature',
  algorithm: 'sha256',
  encoding: 'hex',
};
const secret = '072e77e426f92738a72fe23c4d1953b4';

function request(body: Buffer | string, header: string, value?: string): SignedRequest {
  const headers = new Map(value === undefined ? [] : [[header, value]]);
  const url = 'https://hooks.example.com/v1/webhooks/ep';
  return { method: 'POST', url, headers, body: Buffer.from(body) };
}

describe('an HMAC over the body', () => {
  it.each([callrail, bland])('is accepted as node:crypto makes it: %o', (rules) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const body = Buffer.from(bytes);
        const made = createHmac(rules.algorithm, secret).update(body).digest(rules.encoding);
        expect(signHmacBody(body, rules, secret)).toBe(made);
        expect(verifyHmacBody(request(body, rules.header, made), rules, secret).ok).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it.each([callrail, bland])('is refused when a byte of body or signature changes: %o', (rules) => {
    const body = Buffer.from('{"resource_id":"CAL1","duration":"91"}');
    const made = signHmacBody(body, rules, secret);
    for (let at = 0; at < body.length; at += 1) {
      const other = Buffer.from(body);
      other[at] = (other[at] ?? 0) ^ 1;
      const verdict = verifyHmacBody(request(other, rules.header, made), rules, secret);
      expect(verdict).toMatchObject({ code: 'signature_mismatch' });
    }
    for (let at = 0; at < made.length; at += 1) {
      const code = made.charCodeAt(at) ^ 1;
      const other = made.slice(0, at) + String.fromCharCode(code) + made.slice(at + 1);
      expect(verifyHmacBody(request(body, rules.header, other), rules, secret).ok).toBe(false);
    }
    expect(verifyHmacBody(request(body, rules.header, made), rules, `${secret}x`).ok).toBe(false);
  });

  it('says what is wrong with the header', () => {
    const made = signHmacBody(Buffer.from('{}'), bland, secret);
    const judge = (value?: string) =>
      verifyHmacBody(request('{}', bland.header, value), bland, secret);
    expect(judge()).toMatchObject({ code: 'signature_missing' });
    expect(judge('')).toMatchObject({ code: 'signature_missing' });
    expect(judge(`${made}, ${made}`)).toMatchObject({ code: 'signature_repeated' });
    for (const value of [made.toUpperCase(), `${made}0`, made.slice(1), `sha256=${made}`]) {
      expect(judge(value)).toMatchObject({ code: 'signature_malformed' });
    }
  });

  it('binds no query: a GET is refused', () => {
    const made = signHmacBody(Buffer.alloc(0), callrail, secret);
    const given = { ...request('', 'signature', made), method: 'GET' as const };
    expect(verifyHmacBody(given, callrail, secret)).toMatchObject({ code: 'body_not_signed' });
  });
});
