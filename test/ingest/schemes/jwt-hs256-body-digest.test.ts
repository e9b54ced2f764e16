// Tokens with a body digest, judged by jsonwebtoken, Vonage's SDK and LiveKit's: what they sign we accept, what
// we sign they accept, and what they let through although nobody should, we refuse.

import { createHash, createHmac } from 'node:crypto';
import { verifySignature } from '@vonage/jwt';
import fc from 'fast-check';
import { AccessToken, WebhookReceiver } from 'livekit-server-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  claimsOf,
  signJwtBodyDigest,
  verifyJwtBodyDigest,
  type JwtRules,
} from '../../../ingest/schemes/jwt-hs256-body-digest.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';

const vonage: JwtRules = {
  header: 'authorization',
  form: 'bearer',
  digest: { claim: 'payload_hash', encoding: 'hex' },
  window: { issuedAt: { pastSec: 300, futureSec: 60 }, requiresExpiry: false, leewaySec: 0 },
};
const livekit: JwtRules = {
  header: 'authorization',
  form: 'bare',
  digest: { claim: 'sha256', encoding: 'base64' },
  window: { issuedAt: null, requiresExpiry: true, leewaySec: 10 },
};
const secret = 'a secret of thirty-two characters';
const nowSec = 1_790_848_800;
const claims = { iss: 'Vonage', iat: nowSec, jti: 'one' };

function request(body: Buffer | string, authorization?: string): SignedRequest {
  const headers = new Map(authorization === undefined ? [] : [['authorization', authorization]]);
  const url = 'https://hooks.example.com/v1/webhooks/ep';
  return { method: 'POST', url, headers, body: Buffer.from(body) };
}

const judge = (given: SignedRequest, atSec = nowSec, rules = vonage) =>
  verifyJwtBodyDigest(given, rules, { secret, issuer: 'Vonage' }, atSec * 1000);
const signed = (body: Buffer | string, more: Record<string, unknown> = {}) =>
  signJwtBodyDigest(Buffer.from(body), vonage, secret, { ...claims, ...more });

