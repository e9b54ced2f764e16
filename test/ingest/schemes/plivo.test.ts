// Plivo's scheme, judged by its SDK: it accepts one signature per request, and that is the one we make and take.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signUrlNonce, verifyUrlNonce } from '../../../ingest/schemes/hmac-sha256-url-nonce.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';
import { secretsOf, storedDeliveries } from '../stored-deliveries.js';

type Params = Record<string, string | string[]>;
const sdk = createRequire(import.meta.url)('plivo/dist/utils/v3Security.js') as {
  validateV3Signature(
    method: string,
    uri: string,
    nonce: string,
    token: string,
    signature: string,
    params?: Params,
  ): boolean;
};

const headers = {
  signatures: ['x-plivo-signature-v3', 'x-plivo-signature-ma-v3'],
  nonce: 'x-plivo-signature-v3-nonce',
  olderSignature: 'x-plivo-signature-v2',
} as const;
const token = 'an-auth-token-of-forty-characters-000001';
const nonce = '05429567804466091622';
const base = 'https://hooks.example.com/v1/webhooks/ep';

type Pairs = readonly (readonly [string, string])[];
const bodyOf = (pairs: Pairs) =>
  Buffer.from(new URLSearchParams(pairs.map(([n, v]): [string, string] => [n, v])).toString());

/** As a web framework hands them to the SDK. */
function paramsOf(pairs: Pairs): Params {
  const params: Params = {};
  for (const [name, value] of pairs) {
    const before = Object.hasOwn(params, name) ? params[name] : undefined;
    if (before === undefined) params[name] = value;
    else params[name] = [...(typeof before === 'string' ? [before] : before), value];
  }
  return params;
}

function request(
  url: string,
  body: Buffer,
  given: Record<string, string>,
  method: 'GET' | 'POST' = 'POST',
): SignedRequest {
  return { method, url, headers: new Map(Object.entries(given)), body };
}

const signed = (url: string, body: Buffer, method: 'GET' | 'POST' = 'POST') => {
  const signature = signUrlNonce({ url, body }, nonce, token);
  return request(url, body, { [headers.signatures[0]]: signature, [headers.nonce]: nonce }, method);
};
const judge = (given: SignedRequest, by = token) => verifyUrlNonce(given, headers, by);

