// The scheme of senders that sign a time, under the plans of six of them: what they sign is accepted, what
// was changed is not, and each refusal names its layer.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hmacTimestampBody,
  planFault,
  type HmacPlan,
} from '../../../ingest/schemes/hmac-timestamp-body.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';

const stripe: HmacPlan = {
  algorithm: 'sha256',
  encoding: 'hex',
  header: 'stripe-signature',
  form: { type: 'elements', separator: ',', label: 'v1=', tried: 'any' },
  time: {
    from: { type: 'element', label: 't=', pick: 'last' },
    unit: 's',
    pastMs: 300_000,
    futureMs: null,
    isFloored: true,
  },
  idHeader: null,
  text: '{timestamp}.{body}',
};
const svix: HmacPlan = {
  algorithm: 'sha256',
  encoding: 'base64',
  header: 'svix-signature',
  form: { type: 'elements', separator: ' ', label: 'v1,', tried: 'any' },
  time: {
    from: { type: 'header', name: 'svix-timestamp' },
    unit: 's',
    pastMs: 300_000,
    futureMs: 300_000,
    isFloored: true,
  },
  idHeader: 'svix-id',
  text: '{id}.{timestamp}.{body}',
};
const retell: HmacPlan = {
  algorithm: 'sha256',
  encoding: 'hex-any-case',
  header: 'x-retell-signature',
  form: { type: 'pair', timeLabel: 'v=', label: 'd=' },
  time: {
    from: { type: 'pair' },
    unit: 'ms',
    pastMs: 300_000,
    futureMs: 300_000,
    isFloored: false,
  },
  idHeader: null,
  text: '{body}{timestamp}',
};
const plain: HmacPlan = {
  algorithm: 'sha256',
  encoding: 'hex',
  header: 'x-signature',
  form: { type: 'single', prefix: 'sha256=' },
  time: {
    from: { type: 'header', name: 'x-timestamp' },
    unit: 'auto',
    pastMs: 300_000,
    futureMs: 300_000,
    isFloored: true,
  },
  idHeader: null,
  text: '{method} {url} {timestamp}.{body}',
};
const untimed: HmacPlan = { ...plain, algorithm: 'sha512', time: null, text: '{body}' };
const plans = { stripe, svix, retell, plain, untimed };

const key = 'a-key-of-the-tests';
const nowMs = 1_790_848_800_000;
const request = (body: Buffer) =>
  ({ method: 'POST', url: 'https://hooks.example.com/v1/in/x?a=1', body }) as const;

function signedBy(plan: HmacPlan, body = Buffer.from('{"a":1}'), at = nowMs): SignedRequest {
  const signing = { key, nowMs: at, id: 'msg_1' };
  const headers = hmacTimestampBody(plan).sign(request(body), signing);
  return { ...request(body), headers: new Map(Object.entries(headers)) };
}

function withHeader(signed: SignedRequest, name: string, value: string | null): SignedRequest {
  const headers = new Map(signed.headers);
  if (value === null) headers.delete(name);
  else headers.set(name, value);
  return { ...signed, headers };
}

const codeOf = (plan: HmacPlan, signed: SignedRequest, at = nowMs): string => {
  const verdict = hmacTimestampBody(plan).verify(signed, key, at);
  return verdict.ok ? 'accepted' : verdict.code;
};

const header = (signed: SignedRequest, name: string): string => signed.headers.get(name) ?? '';

