// A generic HMAC sender: how it signs is data of the credential. Judged by node:crypto and by what other
// providers' fixtures are signed with.

import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';
import { providerOf } from '../../../ingest/providers/registry.js';
import { signAs } from '../signing.js';
import { factsOf, judged, mutated, nowMs, post, url } from './message-senders.js';

const secret = 'a-shared-secret';
const body = '{"type":"call.answered","id":"evt_1","call":{"id":"c1"}}';
const second = String(nowMs / 1000);
type Credentials = Readonly<Record<string, string>>;

const mac = (text: string, encoding: 'hex' | 'base64' = 'hex', key: string | Buffer = secret) =>
  createHmac('sha256', key).update(text).digest(encoding);
const given = (headers: Credentials): OutgoingDelivery => ({ ...post(body), headers });
const taken = (headers: Credentials, credentials: Credentials, atMs = nowMs): boolean =>
  judged('generic-hmac', given(headers), { secret, ...credentials }, atMs).accepted;

/** Problems of a credential as people are told them. */
function faults(credentials: Credentials): string[] {
  const parsed = providerOf('generic-hmac').credentialSchema.safeParse(credentials);
  return parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
}

describe('a generic sender', () => {
  it('signs the body alone unless told otherwise', () => {
    expect(taken({ 'x-signature': mac(body) }, {})).toBe(true);
    expect(taken({ 'x-signature': mac(body).toUpperCase() }, {})).toBe(true);
    expect(taken({ 'x-signature': mac(`${body} `) }, {})).toBe(false);
    expect(taken({}, {})).toBe(false);
  });

  it('has its own header, prefix, encoding and key', () => {
    const named = { signatureHeader: 'X-Hub-Signature-256', signaturePrefix: 'sha256=' };
    expect(taken({ 'x-hub-signature-256': `sha256=${mac(body)}` }, named)).toBe(true);
    expect(taken({ 'x-hub-signature-256': mac(body) }, named)).toBe(false);
    expect(taken({ 'x-signature': mac(body, 'base64') }, { encoding: 'base64' })).toBe(true);
    const key = Buffer.from('00ff10', 'hex');
    const hex = { secret: '00ff10', secretEncoding: 'hex' };
    expect(taken({ 'x-signature': mac(body, 'hex', key) }, hex)).toBe(true);
    const base64 = { secret: key.toString('base64'), secretEncoding: 'base64' };
    expect(taken({ 'x-signature': mac(body, 'hex', key) }, base64)).toBe(true);
  });

  it('signs a time, which must be near', () => {
    const timed = { timestampHeader: 'x-timestamp', toleranceSeconds: '60' };
    const headers = { 'x-timestamp': second, 'x-signature': mac(`${second}.${body}`) };
    expect(taken(headers, timed)).toBe(true);
    expect(taken(headers, timed, nowMs + 60_000)).toBe(true);
    expect(taken(headers, timed, nowMs + 61_001)).toBe(false);
    expect(taken(headers, timed, nowMs - 61_001)).toBe(false);
    expect(taken({ ...headers, 'x-timestamp': String(nowMs / 1000 + 1) }, timed)).toBe(false);
    const ms = { 'x-timestamp': String(nowMs), 'x-signature': mac(`${nowMs}.${body}`) };
    expect(taken(ms, timed)).toBe(true);
    expect(taken(ms, { ...timed, timestampUnit: 'ms' })).toBe(true);
    expect(taken(ms, { ...timed, timestampUnit: 's' })).toBe(false);
  });

  it('signs whatever text it says, with id, method and URL', () => {
    const all = {
      ...{ timestampHeader: 'x-time', idHeader: 'x-id' },
      signedText: '{method}:{url}:{id}:{timestamp}:{body}',
    };
    const text = `POST:${url}:m1:${second}:${body}`;
    const headers = { 'x-time': second, 'x-id': 'm1', 'x-signature': mac(text) };
    expect(taken(headers, all)).toBe(true);
    expect(taken({ ...headers, 'x-id': 'm2' }, all)).toBe(false);
  });

  it('sends several signatures in a list, with the time in it', () => {
    const listed = {
      ...{ signatureHeader: 'stripe-signature', signatureSeparator: ',', signaturePrefix: 'v1=' },
      timestampPrefix: 't=',
    };
    const good = mac(`${second}.${body}`);
    expect(
      taken({ 'stripe-signature': `t=${second},v1=${'0'.repeat(64)},v1=${good}` }, listed),
    ).toBe(true);
    expect(taken({ 'stripe-signature': `t=${second},v0=${good}` }, listed)).toBe(false);
    const spaced = { ...listed, signatureSeparator: 'space', timestampPrefix: '' };
    expect(faults({ secret, ...spaced }).join()).toMatch(/timestampPrefix/);
  });

  it('is told what is wrong with its credential, field by field', () => {
    expect(faults({ secret })).toEqual([]);
    expect(faults({ secret, signedText: '{timestamp}' })).toEqual(['signedText must hold {body}']);
    expect(faults({ secret, signedText: 'plain' })).toEqual(['signedText must hold {body}']);
    expect(faults({ secret, signedText: '{body}{nonce}' }).join()).toMatch(/no other placeholder/);
    expect(faults({ secret, signedText: '{timestamp}{body}' }).join()).toMatch(/not sent/);
    expect(faults({ secret, signedText: '{body}', timestampHeader: 'x-t' }).join()).toMatch(
      /signedText must hold \{timestamp\}/,
    );
    expect(faults({ secret, signedText: '{id}{body}' }).join()).toMatch(/\{id\}/);
    expect(faults({ secret, signatureHeader: 'x y' }).join()).toMatch(/signatureHeader must be/);
    expect(faults({ secret, toleranceSeconds: 'five' }).join()).toMatch(/toleranceSeconds must be/);
    expect(faults({ secret: 'xyz', secretEncoding: 'hex' }).join()).toMatch(/secret must be hex/);
    expect(faults({ secret, algorithm: 'md5' }).join()).toMatch(/algorithm/);
    expect(faults({}).join()).toMatch(/secret/);
    // A secret is repeated by no message.
    expect(
      faults({ secret: 'xyzzy', secretEncoding: 'hex', signedText: 'x' }).join(),
    ).not.toContain('xyzzy');
  });

  it('that signs no URL is not heard by GET', () => {
    const request = {
      ...given({ 'x-signature': mac('') }),
      method: 'GET' as const,
      body: Buffer.alloc(0),
    };
    expect(judged('generic-hmac', request, { secret }).code).toBe('body_not_signed');
  });

  it('goes by its other names too, and signs what it takes', () => {
    const timed = {
      secret,
      timestampHeader: 'x-timestamp',
      idHeader: 'x-id',
      signedText: '{id}.{timestamp}.{body}',
    };
    const signed = signAs('generic-hmac', post(body), timed, nowMs);
    for (const name of ['generic', 'hmac', 'generic_hmac']) {
      expect(judged(name, signed, timed).accepted).toBe(true);
    }
    for (const request of mutated(signed, ['x-signature', 'x-timestamp', 'x-id'])) {
      // Hex counts in any case, so the bit that makes a letter small changes nothing; that is not bit 0.
      expect(judged('generic-hmac', request, timed).accepted).toBe(false);
    }
  });
});

