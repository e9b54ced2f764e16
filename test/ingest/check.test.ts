// `webhook check`: every stored delivery, and what an attacker or a broken proxy would make of it.

import { describe, expect, it } from 'vitest';
import { signTwilioForm } from './signing.js';
import { checkDelivery, checkLine, wholeSearch } from '../../ingest/check.js';
import { secretsOf, stored, storedDeliveries, type StoredDelivery } from './stored-deliveries.js';

type Line = Record<string, unknown>;

function line(delivery: StoredDelivery, change: Line = {}): Line {
  const { provider, method, url, headers, rawBody, _signedAt } = delivery;
  return {
    id: delivery.file,
    provider,
    method,
    url,
    headers,
    rawBody,
    credentials: secretsOf(provider),
    now: _signedAt,
    ...change,
  };
}

const twilio = stored('twilio-voice-outbound-5-completed');
const twilioJson = stored('twilio-eventstreams-call-completed');
const twilioGet = stored('twilio-voice-status-get');
const telnyx = stored('telnyx-voice-outbound-2-answered');
const judged = (delivery: StoredDelivery, change: Line = {}) =>
  checkDelivery(line(delivery, change));

function withHeader(delivery: StoredDelivery, name: string, value: unknown): Line {
  const kept = Object.entries(delivery.headers).filter(
    ([given]) => given.toLowerCase() !== name.toLowerCase(),
  );
  const headers = Object.fromEntries(kept);
  return { headers: value === undefined ? headers : { ...headers, [name]: value } };
}

const signatureNames: Readonly<Record<string, string>> = {
  twilio: 'X-Twilio-Signature',
  telnyx: 'Telnyx-Signature-Ed25519',
};

