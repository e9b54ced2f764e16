// `webhook check` beside the providers' SDKs, over hostile and odd requests: we accept what the SDK accepts
// and refuse what it refuses. Where we differ, the difference is named here and nowhere else.

import { createRequire } from 'node:module';
import { createHash } from 'node:crypto';
import { parse } from 'node:querystring';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newTelnyxKey, signTelnyx, telnyxPublicKey } from './signing.js';
import { checkDelivery } from '../../ingest/check.js';

interface TwilioSdk {
  getExpectedTwilioSignature(token: string, url: string, params: unknown): string;
  validateRequest(token: string, header: string, url: string, params: unknown): boolean;
}
interface TelnyxSdk {
  TelnyxWebhook: new (key: string) => {
    verify(payload: string, headers: Record<string, string>): Promise<void>;
  };
}
const require = createRequire(import.meta.url);
const twilio = require('twilio/lib/webhooks/webhooks.js') as TwilioSdk;
const telnyx = require('telnyx/lib/webhooks.js') as TelnyxSdk;
const token = 'fixture0twilio0auth0token0000001';

const from = (...texts: string[]) => fc.constantFrom(...texts);
const anyUrl = fc
  .tuple(
    from('https://', 'http://', 'HTTPS://'),
    from('', '', 'user:p%40ss@', 'a@b@'),
    from('hooks.example.com', 'HOOKS.Example.com', '[2001:db8::1]', 'hööks.example.com'),
    from('', '', ':443', ':80', ':8443', ':'),
    from('', '/', '/v1/webhooks/ep', '/ep/', '/a%20b', '/a b', '/ä', "/it's", '/a/../b', '/%zz'),
    from(
      '',
      '?',
      '?a=1',
      '?a=1&a=2',
      "?q=it's",
      '?q=a+b',
      '?q=%27',
      '?q=ü',
      '?=1',
      '?&a=1&',
      '?{|}',
    ),
    from('', '', '#', '#rc=2&rt=3000'),
  )
  .map((parts) => parts.join(''));