describe('the identity of what a generic sender tells', () => {
  const idOf = (content: string, credentials: Credentials, headers: Credentials = {}) => {
    const all = { secret, ...credentials };
    const request = {
      ...post(content),
      headers: { 'content-type': 'application/json', ...headers },
    };
    const signed = signAs('generic-hmac', request, all, nowMs);
    return factsOf('generic-hmac', signed, all)[0]?.factId;
  };
  const event = (id: unknown, more: object = {}) => JSON.stringify({ type: 'a.b', id, ...more });

  it('is the id in the body, whatever else is new at the next attempt', () => {
    expect(idOf(event('e1', { attempt: 1 }), {})).toBe(idOf(event('e1', { attempt: 2 }), {}));
    expect(idOf(event('e1'), {})).not.toBe(idOf(event('e2'), {}));
  });

  it('is at the path the credential names', () => {
    const at = (id: string, attempt: number) => JSON.stringify({ event: { id }, attempt });
    const path = { idPath: 'event.id' };
    expect(idOf(at('e1', 1), path)).toBe(idOf(at('e1', 2), path));
    expect(idOf(at('e1', 1), {})).not.toBe(idOf(at('e1', 2), {}));
  });

  it('is the id header where that is signed, and only there', () => {
    const signed = { idHeader: 'x-id', signedText: '{id}.{body}' };
    const attempt = (n: number) => JSON.stringify({ type: 'a.b', attempt: n });
    expect(idOf(attempt(1), signed, { 'x-id': 'm1' })).toBe(
      idOf(attempt(2), signed, { 'x-id': 'm1' }),
    );
    const unsigned = { idHeader: 'x-id', signedText: '{body}' };
    expect(idOf(attempt(1), unsigned, { 'x-id': 'm1' })).not.toBe(
      idOf(attempt(2), unsigned, { 'x-id': 'm1' }),
    );
  });

  it('is the digest of the body where nothing else is there', () => {
    expect(idOf('{"a":1}', {})).toBe(idOf('{"a":1}', {}));
    expect(idOf('{"a":1}', {})).not.toBe(idOf('{"a":2}', {}));
  });
});
