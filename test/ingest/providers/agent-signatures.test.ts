// Signatures of the AI agent providers: judged by their SDKs both ways, and by what their documents say where
// there is no SDK. What was changed by one byte is refused, and so is each trap of the provider sheet.

import { createHash, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { AccessToken, WebhookReceiver } from 'livekit-server-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';
import { providerOf } from '../../../ingest/providers/registry.js';
import { signAs } from '../signing.js';
import { secretsOf, stored, storedDeliveries, type StoredDelivery } from '../stored-deliveries.js';
import { nowMs, url } from './told.js';

const load = createRequire(import.meta.url);
const retell = load('retell-sdk/lib/webhook_auth') as {
  symmetric: {
    sign(input: string, secret: string, timestamp: number): Promise<string>;
    verify(i: string, s: string, signature: string, o: { timestamp: number }): Promise<boolean>;
  };
};
const { WebhooksClient } = load('@elevenlabs/elevenlabs-js/wrapper/webhooks') as {
  WebhooksClient: new (options: object) => {
    constructEvent(body: string, header: string, secret: string): Promise<unknown>;
  };
};
const elevenlabs = new WebhooksClient({});
const elevenSecret = secretsOf('elevenlabs')['webhookSecret'] ?? '';
const retellKey = secretsOf('retell')['apiKey'] ?? '';
const { apiKey = '', apiSecret = '' } = secretsOf('livekit');
const receiver = new WebhookReceiver(apiKey, apiSecret);

const json = { 'content-type': 'application/json' };
const sent = (body: string): OutgoingDelivery => ({
  ...{ method: 'POST', url, headers: json, body: Buffer.from(body) },
});

/** The code of our verdict on a request; `accepted` where there is none. */
function judged(
  provider: string,
  request: Pick<OutgoingDelivery, 'headers' | 'body'> & { readonly method?: 'GET' | 'POST' },
  atMs = nowMs,
  credentials: readonly Record<string, string>[] = [secretsOf(provider)],
): string {
  const { method = 'POST', body } = request;
  const headers = new Map(
    Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const verdict = providerOf(provider).verify({ method, url, headers, body }, credentials, atMs);
  return verdict.ok ? 'accepted' : verdict.code;
}

const ours = (provider: string, body: string, atMs = nowMs): OutgoingDelivery =>
  signAs(provider, sent(body), secretsOf(provider), atMs);

const withHeader = (request: OutgoingDelivery, name: string, value: string): OutgoingDelivery => ({
  ...request,
  headers: { ...request.headers, [name]: value },
});

const headerOf = (request: OutgoingDelivery, name: string): string => request.headers[name] ?? '';

const text = fc.jsonValue().map((value) => JSON.stringify(value));
const ofProvider = (name: string): readonly StoredDelivery[] =>
  storedDeliveries.filter(({ provider }) => provider === name);

/** The signature header of each, and whether letters of it may come in any case. */
const signed = [
  ['bland', 'x-webhook-signature'],
  ['vapi', 'x-signature'],
  ['retell', 'x-retell-signature'],
  ['livekit', 'authorization'],
  ['elevenlabs', 'elevenlabs-signature'],
] as const;

/** The clock that the SDKs read. */
function setClock(atMs: number): void {
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.setSystemTime(atMs);
}

afterEach(() => {
  vi.useRealTimers();
});

describe.each(signed)('%s', (provider, header) => {
  it('accepts what is signed as it signs, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const request = { ...sent(''), body: Buffer.from(bytes) };
        const delivery = signAs(provider, request, secretsOf(provider), nowMs);
        expect(judged(provider, delivery)).toBe('accepted');
      }),
      { numRuns: 60 },
    );
  });

  it('refuses every change of one byte of body and signature', () => {
    const delivery = ours(provider, '{"event":"x","call":{"call_id":"c1"}}');
    for (let at = 0; at < delivery.body.length; at += 1) {
      const body = Buffer.from(delivery.body);
      body[at] = (body[at] ?? 0) ^ 4;
      expect(judged(provider, { ...delivery, body })).not.toBe('accepted');
    }
    const value = headerOf(delivery, header);
    for (let at = 0; at < value.length; at += 1) {
      const changed = String.fromCharCode(value.charCodeAt(at) ^ 4);
      const other = value.slice(0, at) + changed + value.slice(at + 1);
      expect(judged(provider, withHeader(delivery, header, other))).not.toBe('accepted');
    }
  });

  it('refuses a missing, an empty, a doubled and a foreign signature, and a GET', () => {
    const delivery = ours(provider, '{}');
    const value = headerOf(delivery, header);
    expect(judged(provider, { ...delivery, headers: json })).toBe('signature_missing');
    const given = (other: string) => judged(provider, withHeader(delivery, header, other));
    expect(given('')).toBe('signature_missing');
    expect(given(` ${value}`)).not.toBe('accepted');
    expect(given(`${value} `)).not.toBe('accepted');
    expect(given(`x${value}`)).not.toBe('accepted');
    // A list of ElevenLabs goes on after its first signature, as its SDK has it.
    if (provider !== 'elevenlabs') expect(given(`${value}, ${value}`)).not.toBe('accepted');
    const { sender } = { sender: { ...secretsOf(provider) } };
    const spoiled = Object.fromEntries(Object.entries(sender).map(([n, v]) => [n, `${v}x`]));
    expect(judged(provider, delivery, nowMs, [spoiled])).not.toBe('accepted');
    expect(judged(provider, delivery, nowMs, [spoiled, sender])).toBe('accepted');
    expect(judged(provider, { ...delivery, method: 'GET' })).toBe('body_not_signed');
  });

  it('is without a usable credential refused, an empty secret too', () => {
    const empty = Object.fromEntries(Object.keys(secretsOf(provider)).map((name) => [name, '']));
    expect(judged(provider, ours(provider, '{}'), nowMs, [empty])).toBe('credentials_invalid');
    expect(judged(provider, ours(provider, '{}'), nowMs, [{}])).toBe('credentials_invalid');
  });
});