const word = fc
  .oneof(
    fc.constantFrom('From', 'To', 'CallUUID', 'Event', 'a', 'B', 'é', '0', '10', '9'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
  )
  .filter((name) => name !== '__proto__');
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const pairs = fc.array(fc.tuple(word, text), { maxLength: 8 });
const port = fc.constantFrom('', ':443', ':8443');
const path = fc.constantFrom('/', '/v1/webhooks/ep', '/a/b.xml', '/a/', '/with%20space');
const urls = fc
  .tuple(fc.constantFrom('https', 'http'), port, path, pairs)
  .map(([scheme, p, at, q]) => {
    const query = q.map(([n, v]) => `${encodeURIComponent(n)}=${encodeURIComponent(v)}`).join('&');
    return `${scheme}://hooks.example.com${p}${at}${query === '' ? '' : `?${query}`}`;
  });

describe('Plivo requests', () => {
  it('are signed as the SDK expects: forms to any URL, fields repeated, in any script', () => {
    fc.assert(
      fc.property(urls, pairs, (url, fields) => {
        const body = bodyOf(fields);
        const signature = signUrlNonce({ url, body }, nonce, token);
        const params = paramsOf(fields);
        expect(sdk.validateV3Signature('POST', url, nonce, token, signature, params)).toBe(true);
        expect(judge(signed(url, body))).toMatchObject({ ok: true });
      }),
      { numRuns: 500 },
    );
  });

  it('are signed as the SDK expects: a GET whose query carries everything', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const body = Buffer.alloc(0);
        const signature = signUrlNonce({ url, body }, nonce, token);
        expect(sdk.validateV3Signature('GET', url, nonce, token, signature)).toBe(true);
        expect(judge(signed(url, body, 'GET'))).toMatchObject({ ok: true });
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    [
      'a POST without a query has the ? all the same',
      base,
      [
        ['b', '2'],
        ['a', '1'],
      ],
    ],
    [
      'a POST with a query',
      `${base}?z=%C3%A9&y=1+2`,
      [
        ['b', '2'],
        ['a', '1'],
      ],
    ],
    ['a POST without fields', `${base}?z=1&y=2`, []],
    ['a POST without anything', base, []],
  ] as const)('are accepted by the SDK and by us: %s', (_, url, fields) => {
    const given = signed(url, bodyOf(fields));
    const signature = given.headers.get(headers.signatures[0]) ?? '';
    expect(sdk.validateV3Signature('POST', url, nonce, token, signature, paramsOf(fields))).toBe(
      true,
    );
    expect(judge(given).ok).toBe(true);
  });

  // Not compared: an IPv6 host, an unescaped @ behind the host, an empty port and bytes that no request
  // line may hold. The SDK takes such URLs apart wrongly, each in its own way.
  it('are judged as the SDK judges them, at odd URLs', () => {
    const queries = [
      '',
      '?',
      '?a=1&a=2&a=1',
      "?q=it's",
      '?q=a+b',
      '?q=%27',
      '?=1',
      '?&a=1&',
      '?{|}',
    ];
    const hosts = [
      'hooks.example.com',
      'HOOKS.Example.com:8443',
      'user:pass@hooks.example.com:443',
    ];
    const paths = ['', '/', '/ep/', '/a%20b', "/it's", '/a/../b', '/%zz', '/a:b', '/x.php'];
    for (const host of hosts) {
      for (const at of paths) {
        for (const query of [...queries, '?u=http://x/y', '?a', '?b=2&a=%C3%BC', '?a=%zz']) {
          for (const body of ['', 'b=2&a=1', 'b=2&a=1&b=1']) {
            const url = `https://${host}${at}${query}#rc=2`;
            const params = paramsOf([...new URLSearchParams(body)]);
            const signature = signUrlNonce({ url, body: Buffer.from(body) }, nonce, token);
            const judged = sdk.validateV3Signature('POST', url, nonce, token, signature, params);
            expect({ url, body, judged }).toEqual({ url, body, judged: true });
            expect(judge(signed(url, Buffer.from(body))).ok).toBe(true);
          }
        }
      }
    }
  });

  it('of the stored deliveries are accepted by the SDK', () => {
    const { authToken = '' } = secretsOf('plivo');
    const own = storedDeliveries.filter(({ provider }) => provider === 'plivo');
    expect(own.length).toBeGreaterThan(0);
    for (const { method, url, headers: sent, rawBody } of own) {
      const params = paramsOf([...new URLSearchParams(rawBody)]);
      const given = [sent['X-Plivo-Signature-V3-Nonce'] ?? '', sent['X-Plivo-Signature-V3'] ?? ''];
      const [n = '', signature = ''] = given;
      expect(sdk.validateV3Signature(method, url, n, authToken, signature, params)).toBe(true);
    }
  });

  it('may carry a signature of each active token, in either header', () => {
    const body = bodyOf([['CallUUID', 'c']]);
    const good = signUrlNonce({ url: base, body }, nonce, token);
    const other = signUrlNonce({ url: base, body }, nonce, 'another');
    const [own, main] = headers.signatures;
    for (const given of [
      { [own]: `${other},${good}` },
      { [own]: `${good}, ${other}` },
      { [own]: other, [main]: good },
      { [main]: `${other},${good}` },
    ]) {
      expect(judge(request(base, body, { ...given, [headers.nonce]: nonce })).ok).toBe(true);
    }
    const wrong = { [own]: `${other},${other}`, [main]: other, [headers.nonce]: nonce };
    expect(judge(request(base, body, wrong))).toMatchObject({ code: 'signature_mismatch' });
  });

  it('are refused with version 2 alone, which covers no field', () => {
    const given = { 'x-plivo-signature-v2': 'x'.repeat(44), [headers.nonce]: nonce };
    expect(judge(request(base, bodyOf([['a', '1']]), given))).toMatchObject({
      code: 'body_not_signed',
    });
  });

  it('are refused without a signature, without a nonce, and with what is no signature', () => {
    const body = bodyOf([['a', '1']]);
    const good = signUrlNonce({ url: base, body }, nonce, token);
    const [own] = headers.signatures;
    expect(judge(request(base, body, { [headers.nonce]: nonce }))).toMatchObject({
      code: 'signature_missing',
    });
    expect(judge(request(base, body, { [own]: good }))).toMatchObject({ code: 'nonce_missing' });
    for (const value of [
      'x',
      `${good}x`,
      `${good},x`,
      Array.from({ length: 17 }, (_, n) =>
        signUrlNonce({ url: base, body }, String(n), token),
      ).join(','),
      ',',
    ]) {
      const verdict = judge(request(base, body, { [own]: value, [headers.nonce]: nonce }));
      expect(verdict).toMatchObject({ code: 'signature_malformed' });
    }
  });

  it('are refused when URL, field, nonce or signature change, or the token is another', () => {
    const url = `${base}?tenant=t_acme`;
    const body = bodyOf([
      ['CallUUID', 'c-1'],
      ['Event', 'Hangup'],
    ]);
    const good = signed(url, body);
    expect(judge(good).ok).toBe(true);
    expect(judge(good, `${token}x`)).toMatchObject({ code: 'signature_mismatch' });
    const values = Object.fromEntries(good.headers);
    const changes: SignedRequest[] = [
      { ...good, url: url.replace('acme', 'acmf') },
      { ...good, url: url.replace('https', 'http') },
      { ...good, url: url.replace('example.com', 'example.com:443') },
      { ...good, url: `${url}&more=1` },
      { ...good, url: base },
      { ...good, method: 'GET' },
      request(url, body, { ...values, [headers.nonce]: `${nonce}1` }),
    ];
    for (let at = 0; at < body.length; at += 1) {
      const other = Buffer.from(body);
      // Bit 6 keeps `%`, `&`, `=` and `+` from turning into each other's equals.
      other[at] = (other[at] ?? 0) ^ 0x41;
      changes.push({ ...good, body: other });
    }
    for (const change of changes) expect(judge(change).ok).toBe(false);
  });

  it('are judged without the user and the fragment of their URL, as the SDK does', () => {
    const body = bodyOf([['a', '1']]);
    const given = signed(`${base}?b=2`, body);
    const url = 'https://me:secret@hooks.example.com/v1/webhooks/ep?b=2#part';
    expect(judge({ ...given, url }).ok).toBe(true);
    const signature = given.headers.get(headers.signatures[0]) ?? '';
    expect(sdk.validateV3Signature('POST', url, nonce, token, signature, { a: '1' })).toBe(true);
  });
});
