// Twilio's schemes, judged by Twilio's own SDK: what it signs we accept, what we sign it accepts, and what
// it refuses we refuse, over many URLs and bodies.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signTwilioBody, signTwilioForm, signTwilioGet, signTwilioJson } from '../signing.js';
import { parseForm, signedFields } from '../../../ingest/schemes/form.js';
import { signUrl, verifyFormUrl } from '../../../ingest/schemes/hmac-sha1-form-url.js';
import { verifyUrlBodyDigest } from '../../../ingest/schemes/hmac-sha1-url-body-digest.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';

interface TwilioSdk {
  getExpectedTwilioSignature(token: string, url: string, params: unknown): string;
  validateRequest(token: string, header: string, url: string, params: unknown): boolean;
  validateRequestWithBody(token: string, header: string, url: string, body: string): boolean;
}
const sdk = createRequire(import.meta.url)('twilio/lib/webhooks/webhooks.js') as TwilioSdk;

const token = 'fixture0twilio0auth0token0000001';
const header = 'x-twilio-signature';

function request(
  url: string,
  body: string | Buffer,
  signature: string,
  method: 'GET' | 'POST' = 'POST',
): SignedRequest {
  return { method, url, headers: new Map([[header, signature]]), body: Buffer.from(body) };
}

type Params = Record<string, string | string[]>;

function encode(params: Params): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, one);
  }
  return search.toString();
}

const name = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' });
const value = fc.string({ maxLength: 12, unit: 'grapheme' });
const params = fc.dictionary(
  name.filter((s) => !(s in {})),
  fc.oneof(value, fc.array(value, { minLength: 2, maxLength: 4 })),
  { maxKeys: 8 },
);
const url = fc
  .record({
    scheme: fc.constantFrom('https', 'http'),
    user: fc.constantFrom('', 'user:pass@', 'user@'),
    host: fc.constantFrom('hooks.example.com', '[2001:db8::1]', 'HOOKS.example.com'),
    port: fc.constantFrom('', ':443', ':80', ':8443'),
    path: fc.constantFrom('', '/', '/v1/webhooks/ep', "/it's", '/a%20b', '/ä'),
    query: fc.constantFrom('', '?', '?a=1', "?q=it's", '?q=a+b&r=%27', '?x=1&x=2', '?b=ü'),
  })
  .map(
    ({ scheme, user, host, port, path, query }) =>
      `${scheme}://${user}${host}${port}${path}${query}`,
  );

const judgeForm = (given: SignedRequest): boolean => verifyFormUrl(given, header, token).ok;