describe('Bland', () => {
  it('signs the raw body in lower-case hex, as its documents say', () => {
    const secret = secretsOf('bland')['webhookSecret'] ?? '';
    fc.assert(
      fc.property(text, (body) => {
        const expected = createHmac('sha256', secret).update(body).digest('hex');
        expect(headerOf(ours('bland', body), 'x-webhook-signature')).toBe(expected);
        const headers = { 'x-webhook-signature': expected };
        expect(judged('bland', { headers, body: Buffer.from(body) })).toBe('accepted');
      }),
    );
  });

  it('refuses a body that was read and written again: its document’s own sample does so', () => {
    const delivery = ours('bland', '{"call_length":1.0, "status":"completed"}');
    const again = JSON.stringify(JSON.parse(delivery.body.toString()));
    expect(judged('bland', { ...delivery, body: Buffer.from(again) })).toBe('signature_mismatch');
  });

  it('signs no time', () => {
    expect(judged('bland', ours('bland', '{}'), nowMs + 9e9)).toBe('accepted');
  });
});

describe('Retell', () => {
  const accepts = (body: string, signature: string, atMs = nowMs): Promise<boolean> =>
    retell.symmetric.verify(body, retellKey, signature, { timestamp: atMs });

  it('and its SDK accept each other’s signatures', async () => {
    for (const body of fc.sample(text, 60)) {
      const signature = headerOf(ours('retell', body), 'x-retell-signature');
      expect(await accepts(body, signature)).toBe(true);
      const theirs = await retell.symmetric.sign(body, retellKey, nowMs);
      expect(judged('retell', withHeader(sent(body), 'x-retell-signature', theirs))).toBe(
        'accepted',
      );
    }
    for (const { rawBody, headers, _signedAt } of ofProvider('retell')) {
      expect(await accepts(rawBody, headers['X-Retell-Signature'] ?? '', _signedAt * 1000)).toBe(
        true,
      );
    }
  });

  it('is judged as its SDK judges, over odd headers and clocks', async () => {
    const body = '{"event":"call_started"}';
    const right = headerOf(ours('retell', body), 'x-retell-signature');
    const [time = '', digest = ''] = right.split(',');
    const odd = [
      ...[right.toUpperCase(), `${digest},${time}`, `${time}, ${digest}`, `${right},`],
      ...[`${time},${digest.slice(0, -1)}`, `${time}${digest}`, `t=1,${digest}`, `v=,${digest}`],
      ...[`${time},v1=${digest.slice(2)}`, `v=1e3,${digest}`, `v=-1,${digest}`, right],
    ];
    for (const signature of odd) {
      const outcome = judged('retell', withHeader(sent(body), 'x-retell-signature', signature));
      expect(outcome === 'accepted', signature).toBe(await accepts(body, signature));
    }
    for (const shift of [0, 300_000, 300_001, -300_000, -300_001, 1]) {
      const outcome = judged('retell', ours('retell', body), nowMs + shift);
      expect(outcome === 'accepted', String(shift)).toBe(await accepts(body, right, nowMs + shift));
    }
  });

  it('signs the body first and milliseconds after it, without anything between', () => {
    const digest = (signedText: string): string =>
      createHmac('sha256', retellKey).update(signedText).digest('hex');
    const given = (signedText: string, time: number): string => {
      const value = `v=${String(time)},d=${digest(signedText)}`;
      return judged('retell', withHeader(sent('{}'), 'x-retell-signature', value));
    };
    expect(given(`{}${String(nowMs)}`, nowMs)).toBe('accepted');
    expect(given(`${String(nowMs)}{}`, nowMs)).toBe('signature_mismatch');
    expect(given(`{}.${String(nowMs)}`, nowMs)).toBe('signature_mismatch');
    const seconds = nowMs / 1000;
    expect(given(`{}${String(seconds)}`, seconds)).toBe('timestamp_stale');
  });
});