describe.each(Object.entries(plans))('the plan of %s', (_name, plan) => {
  it('accepts what it signed, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(plan, signedBy(plan, Buffer.from(bytes)))).toBe('accepted');
      }),
    );
  });

  it('refuses every change of one byte of the body or of what is signed beside it', () => {
    const signed = signedBy(plan, Buffer.from('{"event":"call_ended","n":12}'));
    for (let at = 0; at < signed.body.length; at += 1) {
      const body = Buffer.from(signed.body);
      body[at] = (body[at] ?? 0) ^ 1;
      expect(codeOf(plan, { ...signed, body })).toBe('signature_mismatch');
    }
    for (const [name, value] of signed.headers) {
      for (let at = 0; at < value.length; at += 1) {
        const changed = String.fromCharCode(value.charCodeAt(at) ^ 1);
        const text = value.slice(0, at) + changed + value.slice(at + 1);
        // Labels may come in any case where the plan says so; nothing else may change.
        expect(codeOf(plan, withHeader(signed, name, text))).not.toBe('accepted');
      }
    }
  });

  it('refuses another key and another length', () => {
    const signed = signedBy(plan);
    const scheme = hmacTimestampBody(plan);
    expect(scheme.verify(signed, `${key}x`, nowMs)).toMatchObject({ code: 'signature_mismatch' });
    for (const body of [Buffer.alloc(0), Buffer.from('{"a":1} '), Buffer.from(' {"a":1}')]) {
      expect(codeOf(plan, { ...signed, body })).toBe('signature_mismatch');
    }
  });

  it('tells a missing and an empty signature from a wrong one', () => {
    const signed = signedBy(plan);
    expect(codeOf(plan, withHeader(signed, plan.header, null))).toBe('signature_missing');
    expect(codeOf(plan, withHeader(signed, plan.header, ''))).toBe('signature_missing');
    expect(codeOf(plan, withHeader(signed, plan.header, 'x'))).toBe('signature_malformed');
  });
});

describe('the window', () => {
  const windows = [
    ['stripe', stripe, 300_000, null],
    ['svix', svix, 300_000, 300_000],
    ['retell', retell, 300_000, 300_000],
    ['plain', plain, 300_000, 300_000],
  ] as const;

  it.each(windows)(
    'of %s holds to the end and not a moment longer',
    (_name, plan, past, future) => {
      const stepMs = plan.time?.isFloored === true ? 1000 : 1;
      const signed = signedBy(plan);
      expect(codeOf(plan, signed, nowMs + past)).toBe('accepted');
      expect(codeOf(plan, signed, nowMs + past + stepMs)).toBe('timestamp_stale');
      expect(codeOf(plan, signed, nowMs - (future ?? 1e12))).toBe('accepted');
      if (future !== null) {
        expect(codeOf(plan, signed, nowMs - future - stepMs)).toBe('timestamp_future');
      }
    },
  );

  it('tells the signed time with every verdict on a right signature, and with no other', () => {
    const signed = signedBy(stripe);
    const scheme = hmacTimestampBody(stripe);
    expect(scheme.verify(signed, key, nowMs)).toEqual({ ok: true, signedAtMs: nowMs });
    expect(scheme.verify(signed, key, nowMs + 301_000)).toMatchObject({ signedAtMs: nowMs });
    expect(scheme.verify(signed, 'other', nowMs + 301_000)).not.toHaveProperty('signedAtMs');
    expect(hmacTimestampBody(untimed).verify(signedBy(untimed), key, 0)).toEqual({ ok: true });
  });

  it('says of an old delivery under a wrong key only that the key is wrong', () => {
    const verdict = hmacTimestampBody(svix).verify(signedBy(svix), 'other', nowMs + 9e9);
    expect(verdict).toMatchObject({ code: 'signature_mismatch' });
  });

  it('finds the unit of a time where the plan leaves it open', () => {
    const inMs: HmacPlan = { ...plain, time: plain.time && { ...plain.time, unit: 'ms' } };
    expect(header(signedBy(inMs), 'x-timestamp')).toBe('1790848800000');
    expect(codeOf(plain, signedBy(inMs))).toBe('accepted');
    expect(codeOf(plain, signedBy(plain))).toBe('accepted');
  });

  it.each(['', ' 1790848800', '1790848800 ', '+1790848800', '1790848800.0', '1e9', '-1', 'NaN'])(
    'refuses %j as a time',
    (text) => {
      const code = codeOf(plain, withHeader(signedBy(plain), 'x-timestamp', text));
      expect(code).toBe(text === '' ? 'timestamp_missing' : 'timestamp_malformed');
    },
  );
});