describe('a line', () => {
  it('of every stored delivery is accepted, with the body as text or in base64', () => {
    for (const delivery of storedDeliveries) {
      const text = checkLine(JSON.stringify(line(delivery)));
      expect(text).toEqual({
        id: delivery.file,
        accepted: true,
        layer: null,
        code: 'accepted',
        detail: 'signature and time are right',
      });
      const base64 = Buffer.from(delivery.rawBody).toString('base64');
      const inBase64 = { rawBody: undefined, rawBodyBase64: base64 };
      expect(judged(delivery, inBase64).accepted).toBe(true);
    }
  });

  it('of every stored delivery is refused by other credentials, and without what signs it', () => {
    for (const delivery of storedDeliveries) {
      const secrets = secretsOf(delivery.provider);
      const others = Object.fromEntries(Object.keys(secrets).map((name) => [name, 'another']));
      const unsigned = Object.entries(delivery.headers).filter(
        ([name]) => !/signature|^authorization$|vapi-secret/i.test(name),
      );
      for (const change of [{ credentials: others }, { headers: Object.fromEntries(unsigned) }]) {
        const verdict = judged(delivery, change);
        expect({ file: delivery.file, ...verdict }).toMatchObject({
          ...{ file: delivery.file, accepted: false, layer: 'signature' },
        });
      }
    }
  });

  it('that is no JSON, or lacks a field, is judged invalid under its id if it has one', () => {
    expect(checkLine('{')).toMatchObject({ id: null, layer: 'request', code: 'line_invalid' });
    expect(checkLine('null')).toMatchObject({ id: null, code: 'line_invalid' });
    expect(checkLine('[]')).toMatchObject({ id: null, code: 'line_invalid' });
    for (const name of ['provider', 'method', 'url', 'headers', 'rawBody', 'credentials', 'now']) {
      expect(judged(twilio, { [name]: undefined })).toMatchObject({
        id: twilio.file,
        accepted: false,
        layer: 'request',
        code: 'line_invalid',
      });
    }
    expect(judged(twilio, { id: 7, now: '1790848851' })).toMatchObject({
      id: 7,
      code: 'line_invalid',
    });
    expect(judged(twilio, { rawBodyBase64: 'QQ==' }).code).toBe('line_invalid');
    expect(judged(twilio, { rawBody: undefined, rawBodyBase64: 'Q Q==' }).code).toBe(
      'line_invalid',
    );
  });

  it('of a provider that is not built says so', () => {
    for (const provider of ['nobody', 'Twilio', '', '__proto__', 'constructor']) {
      expect(judged(twilio, { provider })).toMatchObject({
        layer: 'request',
        code: 'provider_unknown',
      });
    }
  });

  it('takes header names in any case', () => {
    for (const delivery of [twilio, telnyx]) {
      const upper = Object.entries(delivery.headers).map(([n, v]) => [n.toUpperCase(), v]);
      expect(judged(delivery, { headers: Object.fromEntries(upper) as unknown }).accepted).toBe(
        true,
      );
      expect(judged(delivery, { headers: Object.entries(delivery.headers) }).accepted).toBe(true);
    }
  });

  it('takes a form whose content type a proxy lost, and no JSON without a digest', () => {
    const bare = (delivery: StoredDelivery, more: Line = {}) => {
      const { headers } = withHeader(delivery, 'Content-Type', undefined);
      return judged(delivery, { headers, ...more });
    };
    expect(bare(twilio).accepted).toBe(true);
    expect(bare(twilioJson).accepted).toBe(true);
    expect(bare(twilio, { rawBody: `${twilio.rawBody}&A=1` }).code).toBe('signature_mismatch');
    const url = twilioGet.url;
    for (const rawBody of ['{"CallSid":"CA1"}', '[]', 'A=1']) {
      const downgraded = bare(twilioGet, { method: 'POST', url, rawBody });
      expect(downgraded).toMatchObject({ accepted: false, layer: 'signature' });
    }
  });

  it('takes headers that were not sent, as null', () => {
    expect(judged(telnyx, { headers: { ...telnyx.headers, 'X-None': null } }).accepted).toBe(true);
    expect(judged(telnyx, withHeader(telnyx, 'Telnyx-Timestamp', null)).code).toBe(
      'timestamp_missing',
    );
  });

  it('takes several credentials while a rotation runs, in any order', () => {
    const wrong: Record<string, Record<string, string>> = {
      twilio: { authToken: 'other' },
      telnyx: { publicKeyBase64: 'A'.repeat(43) + '=' },
    };
    for (const delivery of [twilio, telnyx]) {
      const both = [wrong[delivery.provider], secretsOf(delivery.provider)];
      expect(judged(delivery, { credentials: both }).accepted).toBe(true);
      expect(judged(delivery, { credentials: both.reverse() }).accepted).toBe(true);
      expect(judged(delivery, { credentials: [wrong[delivery.provider]] })).toMatchObject({
        layer: 'signature',
        code: 'signature_mismatch',
      });
      expect(judged(delivery, { credentials: [] }).code).toBe('credentials_missing');
    }
  });

  it('without a usable credential is refused, an empty secret too', () => {
    const forged = signTwilioForm(twilio.url, { CallSid: 'CA1' }, '');
    const line = {
      headers: forged.headers,
      rawBody: 'CallSid=CA1',
      credentials: { authToken: '' },
    };
    expect(judged(twilio, line)).toMatchObject({ accepted: false, code: 'credentials_invalid' });
    for (const publicKeyBase64 of ['', 'AAAA', 7]) {
      expect(judged(telnyx, { credentials: { publicKeyBase64 } }).code).toBe('credentials_invalid');
    }
  });

  it('never repeats a secret, a signature or a value of the request', () => {
    const verdicts = [
      judged(twilio, { rawBody: 'x' }),
      judged(telnyx, { rawBody: 'x' }),
      judged(telnyx, { now: 0 }),
      judged(telnyx, { headers: 'secret-value' }),
      checkLine('{"id":1,"authToken":"secret-value"'),
    ];
    const text = JSON.stringify(verdicts.map(({ detail }) => detail));
    expect(text).not.toMatch(/fixture0|ZSc9|secret-value|\+1|Fixture|17908/);
  });
});