describe('ElevenLabs', () => {
  async function accepts(body: string, signature: string, atMs = nowMs): Promise<boolean> {
    setClock(atMs);
    try {
      await elevenlabs.constructEvent(body, signature, elevenSecret);
      return true;
    } catch {
      return false;
    }
  }
  const given = (body: string, signature: string, atMs = nowMs): string =>
    judged('elevenlabs', withHeader(sent(body), 'elevenlabs-signature', signature), atMs);

  it('has what we sign accepted by its SDK, and the stored deliveries', async () => {
    for (const body of fc.sample(text, 60)) {
      const signature = headerOf(ours('elevenlabs', body), 'elevenlabs-signature');
      expect(await accepts(body, signature)).toBe(true);
    }
    for (const { rawBody, headers, _signedAt } of ofProvider('elevenlabs')) {
      expect(await accepts(rawBody, headers['ElevenLabs-Signature'] ?? '', _signedAt * 1000)).toBe(
        true,
      );
    }
  });

  it('is judged as its SDK judges: the first t, the first v0, nothing trimmed', async () => {
    const body = '{"type":"post_call_audio"}';
    const right = headerOf(ours('elevenlabs', body), 'elevenlabs-signature');
    const [time = '', digest = ''] = right.split(',');
    const wrong = `v0=${'0'.repeat(64)}`;
    const odd = [
      ...[right, `${digest},${time}`, `${time}, ${digest}`, `${time},${wrong},${digest}`],
      ...[`${time},${digest},${wrong}`, `${time},v1=x,${digest}`, `t=1,${right}`],
      ...[`${right},t=1`, `${time},${digest.toUpperCase()}`, `${time},${digest}0`, digest],
      ...[`T=${time.slice(2)},${digest}`, `${time},V0=${digest.slice(3)}`, `x,${right}`],
    ];
    for (const signature of odd) {
      const outcome = given(body, signature);
      expect(outcome === 'accepted', signature).toBe(await accepts(body, signature));
    }
  });

  it('may be half an hour old to the millisecond, and from any time ahead', async () => {
    const body = '{}';
    const right = headerOf(ours('elevenlabs', body), 'elevenlabs-signature');
    for (const shift of [0, 1_800_000, 1_800_001, 1_800_500, -9e9]) {
      const outcome = given(body, right, nowMs + shift);
      expect(outcome === 'accepted', String(shift)).toBe(await accepts(body, right, nowMs + shift));
    }
    expect(given(body, right, nowMs + 1_800_001)).toBe('timestamp_stale');
  });

  it('refuses a time that is no number, which its SDK takes for one that never ends', async () => {
    const digest = createHmac('sha256', elevenSecret).update('never.{}').digest('hex');
    expect(await accepts('{}', `t=never,v0=${digest}`)).toBe(true);
    expect(given('{}', `t=never,v0=${digest}`)).toBe('timestamp_malformed');
  });
});

