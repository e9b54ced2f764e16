// SignalWire's two schemes, judged by its two SDKs: what they sign or accept we accept, what we sign they
// accept; and what one of them lets through although nothing binds it, we refuse.

import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { providerOf } from '../../../ingest/providers/registry.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';
import { signAs } from '../signing.js';
import { secretsOf, storedDeliveries } from '../stored-deliveries.js';

type Params = Record<string, string | string[]>;
interface Compatible {
  validateRequest(
    key: string,
    header: string,
    url: string,
    params: unknown,
    quiet: boolean,
  ): boolean;
  getExpectedTwilioSignature(key: string, url: string, params: Params): string;
}
const require = createRequire(import.meta.url);
// The package exports its whole client only; this is the file that validates.
const root = dirname(require.resolve('@signalwire/compatibility-api'));
const cxml = require(join(root, '../lib/webhooks/webhooks.js')) as Compatible;
const web = require('@signalwire/web-api') as {
  validateRequest(key: string, header: string, url: string, rawBody: string): boolean;
};

const signingKey = 'PSK_a-signing-key';
const base = 'https://hooks.example.com/v1/webhooks/ep';
const header = 'x-signalwire-signature';
const stronger = 'x-signalwire-sha256-signature';
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = { 'content-type': 'application/json' };

type Pairs = readonly (readonly [string, string])[];
const formBody = (pairs: Pairs) =>
  Buffer.from(new URLSearchParams(pairs.map(([n, v]): [string, string] => [n, v])).toString());

function paramsOf(pairs: Pairs): Params {
  const params = Object.create(null) as Params;
  for (const [name, value] of pairs) {
    const before = params[name];
    if (before === undefined) params[name] = value;
    else params[name] = [...(typeof before === 'string' ? [before] : before), value];
  }
  return params;
}

const judge = (request: SignedRequest, credential: Record<string, string> = {}) =>
  providerOf('signalwire').verify(request, [{ signingKey, ...credential }], 0);