const names = ['A', 'a', 'AA', 'é', '_', '', '\u{1F600}', '\ufb01', 'a[b]', 'toString', '10', '2'];
const values = ['', ' ', '+', '%', "it's", 'a&b=c', '\u{1F600}', '\ufb01', '\n', '\0', '\ufffd'];
const component = fc
  .tuple(fc.constantFrom(...names, ...values), fc.boolean())
  .map(([text, plus]) =>
    plus
      ? new URLSearchParams({ x: text }).toString().slice(2)
      : [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  );
const broken = from('', '', '', '&', '%', '&x=%zz', '&x=%f', '&y=%FF', '&y=%C3', '&y=%ED%A0%80');
const anyBody = fc
  .tuple(fc.array(fc.tuple(component, component), { maxLength: 5 }), from('&', '&&'), broken)
  .map(([fields, and, end]) => fields.map((pair) => pair.join('=')).join(and) + end);

/** Twilio drops fragment, user and password before it signs; its SDK takes them as they come. */
function formsOf(url: string): string[] {
  const bare = url.replace(/#.*$/, '');
  return [url, bare, bare.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1')];
}

function sdkAccepts(signature: string, url: string, params: unknown): boolean {
  return formsOf(url).some((one) => {
    try {
      return twilio.validateRequest(token, signature, one, params);
    } catch {
      return false;
    }
  });
}

const fieldsOf = (body: string) => ({ ...parse(body, '&', '=', { maxKeys: 0 }) });
const judged = (line: object) =>
  checkDelivery({ id: 1, provider: 'twilio', credentials: { authToken: token }, now: 1, ...line });
const anyName = from('X-Twilio-Signature', 'x-twilio-signature', 'X-TWILIO-SIGNATURE');

describe('a Twilio request', () => {
  const types = from(
    'application/x-www-form-urlencoded',
    'APPLICATION/X-WWW-FORM-URLENCODED;charset=utf-8',
    'application/x-www-form-urlencoded ; charset=iso-8859-1',
    '',
  );

  it('with a form is judged as the SDK judges it, signed for this or another URL and body', () => {
    fc.assert(
      fc.property(
        fc.record({
          url: anyUrl,
          otherUrl: fc.option(anyUrl, { freq: 2 }),
          body: anyBody,
          otherBody: fc.option(anyBody, { freq: 2 }),
          name: anyName,
          type: types,
        }),
        ({ url, otherUrl, body, otherBody, name, type }) => {
          const signedFor = fieldsOf(otherBody ?? body);
          const signature = twilio.getExpectedTwilioSignature(token, otherUrl ?? url, signedFor);
          const headers = { [name]: signature, ...(type === '' ? {} : { 'Content-Type': type }) };
          const rawBodyBase64 = Buffer.from(body).toString('base64');
          const verdict = judged({ method: 'POST', url, headers, rawBodyBase64 });
          expect(verdict.accepted).toBe(sdkAccepts(signature, url, fieldsOf(body)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('by GET is judged by its URL alone', () => {
    fc.assert(
      fc.property(anyUrl, fc.option(anyUrl), anyName, (url, otherUrl, name) => {
        const signature = twilio.getExpectedTwilioSignature(token, otherUrl ?? url, {});
        const verdict = judged({ method: 'GET', url, headers: { [name]: signature } });
        expect(verdict.accepted).toBe(sdkAccepts(signature, url, {}));
      }),
      { numRuns: 1000 },
    );
  });

  it('with JSON needs the digest of its body, the first of that name, in lower case', () => {
    const digest = (text: string) => createHash('sha256').update(text).digest('hex');
    const other = digest('another body');
    const queries: readonly ((hex: string) => string)[] = [
      (hex) => `bodySHA256=${hex}`,
      (hex) => `bodySHA256=${hex}&z=1`,
      (hex) => `y=1&bodySHA256=${hex}&z=1`,
      (hex) => `bodySHA256=${hex}&bodySHA256=${other}`,
      (hex) => `bodySHA256=${other}&bodySHA256=${hex}`,
      (hex) => `bodySHA256=%${(hex.codePointAt(0) ?? 0).toString(16)}${hex.slice(1)}`,
      (hex) => `bodySHA256=${hex.toUpperCase()}`,
      (hex) => `BODYSHA256=${hex}`,
      () => 'bodySHA256',
      () => 'bodySHA256=',
      () => 'x=bodySHA256',
    ];
    const bodies = from('{}', '[]', '[{"a":1}]', '', '\ufeff{}', 'no json', 'A=1');
    fc.assert(
      fc.property(
        anyUrl,
        fc.constantFrom(...queries),
        bodies,
        anyName,
        (base, query, body, name) => {
          const [path = '', ...fragment] = base.split(/(?=#)/);
          const and = path.includes('?') ? '&' : '?';
          const url = path + and + query(digest(body)) + fragment.join('');
          const signature = twilio.getExpectedTwilioSignature(token, url, {});
          const headers = { [name]: signature, 'Content-Type': 'application/json' };
          const bound = URL.canParse(url) && new URL(url).searchParams.get('bodySHA256');
          const verdict = judged({ method: 'POST', url, headers, rawBody: body });
          expect(verdict.accepted).toBe(bound === digest(body));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('a Telnyx request', () => {
  const key = newTelnyxKey();
  const publicKeyBase64 = telnyxPublicKey(key);
  const at = 1_790_848_800;
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is judged as the SDK judges it, but for a signature in base64 that nobody writes', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const times = [0, 300, 300.999, 301, -300, -300.5, -301, 1e6].map((offset) => at + offset);
    const stamps = from(
      String(at),
      String(at),
      `0${at}`,
      `+${at}`,
      ` ${at}`,
      `${at}.0`,
      `${at}\n`,
      '',
    );
    const changes: readonly ((signature: string) => string)[] = [
      (signature) => signature,
      (signature) => signature,
      (signature) => `${signature}=`,
      (signature) => signature.replace(/=+$/, ''),
      (signature) => Buffer.from(signature, 'base64').toString('base64url'),
      (signature) => `${signature}, ${signature}`,
      (signature) => `${signature} `,
      () => '',
    ];
    await fc.assert(
      fc.asyncProperty(
        ...[fc.constantFrom(...times), stamps, fc.constantFrom(...changes)],
        from('{}', '', '{"a":"é"}', '\ufeff{}', '\ufffd'),
        async (now, stamp, change, body) => {
          const whole = signTelnyx('', Buffer.from(body), key, at * 1000).headers;
          const signature = change(whole['telnyx-signature-ed25519'] ?? '');
          const headers = { 'Telnyx-Signature-Ed25519': signature, 'TELNYX-TIMESTAMP': stamp };
          vi.setSystemTime(now * 1000);
          const theirs = await new telnyx.TelnyxWebhook(publicKeyBase64).verify(body, headers).then(
            () => true,
            () => false,
          );
          const credentials = [{ publicKeyBase64: 'of another account' }, { publicKeyBase64 }];
          const line = {
            id: 1,
            provider: 'telnyx',
            method: 'POST',
            url: '',
            headers,
            rawBody: body,
          };
          expect(checkDelivery({ ...line, credentials, now }).accepted).toBe(theirs);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