describe('LiveKit', () => {
  async function accepts(body: string, token: string, atMs = nowMs): Promise<boolean> {
    setClock(atMs);
    return receiver.receive(body, token).then(
      () => true,
      () => false,
    );
  }
  const event = (more: object = {}): string =>
    JSON.stringify({ event: 'room_started', id: 'EV_1', ...more });
  const given = (body: string, token: string, atMs = nowMs): string =>
    judged('livekit', withHeader(sent(body), 'authorization', token), atMs);
  const digestOf = (body: string): string => createHash('sha256').update(body).digest('base64');

  async function theirs(body: string, key = apiKey, secret = apiSecret): Promise<string> {
    setClock(nowMs);
    const token = new AccessToken(key, secret, { ttl: 300 });
    token.sha256 = digestOf(body);
    return token.toJwt();
  }

  it('and its SDK accept each other’s tokens', async () => {
    for (const name of fc.sample(fc.string(), 40)) {
      const body = event({ room: { name, sid: 'RM_1' } });
      expect(await accepts(body, headerOf(ours('livekit', body), 'authorization'))).toBe(true);
      expect(given(body, await theirs(body))).toBe('accepted');
    }
    for (const { rawBody, headers, _signedAt } of ofProvider('livekit')) {
      expect(await accepts(rawBody, headers['Authorization'] ?? '', _signedAt * 1000)).toBe(true);
    }
  });

  it('keeps nbf and exp with ten seconds to spare, as its SDK does', async () => {
    const body = event();
    const token = headerOf(ours('livekit', body), 'authorization');
    for (const sec of [0, 300, 309, 310, 311, -10, -11]) {
      const outcome = given(body, token, nowMs + sec * 1000);
      expect(outcome === 'accepted', String(sec)).toBe(
        await accepts(body, token, nowMs + sec * 1000),
      );
    }
  });

  it('refuses `Bearer `, another issuer, another secret, another body and a token without an end', async () => {
    const body = event();
    const token = await theirs(body);
    expect(given(body, `Bearer ${token}`)).toBe('signature_malformed');
    expect(await accepts(body, `Bearer ${token}`)).toBe(false);
    expect(given(body, await theirs(body, 'APIother'))).toBe('issuer_mismatch');
    expect(given(body, await theirs(body, apiKey, `${apiSecret}x`))).toBe('signature_mismatch');
    expect(given(`${body} `, token)).toBe('body_digest_mismatch');
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: apiKey, nbf: nowMs / 1000, sha256: digestOf(body) };
    const unsigned = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
    const mac = createHmac('sha256', apiSecret).update(unsigned).digest('base64url');
    expect(given(body, `${unsigned}.${mac}`)).toBe('timestamp_missing');
    expect(await accepts(body, `${unsigned}.${mac}`)).toBe(false);
    const none = `${part({ alg: 'none' })}.${part({ ...claims, exp: 9e9 })}.`;
    expect(given(body, none)).not.toBe('accepted');
  });
});