function signed(
  url: string,
  headers: Record<string, string>,
  body: Buffer,
): SignedRequest & { readonly signature: string } {
  const made = signAs('signalwire', { method: 'POST', url, headers, body }, { signingKey });
  const map = new Map(Object.entries(made.headers));
  return { method: 'POST', url, headers: map, body, signature: map.get(header) ?? '' };
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const word = fc
  .oneof(fc.constantFrom('From', 'CallSid', 'a', 'B', 'é', '10', '9'), text)
  .filter((name) => name !== '__proto__' && name !== '');
const pairs = fc.array(fc.tuple(word, text), { maxLength: 8 });
const urls = fc
  .tuple(fc.constantFrom('', ':443', ':8443'), fc.constantFrom('', '?tenant=a%20b&x=1', '?é'))
  .map(
    ([port, query]) =>
      `https://hooks.example.com${port}/v1/webhooks/ep${encodeURI(decodeURI(query))}`,
  );

describe('SignalWire forms', () => {
  it('that the SDK signs are accepted, fields repeated and in any script', () => {
    fc.assert(
      fc.property(urls, pairs, (url, fields) => {
        const signature = cxml.getExpectedTwilioSignature(signingKey, url, paramsOf(fields));
        const body = formBody(fields);
        for (const name of [header, 'x-twilio-signature']) {
          const headers = new Map(Object.entries({ ...form, [name]: signature }));
          expect(judge({ method: 'POST', url, headers, body })).toMatchObject({ ok: true });
        }
      }),
      { numRuns: 200 },
    );
  });

  it('that we sign are accepted by the SDK', () => {
    fc.assert(
      fc.property(urls, pairs, (url, fields) => {
        const { signature } = signed(url, form, formBody(fields));
        const params = paramsOf(fields);
        expect(cxml.validateRequest(signingKey, signature, url, params, true)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('sign repeated fields as they come: neither sorted nor once each', () => {
    const given = signed(base, form, Buffer.from('a=2&a=1&a=2'));
    for (const body of ['a=1&a=2&a=2', 'a=2&a=1', 'a=1&a=2']) {
      expect(judge({ ...given, body: Buffer.from(body) })).toMatchObject({
        code: 'signature_mismatch',
      });
    }
    expect(judge(given).ok).toBe(true);
  });

  it('are read from a GET as from a POST', () => {
    const url = `${base}?CallSid=c&CallStatus=completed`;
    const request = { method: 'GET', url, headers: {}, body: Buffer.alloc(0) } as const;
    const made = signAs('signalwire', request, { signingKey });
    const given = { ...request, headers: new Map(Object.entries(made.headers)) };
    expect(judge(given).ok).toBe(true);
    expect(cxml.validateRequest(signingKey, made.headers[header] ?? '', url, {}, true)).toBe(true);
    expect(judge({ ...given, url: `${url}x` })).toMatchObject({ code: 'signature_mismatch' });
  });
});

describe('SignalWire JSON', () => {
  it('that we sign is accepted by the SDK and by us, whatever the content', () => {
    fc.assert(
      fc.property(fc.jsonValue(), urls, (value, url) => {
        const body = Buffer.from(JSON.stringify(value));
        const given = signed(url, json, body);
        expect(judge(given)).toMatchObject({ ok: true });
        expect(web.validateRequest(signingKey, given.signature, url, body.toString())).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('is refused with the signature of a form, which binds nothing below the first level', () => {
    const value = { call: { call_id: 'c-1' }, vars: {} };
    const signature = cxml.getExpectedTwilioSignature(signingKey, base, value as never);
    const forged = JSON.stringify({ ...value, call: { call_id: 'another' } });
    expect(web.validateRequest(signingKey, signature, base, forged)).toBe(true);
    const headers = new Map(Object.entries({ ...json, [header]: signature }));
    const verdict = judge({ method: 'POST', url: base, headers, body: Buffer.from(forged) });
    expect(verdict).toMatchObject({ code: 'signature_malformed' });
  });

  it('is held to the stronger signature where there is one', () => {
    const body = Buffer.from('{"call":{}}');
    const given = signed(base, json, body);
    const wrong = new Map([...given.headers, [stronger, '0'.repeat(64)]]);
    expect(judge({ ...given, headers: wrong })).toMatchObject({ code: 'signature_mismatch' });
    const alone = new Map([...given.headers].filter(([name]) => name !== stronger));
    expect(judge({ ...given, headers: alone }).ok).toBe(true);
  });

  it('is signed for a call without the user of its URL, and for a message with it', () => {
    const body = Buffer.from('{"message":{}}');
    const url = base.replace('https://', 'https://me:secret@');
    const call = signed(base, json, body);
    expect(judge({ ...call, url }).ok).toBe(true);
    const signature = createHmac('sha1', signingKey).update(url).update(body).digest('hex');
    const headers = new Map(Object.entries({ ...json, [header]: signature }));
    expect(judge({ method: 'POST', url, headers, body }).ok).toBe(true);
    expect(web.validateRequest(signingKey, signature, url, body.toString())).toBe(true);
  });

  it('is refused unsigned: SWAIG functions and post prompts', () => {
    const headers = new Map(Object.entries(json));
    const body = Buffer.from('{"function":"get_weather","argument":{}}');
    expect(judge({ method: 'POST', url: base, headers, body })).toMatchObject({
      layer: 'signature',
      code: 'signature_missing',
    });
  });

  it('is told from a form by its type, and by its signature where a proxy lost the type', () => {
    const body = Buffer.from('{"call":{}}');
    const given = signed(base, json, body);
    const without = new Map([...given.headers].filter(([name]) => name !== 'content-type'));
    expect(judge({ ...given, headers: without }).ok).toBe(true);
    const asForm = new Map([...given.headers, ...Object.entries(form)]);
    expect(judge({ ...given, headers: asForm }).ok).toBe(false);
    const asText = new Map([...given.headers, ['content-type', 'text/plain']]);
    expect(judge({ ...given, headers: asText })).toMatchObject({ code: 'body_not_signed' });
    const plain = signed(base, form, formBody([['a', '1']]));
    const bare = new Map([...plain.headers].filter(([name]) => name !== 'content-type'));
    expect(judge({ ...plain, headers: bare }).ok).toBe(true);
  });
});

describe('SignalWire requests', () => {
  it('that are stored are accepted by the SDKs', () => {
    const key = secretsOf('signalwire')['signingKey'] ?? '';
    const own = storedDeliveries.filter(({ provider }) => provider === 'signalwire');
    expect(own).toHaveLength(3);
    for (const { url, headers, rawBody } of own) {
      const isForm = headers['Content-Type']?.includes('urlencoded') === true;
      const signature =
        headers['X-SignalWire-Signature'] ?? headers['X-Signalwire-Signature'] ?? '';
      const isRight = isForm
        ? cxml.validateRequest(
            key,
            signature,
            url,
            paramsOf([...new URLSearchParams(rawBody)]),
            true,
          )
        : web.validateRequest(key, signature, url, rawBody);
      expect(isRight).toBe(true);
    }
  });

  it('of another project than the one configured are refused', () => {
    const named = signed(base, json, Buffer.from('{"call":{"project_id":"p-1"}}'));
    const event = signed(base, json, Buffer.from('{"event_type":"x","project_id":"p-1"}'));
    const plain = signed(base, form, formBody([['AccountSid', 'p-1']]));
    for (const given of [named, event, plain]) {
      expect(judge(given, { projectId: 'p-1' }).ok).toBe(true);
      expect(judge(given, { projectId: 'p-2' })).toMatchObject({ code: 'account_mismatch' });
    }
  });

  it.each([
    [
      'a form',
      form,
      formBody([
        ['CallSid', 'c-1'],
        ['CallStatus', 'completed'],
      ]),
    ],
    ['JSON', json, Buffer.from('{"call":{"call_id":"c-1"}}')],
  ])('are refused when a byte changes: %s', (_, type, body) => {
    const given = signed(base, type, body);
    expect(judge(given).ok).toBe(true);
    for (let at = 0; at < body.length; at += 1) {
      const other = Buffer.from(body);
      other[at] = (other[at] ?? 0) ^ 0x41;
      expect(judge({ ...given, body: other }).ok).toBe(false);
    }
    for (let at = 0; at < given.signature.length; at += 1) {
      const change = String.fromCharCode(given.signature.charCodeAt(at) ^ 1);
      const signature = given.signature.slice(0, at) + change + given.signature.slice(at + 1);
      expect(
        judge({ ...given, headers: new Map([...given.headers, [header, signature]]) }).ok,
      ).toBe(false);
    }
  });
});