describe('Twilio form requests', () => {
  it('give the published signature of the published example', () => {
    const example = 'https://example.com/myapp.php?foo=1&bar=2';
    const body =
      'Digits=1234&To=%2B18005551212&From=%2B14158675310&Caller=%2B14158675310&CallSid=CA1234567890ABCDE';
    expect(signUrl('12345', example, signedFields(parseForm(Buffer.from(body))))).toBe(
      'L/OH5YylLD5NRKLltdqwSvS0BnU=',
    );
  });

  it('that the SDK signs are accepted', () => {
    fc.assert(
      fc.property(url, params, (at, given) => {
        const signature = sdk.getExpectedTwilioSignature(token, at, given);
        expect(judgeForm(request(at, encode(given), signature))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('that we sign are accepted by the SDK', () => {
    const single = fc.dictionary(
      name.filter((s) => !(s in {})),
      value,
      { maxKeys: 8 },
    );
    fc.assert(
      fc.property(url, single, (at, given) => {
        const signed = signTwilioForm(at, given, token);
        const signature = signed.headers[header] ?? '';
        expect(sdk.validateRequest(token, signature, at, given)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('are judged as the SDK judges them when they were signed for another form of the URL', () => {
    fc.assert(
      fc.property(url, url, params, (signedAt, calledAt, given) => {
        const signature = sdk.getExpectedTwilioSignature(token, signedAt, given);
        const theirs = sdk.validateRequest(token, signature, calledAt, given);
        const ours = judgeForm(request(calledAt, encode(given), signature));
        // Twilio drops user and password before it signs, its SDK does not: we accept both.
        const bare = calledAt.replace(/\/\/[^/@]*@/, '//');
        expect(ours).toBe(theirs || sdk.validateRequest(token, signature, bare, given));
      }),
      { numRuns: 2000 },
    );
  });

  it('are refused when any field is changed, added or left out', () => {
    fc.assert(
      fc.property(params, params, (given, other) => {
        const at = 'https://hooks.example.com/v1/webhooks/ep';
        const signature = sdk.getExpectedTwilioSignature(token, at, given);
        const theirs = sdk.validateRequest(token, signature, at, other);
        expect(judgeForm(request(at, encode(other), signature))).toBe(theirs);
      }),
    );
  });

  const at = 'https://hooks.example.com/v1/webhooks/ep?tenant=t_acme';
  const signed = (body: string): string =>
    signTwilioBody(at, Buffer.from(body), token).headers[header] ?? '';

  it('count equal repeated fields once, and different ones each', () => {
    expect(judgeForm(request(at, 'A=1&A=1&B=2', signed('A=1&B=2')))).toBe(true);
    expect(judgeForm(request(at, 'A=1&A=3&B=2', signed('A=1&B=2')))).toBe(false);
    expect(judgeForm(request(at, 'A=3&A=1', signed('A=1&A=3')))).toBe(true);
  });

  it('keep spaces at the ends, empty values and brackets in names', () => {
    const body = 'Body=Hi%21+&Empty=&a%5Bb%5D=1&=x&NoEquals';
    const given = { Body: 'Hi! ', Empty: '', 'a[b]': '1', '': 'x', NoEquals: '' };
    const signature = sdk.getExpectedTwilioSignature(token, at, given);
    expect(judgeForm(request(at, body, signature))).toBe(true);
    expect(judgeForm(request(at, body.replace('+&', '&'), signature))).toBe(false);
  });

  it('tell bytes apart that are no UTF-8', () => {
    const signature = signed('A=%FF');
    expect(judgeForm(request(at, 'A=%FF', signature))).toBe(true);
    expect(judgeForm(request(at, 'A=%FE', signature))).toBe(false);
    expect(judgeForm(request(at, 'A=%EF%BF%BD', signature))).toBe(false);
  });

  it('that are no UTF-8 are judged by the SDK’s reading too, which is the one that is mapped', () => {
    const given = { A: '\ufffd', B: 'b' };
    const signature = sdk.getExpectedTwilioSignature(token, at, given);
    for (const body of ['A=%FF&B=b', 'A=%ef%bf%bd&B=b', 'B=b&A=%C3']) {
      expect(judgeForm(request(at, body, signature))).toBe(true);
    }
    expect(judgeForm(request(at, 'A=%FF%FF&B=b', signature))).toBe(false);
    expect(judgeForm(request(at, 'A=%FF&B=%FF', signature))).toBe(false);
  });

  it('with more fields than anybody sends are refused before they cost anything', () => {
    const startedAt = performance.now();
    for (const body of ['a&'.repeat(500_000), 'a=%41&'.repeat(170_000), '&'.repeat(1_000_000)]) {
      expect(judgeForm(request(at, body, signed('A=1')))).toBe(false);
    }
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('are signed without the fragment of connection overrides', () => {
    const signature = signed('A=1');
    expect(judgeForm(request(`${at}#rc=2&rt=3000`, 'A=1', signature))).toBe(true);
    const whole = sdk.getExpectedTwilioSignature(token, `${at}#rc=2`, { A: '1' });
    expect(judgeForm(request(`${at}#rc=2`, 'A=1', whole))).toBe(true);
    expect(judgeForm(request(`${at}#rc=3`, 'A=1', whole))).toBe(false);
    expect(judgeForm(request(at, 'A=1', whole))).toBe(false);
  });

  it('by GET are bound by their URL alone, and refused with a body', () => {
    const get = signTwilioGet(`${at}&CallSid=CA1`, token);
    const signature = get.headers[header] ?? '';
    expect(judgeForm(request(get.url, '', signature, 'GET'))).toBe(true);
    expect(judgeForm(request(get.url, 'A=1', signature, 'GET'))).toBe(false);
    expect(judgeForm(request(`${get.url}0`, '', signature, 'GET'))).toBe(false);
  });
});

describe('Twilio JSON requests', () => {
  const at = 'https://hooks.example.com/v1/webhooks/ep';
  const judge = (given: SignedRequest) => verifyUrlBodyDigest(given, header, token);

  it('that we sign are accepted by the SDK and by us', () => {
    fc.assert(
      fc.property(
        fc.json().filter((text) => text !== ''),
        (text) => {
          const signed = signTwilioJson(at, Buffer.from(text), token);
          const signature = signed.headers[header] ?? '';
          const body = signed.body.toString();
          expect(sdk.validateRequestWithBody(token, signature, signed.url, body)).toBe(true);
          expect(judge(request(signed.url, text, signature)).ok).toBe(true);
        },
      ),
    );
  });

  it('are refused when the body, its order or the digest changes', () => {
    const signed = signTwilioJson(at, Buffer.from('{"a":1,"b":2}'), token);
    const signature = signed.headers[header] ?? '';
    expect(judge(request(signed.url, '{"b":2,"a":1}', signature))).toMatchObject({
      code: 'body_digest_mismatch',
    });
    expect(judge(request(signed.url, '{"a":1,"b":2} ', signature)).ok).toBe(false);
    expect(judge(request(at, '{"a":1,"b":2}', signature))).toMatchObject({
      code: 'body_not_signed',
    });
  });

  it('are refused with a digest in capitals, even when it was signed so', () => {
    const signed = signTwilioJson(at, Buffer.from('{}'), token);
    const upper = signed.url.replace(
      /=([0-9a-f]{64})$/,
      (_, hex: string) => `=${hex.toUpperCase()}`,
    );
    expect(judge(request(upper, '{}', signUrl(token, upper)))).toMatchObject({
      code: 'body_digest_mismatch',
    });
  });
});