describe('Vapi', () => {
  const hmacSecret = 'secret-of-the-hmac-plan';
  const body = '{"message":{"type":"status-update","timestamp":1,"call":{"id":"c1"}}}';
  const seconds = String(nowMs / 1000);
  const mac = (
    signedText: string,
    encoding: 'hex' | 'base64' = 'hex',
    key: string | Buffer = hmacSecret,
    algorithm = 'sha256',
  ): string => createHmac(algorithm, key).update(signedText).digest(encoding);
  const given = (
    headers: Readonly<Record<string, string>>,
    credential: Readonly<Record<string, string>>,
    atMs = nowMs,
  ): string => judged('vapi', { headers, body: Buffer.from(body) }, atMs, [{ ...credential }]);

  it('signs time and body by default, in seconds or milliseconds', () => {
    for (const time of [seconds, String(nowMs)]) {
      const headers = { 'x-timestamp': time, 'x-signature': mac(`${time}.${body}`) };
      expect(given(headers, { hmacSecret })).toBe('accepted');
      expect(given(headers, { hmacSecret }, nowMs + 300_000)).toBe('accepted');
      expect(given(headers, { hmacSecret }, nowMs + 301_000)).toBe('timestamp_stale');
      expect(given(headers, { hmacSecret }, nowMs - 301_000)).toBe('timestamp_future');
    }
  });

  it('signs as its credential says: headers, prefix, format, encoding, key and algorithm', () => {
    const key = Buffer.from('bytes of a key');
    const plan = {
      ...{ hmacSecret: key.toString('base64'), secretIsBase64: 'true', algorithm: 'sha512' },
      ...{ signatureHeader: 'X-Hook-Mac', timestampHeader: 'X-Hook-Time', signaturePrefix: 'v1=' },
      ...{ payloadFormat: '{svix-id}.{timestamp}.{method}.{url}.{body}', messageIdHeader: 'X-Id' },
      signatureEncoding: 'base64',
    };
    const signedText = `msg_7.${seconds}.POST.${url}.${body}`;
    const headers = {
      ...{ 'x-hook-time': seconds, 'x-id': 'msg_7' },
      'x-hook-mac': `v1=${mac(signedText, 'base64', key, 'sha512')}`,
    };
    expect(given(headers, plan)).toBe('accepted');
    expect(given({ ...headers, 'x-id': 'msg_8' }, plan)).toBe('signature_mismatch');
    expect(given({ ...headers, 'x-hook-mac': headers['x-hook-mac'].slice(3) }, plan)).toBe(
      'signature_malformed',
    );
    expect(given(headers, { ...plan, secretIsBase64: 'false' })).toBe('signature_mismatch');
    expect(judged('vapi', signAs('vapi', sent(body), plan, nowMs), nowMs, [plan])).toBe('accepted');
  });

  it('can sign a body without its time, where the credential says so', () => {
    const plan = { hmacSecret, includeTimestamp: 'false' };
    expect(given({ 'x-signature': mac(body) }, plan, 0)).toBe('accepted');
    expect(given({ 'x-signature': mac(body) }, { hmacSecret })).toBe('timestamp_missing');
  });

  it('cannot be given a plan that leaves the body out or signs what is not sent', () => {
    const schema = providerOf('vapi').credentialSchema;
    const usable = (plan: Readonly<Record<string, string>>): boolean =>
      schema.safeParse({ hmacSecret, ...plan }).success;
    expect(usable({})).toBe(true);
    expect(usable({ payloadFormat: '{timestamp}' })).toBe(false);
    expect(usable({ payloadFormat: '{timestamp}.{body}.{other}' })).toBe(false);
    expect(usable({ signatureHeader: 'no header' })).toBe(false);
    expect(usable({ secretIsBase64: 'true', hmacSecret: '***' })).toBe(false);
    expect(schema.safeParse({}).success).toBe(false);
  });

  it('takes the older secret and a bearer token, each only where it is configured', () => {
    const legacy = { legacySecret: 'shared-secret' };
    const token = { bearerToken: 'a.token' };
    expect(given({ 'x-vapi-secret': 'shared-secret' }, legacy)).toBe('accepted');
    expect(given({ 'x-vapi-secret': 'shared-secret ' }, legacy)).toBe('signature_mismatch');
    expect(given({ 'x-vapi-secret': '' }, legacy)).toBe('signature_missing');
    expect(given({ 'x-vapi-secret': 'shared-secret, shared-secret' }, legacy)).toBe(
      'signature_mismatch',
    );
    expect(given({ authorization: 'Bearer a.token' }, token)).toBe('accepted');
    expect(given({ authorization: 'bearer a.token' }, token)).toBe('accepted');
    expect(given({ authorization: 'a.token' }, token)).toBe('signature_malformed');
    expect(given({ authorization: 'Bearer a.token2' }, token)).toBe('signature_mismatch');
    expect(given({ 'x-vapi-secret': 'shared-secret' }, { hmacSecret })).toBe('signature_missing');
    expect(given({ authorization: 'Bearer a.token' }, { hmacSecret })).toBe('signature_missing');
  });

  it('judges a signature that is there by nothing else', () => {
    const all = { hmacSecret, legacySecret: 'shared-secret', bearerToken: 'a.token' };
    const open = { 'x-vapi-secret': 'shared-secret', authorization: 'Bearer a.token' };
    const right = { 'x-timestamp': seconds, 'x-signature': mac(`${seconds}.${body}`) };
    expect(given({ ...open, ...right }, all)).toBe('accepted');
    expect(given({ ...right, 'x-vapi-secret': 'wrong' }, all)).toBe('accepted');
    expect(given({ ...open, ...right, 'x-signature': mac('x') }, all)).toBe('signature_mismatch');
    expect(given({ ...open, 'x-signature': '' }, all)).toBe('signature_missing');
    expect(given({ ...open, ...right }, all, nowMs + 9e8)).toBe('timestamp_stale');
    expect(given(open, all)).toBe('accepted');
  });

  it('has the stored deliveries signed as its documents say', () => {
    const { hmacSecret: secret = '' } = secretsOf('vapi');
    const { rawBody, headers } = stored('vapi-status-ended');
    const expected = mac(`${headers['x-timestamp'] ?? ''}.${rawBody}`, 'hex', secret);
    expect(headers['x-signature']).toBe(expected);
  });
});