describe.each([twilio, twilioJson, telnyx])('a hostile variant of $file is refused', (delivery) => {
  const name = signatureNames[delivery.provider] ?? '';
  const signature = delivery.headers[name] ?? '';
  const isRefused = (change: Line, layer = 'signature'): void => {
    expect(judged(delivery, change)).toMatchObject({ accepted: false, layer });
  };

  it('with the signature missing, empty, doubled or not as it is sent', () => {
    isRefused(withHeader(delivery, name, undefined));
    isRefused(withHeader(delivery, name, ''));
    isRefused(withHeader(delivery, name, [signature, signature]));
    isRefused(withHeader(delivery, name, [signature, 'AAAA']));
    isRefused({ headers: { ...delivery.headers, [name.toUpperCase()]: signature } });
    isRefused(withHeader(delivery, name, ` ${signature}`));
    isRefused(withHeader(delivery, name, signature.slice(0, -1)));
    isRefused(withHeader(delivery, name, `${signature}=`));
    isRefused(withHeader(delivery, name, signature.toLowerCase()));
    isRefused(withHeader(delivery, name, Buffer.from(signature, 'base64').toString('hex')));
    isRefused(withHeader(delivery, name, Buffer.from(signature, 'base64').toString('base64url')));
  });

  it('with any single character of the body changed', () => {
    const { rawBody } = delivery;
    for (let at = 0; at < rawBody.length; at += 7) {
      const changed = `${rawBody.slice(0, at)}~${rawBody.slice(at + 1)}`;
      isRefused({ rawBody: changed });
    }
    isRefused({ rawBody: `${rawBody}\n` });
    isRefused({ rawBody: `\ufeff${rawBody}` });
    isRefused({ rawBody: '' });
  });

  it('with another method', () => {
    isRefused({ method: 'GET' });
    isRefused({ method: 'GET', rawBody: '' });
    expect(judged(delivery, { method: 'PUT' })).toMatchObject({
      layer: 'request',
      code: 'method_unsupported',
    });
  });
});

describe('Twilio', () => {
  const refusedUrl = (delivery: StoredDelivery, url: string): void => {
    expect(judged(delivery, { url })).toMatchObject({ accepted: false, layer: 'signature' });
  };

  it('binds scheme, host, path and query, each character as it was sent', () => {
    for (const delivery of [twilio, twilioJson, twilioGet]) {
      refusedUrl(delivery, delivery.url.replace('https:', 'http:'));
      refusedUrl(delivery, delivery.url.replace('hooks.', 'hook.'));
      refusedUrl(delivery, delivery.url.replace('/v1/', '/v1//'));
      refusedUrl(delivery, delivery.url.replace('t_acme', 't_other'));
      refusedUrl(delivery, `${delivery.url}&x=1`);
    }
    refusedUrl(twilio, 'no url at all');
  });

  it('accepts the URL with and without the port it is called by, and no other port', () => {
    for (const port of [':443', ':8443']) {
      const url = twilio.url.replace('example.com', `example.com${port}`);
      expect(judged(twilio, { url }).accepted).toBe(true);
    }
    const at8443 = twilio.url.replace('example.com', 'example.com:8443');
    const signed = signTwilioForm(at8443, { A: '1' }, secretsOf('twilio')['authToken'] ?? '');
    const change = { headers: signed.headers, rawBody: 'A=1' };
    expect(judged(twilio, { ...change, url: at8443 }).accepted).toBe(true);
    expect(judged(twilio, { ...change, url: twilio.url }).accepted).toBe(false);
    expect(judged(twilio, { ...change, url: at8443.replace('8443', '9443') }).accepted).toBe(false);
  });

  it('leaves user, password and fragment out of what is signed', () => {
    const url = `${twilio.url.replace('hooks.', 'user:pass@hooks.')}#rc=2&rt=2000`;
    expect(judged(twilio, { url }).accepted).toBe(true);
  });

  it('refuses a repeated parameter with another value, accepts the same one and another order', () => {
    const { rawBody } = twilio;
    expect(judged(twilio, { rawBody: `${rawBody}&CallStatus=busy` }).accepted).toBe(false);
    expect(judged(twilio, { rawBody: `CallStatus=busy&${rawBody}` }).accepted).toBe(false);
    expect(judged(twilio, { rawBody: rawBody.split('&').reverse().join('&') }).accepted).toBe(true);
    expect(judged(twilio, { rawBody: `${rawBody}&CallStatus=completed` }).accepted).toBe(true);
  });

  it('refuses JSON whose digest is missing or of another body', () => {
    const url = twilioJson.url.replace(/&bodySHA256=.*/, '');
    expect(judged(twilioJson, { url })).toMatchObject({ code: 'body_not_signed' });
    expect(judged(twilio, withHeader(twilio, 'Content-Type', 'application/json'))).toMatchObject({
      code: 'body_not_signed',
    });
    const reordered = JSON.stringify(
      (JSON.parse(twilioJson.rawBody) as Record<string, unknown>[]).map((event) =>
        Object.fromEntries(Object.entries(event).reverse()),
      ),
    );
    expect(judged(twilioJson, { rawBody: reordered })).toMatchObject({
      code: 'body_digest_mismatch',
    });
  });

  it('refuses what another account signed with the same token', () => {
    const credentials = {
      ...secretsOf('twilio'),
      accountSid: 'AC00000000000000000000000000000009',
    };
    for (const delivery of [twilio, twilioJson, twilioGet]) {
      expect(judged(delivery, { credentials })).toMatchObject({
        layer: 'signature',
        code: 'account_mismatch',
      });
    }
  });
});