/** A token of any header and claims, as a careless sender would make it. */
function token(header: object, payload: object, digest = 'sha256'): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(payload)}`;
  return `Bearer ${text}.${createHmac(digest, secret).update(text).digest('base64url')}`;
}

const hex = (body: string) => createHash('sha256').update(body).digest('hex');

afterEach(() => {
  vi.useRealTimers();
});

describe('tokens that carry the digest of a body', () => {
  it('are accepted by the SDK of Vonage and by us, whatever the body', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const body = Buffer.from(bytes);
        const header = signed(body);
        expect(verifySignature(header.slice('Bearer '.length), secret)).toBe(true);
        expect(judge(request(body, header))).toMatchObject({
          ok: true,
          signedAtMs: nowSec * 1000,
          claims: { jti: 'one' },
        });
      }),
      { numRuns: 200 },
    );
  });

  it('are accepted where LiveKit’s SDK makes them, and by it where we do', async () => {
    vi.useFakeTimers({ now: nowSec * 1000, toFake: ['Date'] });
    const body = '{"event":"room_started","id":"EV_1"}';
    const made = new AccessToken('APIkey', secret, { ttl: 300 });
    made.sha256 = createHash('sha256').update(body).digest('base64');
    const theirs = request(body, await made.toJwt());
    const verdict = verifyJwtBodyDigest(theirs, livekit, { secret, issuer: 'APIkey' }, Date.now());
    expect(verdict.ok).toBe(true);
    const times = { nbf: nowSec, exp: nowSec + 300 };
    const ours = signJwtBodyDigest(Buffer.from(body), livekit, secret, { iss: 'APIkey', ...times });
    const event = await new WebhookReceiver('APIkey', secret).receive(body, ours);
    expect(event.id).toBe('EV_1');
  });

  it('bind the body: another one is refused, which the SDK lets through', () => {
    const header = signed('{"status":"answered"}');
    expect(verifySignature(header.slice('Bearer '.length), secret)).toBe(true);
    expect(judge(request('{"status":"completed"}', header))).toMatchObject({
      code: 'body_digest_mismatch',
      layer: 'signature',
    });
  });

  it('are refused without a digest, or with one that is no text', () => {
    for (const payload_hash of [undefined, null, 7, [hex('{}')], hex('{}').toUpperCase(), '']) {
      const header = token({ alg: 'HS256' }, { ...claims, payload_hash });
      expect(judge(request('{}', header)).ok).toBe(false);
    }
    expect(judge(request('{}', token({ alg: 'HS256' }, claims)))).toMatchObject({
      code: 'body_not_signed',
    });
  });

  it('are refused by any algorithm but HS256, whatever the signature', () => {
    const payload = { ...claims, payload_hash: hex('{}') };
    for (const alg of ['none', 'None', 'HS384', 'HS512', 'RS256', 'hs256', '', null, ['HS256']]) {
      const header = token({ alg, typ: 'JWT' }, payload);
      expect(judge(request('{}', header))).toMatchObject({ code: 'algorithm_refused' });
    }
    const unsigned = token({ alg: 'none' }, payload).replace(/[^.]*$/, '');
    expect(judge(request('{}', unsigned)).ok).toBe(false);
    expect(judge(request('{}', token({ alg: 'HS256' }, payload, 'sha512'))).ok).toBe(false);
    const critical = token({ alg: 'HS256', crit: ['b64'], b64: false }, payload);
    expect(judge(request('{}', critical))).toMatchObject({ code: 'algorithm_refused' });
  });

  it('are refused of another issuer, which the SDK lets through', () => {
    for (const iss of ['vonage', 'Vonage ', undefined, ['Vonage']]) {
      const header = signed('{}', { iss });
      expect(verifySignature(header.slice('Bearer '.length), secret)).toBe(true);
      expect(judge(request('{}', header))).toMatchObject({ code: 'issuer_mismatch' });
    }
  });

  it('stand in the window of their issue, to the second', () => {
    const given = request('{}', signed('{}'));
    expect(judge(given, nowSec + 300.9).ok).toBe(true);
    expect(judge(given, nowSec - 60).ok).toBe(true);
    const stale = { code: 'timestamp_stale', layer: 'timestamp', signedAtMs: nowSec * 1000 };
    expect(judge(given, nowSec + 301)).toMatchObject(stale);
    expect(judge(given, nowSec - 61)).toMatchObject({ code: 'timestamp_future' });
  });

  it('are refused without the times that are asked for, or with times that are none', () => {
    const without = token({ alg: 'HS256' }, { iss: 'Vonage', payload_hash: hex('{}') });
    expect(judge(request('{}', without))).toMatchObject({ code: 'timestamp_missing' });
    for (const iat of ['1790848800', null, {}, 1e300]) {
      expect(judge(request('{}', signed('{}', { iat })))).toMatchObject({
        code: 'timestamp_malformed',
      });
    }
    const body = Buffer.from('{}');
    const endless = request(body, signJwtBodyDigest(body, livekit, secret, { iss: 'Vonage' }));
    expect(judge(endless, nowSec, livekit)).toMatchObject({ code: 'timestamp_missing' });
  });

  it('stand between `nbf` and `exp` with the leeway, and no longer', () => {
    const body = Buffer.from('{}');
    const times = { iss: 'Vonage', nbf: nowSec, exp: nowSec + 300 };
    const given = request(body, signJwtBodyDigest(body, livekit, secret, times));
    expect(judge(given, nowSec + 309, livekit).ok).toBe(true);
    expect(judge(given, nowSec + 310, livekit)).toMatchObject({ code: 'timestamp_stale' });
    expect(judge(given, nowSec - 10, livekit).ok).toBe(true);
    expect(judge(given, nowSec - 11, livekit)).toMatchObject({ code: 'timestamp_future' });
  });

  it('are refused when anything of them is changed by a byte', () => {
    const body = '{"status":"answered"}';
    const header = signed(body);
    const start = 'Bearer '.length;
    fc.assert(
      fc.property(fc.nat(header.length - start - 1), fc.integer({ min: 1, max: 127 }), (at, by) => {
        const bytes = Buffer.from(header, 'latin1');
        bytes[start + at] = (bytes[start + at] ?? 0) ^ by;
        expect(judge(request(body, bytes.toString('latin1'))).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
    for (const change of [`${header}=`, `${header}.`, header.replace('.', '..'), `${header}A`]) {
      expect(judge(request(body, change)).ok).toBe(false);
    }
  });

  it('stand in the form the rules say: behind `Bearer`, or bare', () => {
    const bare = signed('{}').slice('Bearer '.length);
    expect(judge(request('{}', bare))).toMatchObject({ code: 'signature_malformed' });
    expect(judge(request('{}', `bearer ${bare}`)).ok).toBe(true);
    expect(judge(request('{}', signed('{}')), nowSec, { ...vonage, form: 'bare' }).ok).toBe(false);
    expect(judge(request('{}'))).toMatchObject({ code: 'signature_missing' });
    expect(judge(request('{}', `Bearer ${bare}, Bearer ${bare}`))).toMatchObject({
      code: 'signature_repeated',
    });
  });

  it('of a GET have nothing to digest; the token of a POST is no token of a GET', () => {
    const get = (authorization: string, body = ''): SignedRequest => ({
      ...request(body, authorization),
      method: 'GET',
    });
    expect(judge(get(token({ alg: 'HS256' }, claims))).ok).toBe(true);
    expect(judge(get(signed(''))).ok).toBe(true);
    expect(judge(get(signed('{}')))).toMatchObject({ code: 'body_digest_mismatch' });
    expect(judge(get(signed('{}'), '{}'))).toMatchObject({ code: 'body_not_signed' });
  });

  it('give their claims once they were verified', () => {
    expect(claimsOf(signed('{}'))).toMatchObject({ jti: 'one', payload_hash: hex('{}') });
    for (const none of [undefined, '', 'Bearer x', 'a.b.c']) expect(claimsOf(none)).toBeNull();
  });
});