describe('the signature header', () => {
  const wrong = '0'.repeat(64);

  it('may hold several signatures, of which one must match', () => {
    const signed = signedBy(stripe);
    const [time = '', right = ''] = header(signed, 'stripe-signature').split(',');
    const given = (text: string) => codeOf(stripe, withHeader(signed, 'stripe-signature', text));
    expect(given(`${time},v1=${wrong},${right}`)).toBe('accepted');
    expect(given(`${time},v0=${right.slice(3)},${right}`)).toBe('accepted');
    expect(given(`${time},v1=${wrong}`)).toBe('signature_mismatch');
    expect(given(`${time},v0=${right.slice(3)}`)).toBe('signature_malformed');
    expect(given(`${time}, ${right}`)).toBe('signature_malformed');
    expect(given(right)).toBe('timestamp_missing');
    expect(given(`${time},v1=${right.slice(3).toUpperCase()}`)).toBe('signature_malformed');
  });

  it('counts the first alone where the plan says so', () => {
    const plan: HmacPlan = {
      ...stripe,
      form: { type: 'elements', separator: ',', label: 'v1=', tried: 'first' },
    };
    const signed = signedBy(plan);
    const [time = '', right = ''] = header(signed, 'stripe-signature').split(',');
    const given = (text: string) => codeOf(plan, withHeader(signed, 'stripe-signature', text));
    expect(given(`${time},${right},v1=${wrong}`)).toBe('accepted');
    expect(given(`${time},v1=${wrong},${right}`)).toBe('signature_mismatch');
  });

  it('skips asymmetric signatures of Standard Webhooks', () => {
    const signed = signedBy(svix);
    const right = header(signed, 'svix-signature');
    const given = (text: string) => codeOf(svix, withHeader(signed, 'svix-signature', text));
    expect(given(`v1a,${'A'.repeat(86)}== ${right}`)).toBe('accepted');
    expect(given(`v1a,${right.slice(3)}`)).toBe('signature_malformed');
    expect(codeOf(svix, withHeader(signed, 'svix-id', null))).toBe('message_id_missing');
    expect(codeOf(svix, withHeader(signed, 'svix-id', 'msg_2'))).toBe('signature_mismatch');
  });

  it('takes hex of any case only where the plan says so', () => {
    const upper = header(signedBy(retell), 'x-retell-signature').toUpperCase();
    expect(codeOf(retell, withHeader(signedBy(retell), 'x-retell-signature', upper))).toBe(
      'accepted',
    );
    const signed = signedBy(plain);
    const shouted = 'sha256=' + header(signed, 'x-signature').slice(7).toUpperCase();
    expect(codeOf(plain, withHeader(signed, 'x-signature', shouted))).toBe('signature_malformed');
  });

  it('sent twice is refused where it holds one signature', () => {
    const signed = signedBy(plain);
    const value = header(signed, 'x-signature');
    const code = codeOf(plain, withHeader(signed, 'x-signature', `${value}, ${value}`));
    expect(code).toBe('signature_repeated');
  });
});

describe('a plan', () => {
  it.each([
    ['{timestamp}', 'must hold {body}'],
    ['{body}', 'must hold {timestamp}'],
    ['{timestamp}{body}{id}', 'holds an {id} whose header is missing'],
    ['{timestamp}{body}{secret}', 'may hold no other placeholder'],
    ['{timestamp}{body}{', 'may hold no other placeholder'],
  ])('with the text %s cannot be used', (text, fault) => {
    expect(planFault({ ...plain, text })).toContain(fault);
    expect(() => hmacTimestampBody({ ...plain, text })).toThrow(RangeError);
  });

  it('without a time may hold none in its text', () => {
    expect(planFault({ ...untimed, text: '{timestamp}.{body}' })).toContain('is not sent');
    expect(planFault(untimed)).toBeNull();
  });
});

describe('the stored deliveries', () => {
  const stored = (file: string) =>
    JSON.parse(readFileSync(join('test/fixtures/deliveries', `${file}.json`), 'utf8')) as {
      readonly headers: Readonly<Record<string, string>>;
      readonly rawBody: string;
      readonly url: string;
      readonly _signedAt: number;
    };
  const whsec = Buffer.from('Zml4dHVyZS1jbGVyay1zaWduaW5nLWtleS0wMDAwMDE=', 'base64');

  it.each([
    ['stripe-invoice.paid', stripe, 'whsec_fixture_stripe_endpoint_secret_01'],
    ['clerk-user.created', svix, whsec],
    ['retell-call_ended', retell, 'key_fixture0retell0webhook0badge'],
  ] as const)('%s verifies', (file, plan, secret) => {
    const { headers, rawBody, url, _signedAt } = stored(file);
    const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
    const signed: SignedRequest = {
      method: 'POST',
      url,
      headers: new Map(lower as [string, string][]),
      body: Buffer.from(rawBody, 'utf8'),
    };
    const scheme = hmacTimestampBody(plan);
    expect(scheme.verify(signed, secret, _signedAt * 1000)).toMatchObject({ ok: true });
  });
});