describe('Telnyx', () => {
  const at = (now: number) => judged(telnyx, { now });

  it('keeps its window to the second, both ways', () => {
    expect(at(telnyx._signedAt + 300).accepted).toBe(true);
    expect(at(telnyx._signedAt - 300).accepted).toBe(true);
    expect(at(telnyx._signedAt + 301)).toMatchObject({
      layer: 'timestamp',
      code: 'timestamp_stale',
    });
    expect(at(telnyx._signedAt - 301)).toMatchObject({
      layer: 'timestamp',
      code: 'timestamp_future',
    });
  });

  it('refuses a timestamp that is missing, empty, changed or no plain number', () => {
    const verdict = (value: unknown) =>
      judged(telnyx, withHeader(telnyx, 'Telnyx-Timestamp', value));
    expect(verdict(undefined)).toMatchObject({ layer: 'timestamp', code: 'timestamp_missing' });
    expect(verdict('')).toMatchObject({ layer: 'timestamp', code: 'timestamp_missing' });
    for (const text of ['abc', `${telnyx._signedAt}.5`, ` ${telnyx._signedAt}`, '١٧٩٠٨٤٨٨٠٩']) {
      expect(verdict(text)).toMatchObject({ layer: 'timestamp', code: 'timestamp_malformed' });
    }
    expect(verdict(String(telnyx._signedAt + 1))).toMatchObject({ layer: 'signature' });
  });

  it('signs no URL', () => {
    expect(judged(telnyx, { url: 'https://elsewhere.example/' }).accepted).toBe(true);
  });
});

describe('the cause of a refusal', () => {
  const because = (change: Line, delivery = twilio) =>
    checkDelivery(line(delivery, change), wholeSearch());

  it('stands beside what was there before, for the signature and the timestamp layer alone', () => {
    const http = because({ url: twilio.url.replace('https:', 'http:') });
    expect(http).toMatchObject({ code: 'signature_mismatch', cause: 'url_scheme' });
    expect(http.because).toContain('scheme');
    expect(http.fix).toContain('--url');
    const late = because({ now: telnyx._signedAt + 7_300 }, telnyx);
    expect(late).toMatchObject({ code: 'timestamp_stale', cause: 'signed_in_past' });
    expect(late.because).toContain('2 h');
    expect(because({ rawBody: undefined })).not.toHaveProperty('cause');
    expect(because({})).not.toHaveProperty('cause');
  });

  it('is looked for among what else the line names, and nothing of it is repeated', () => {
    const wrong = { credentials: { authToken: 'not-this-one' } };
    expect(because(wrong)).toMatchObject({ cause: 'unknown' });
    const right = secretsOf('twilio');
    const old = because({ ...wrong, retiredCredentials: [right] });
    expect(old).toMatchObject({ cause: 'credential_retired' });
    const other = because({ ...wrong, otherCredentials: [{ authToken: 'x' }, right] });
    expect(other).toMatchObject({ cause: 'credential_of_other_endpoint' });
    expect(other.because).toContain('otherCredentials[1]');
    expect(JSON.stringify([old, other])).not.toContain(right['authToken']);
    const moved = because({
      url: twilio.url.replace('hooks.example.com', 'calls.example.net'),
      otherUrls: ['https://hooks.example.com'],
    });
    expect(moved).toMatchObject({ cause: 'url_host_endpoint' });
    expect(because({ ...wrong, otherCredentials: 7 })).toMatchObject({ cause: 'unknown' });
  });

  it('is not looked for where nobody asks', () => {
    expect(judged(twilio, { rawBody: 'A=1' })).not.toHaveProperty('cause');
  });

  it('is looked for in a stream as long as its budget lasts', () => {
    const budget = { units: 20, perLine: 20 };
    const bad = JSON.stringify(line(twilio, { rawBody: 'A=1' }));
    expect(checkLine(bad, budget).cause).toBe('unknown');
    expect(checkLine(bad, budget)).toMatchObject({
      code: 'signature_mismatch',
      cause: 'not_examined',
    });
  });
});
