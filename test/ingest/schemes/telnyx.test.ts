// Telnyx's scheme, judged by its SDK and by tweetnacl: what one signs the others accept.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import nacl from 'tweetnacl';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newTelnyxKey, signTelnyx, telnyxPublicKey } from '../signing.js';
import { verifyEd25519Timestamp } from '../../../ingest/schemes/ed25519-timestamp.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';

interface TelnyxSdk {
  TelnyxWebhook: new (key: string) => {
    verify(payload: string, headers: Record<string, string>): Promise<void>;
  };
}
const sdk = createRequire(import.meta.url)('telnyx/lib/webhooks.js') as TelnyxSdk;

const names = { signature: 'telnyx-signature-ed25519', timestamp: 'telnyx-timestamp' };
const url = 'https://hooks.example.com/v1/webhooks/ep';
const nowSec = 1_790_848_800;
const key = newTelnyxKey();
const publicKey = telnyxPublicKey(key);

function request(body: string | Buffer, headers: Record<string, string>): SignedRequest {
  return {
    method: 'POST',
    url,
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
  };
}

const judge = (given: SignedRequest, atSec = nowSec) =>
  verifyEd25519Timestamp(given, names, publicKey, atSec * 1000);
const sign = (body: string, atSec = nowSec) =>
  signTelnyx(url, Buffer.from(body), key, atSec * 1000).headers;

afterEach(() => {
  vi.useRealTimers();
});

describe('Telnyx requests', () => {
  it('that we sign are accepted by the SDK, by tweetnacl and by us', async () => {
    vi.useFakeTimers({ now: nowSec * 1000, toFake: ['Date'] });
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
        const body = Buffer.from(text).toString();
        const headers = sign(body);
        await new sdk.TelnyxWebhook(publicKey).verify(body, headers);
        expect(judge(request(body, headers)).ok).toBe(true);
      }),
      { numRuns: 50 },
    );
    const headers = sign('{}');
    const isRight = nacl.sign.detached.verify(
      Buffer.from(`${nowSec}|{}`),
      Buffer.from(headers[names.signature] ?? '', 'base64'),
      Buffer.from(publicKey, 'base64'),
    );
    expect(isRight).toBe(true);
  });

  it('that tweetnacl signs are accepted', () => {
    const pair = nacl.sign.keyPair();
    const signature = nacl.sign.detached(Buffer.from(`${nowSec}|{"a":1}`), pair.secretKey);
    const headers = {
      [names.signature]: Buffer.from(signature).toString('base64'),
      [names.timestamp]: String(nowSec),
    };
    const keyText = Buffer.from(pair.publicKey).toString('base64');
    const given = request('{"a":1}', headers);
    expect(verifyEd25519Timestamp(given, names, keyText, nowSec * 1000).ok).toBe(true);
    expect(judge(given)).toMatchObject({ code: 'signature_mismatch' });
  });

  it('stand for 300 seconds, both ways, to the second', () => {
    const given = request('{}', sign('{}'));
    expect(judge(given, nowSec + 300).ok).toBe(true);
    expect(judge(given, nowSec + 300.999).ok).toBe(true);
    expect(judge(given, nowSec + 301)).toMatchObject({
      layer: 'timestamp',
      code: 'timestamp_stale',
    });
    expect(judge(given, nowSec - 300).ok).toBe(true);
    expect(judge(given, nowSec - 301)).toMatchObject({
      layer: 'timestamp',
      code: 'timestamp_future',
    });
  });

  it('are refused with any timestamp that is not plain digits, though it was signed', () => {
    for (const text of [
      ' 1790848800',
      '1790848800.0',
      '+1790848800',
      '1.79e9',
      '0x6abc',
      '-1',
      '９',
    ]) {
      const signature = nacl.sign.detached(
        Buffer.from(`${text}|{}`),
        nacl.sign.keyPair.fromSeed(Buffer.from(key, 'base64')).secretKey,
      );
      const headers = {
        [names.signature]: Buffer.from(signature).toString('base64'),
        [names.timestamp]: text,
      };
      expect(judge(request('{}', headers))).toMatchObject({
        layer: 'timestamp',
        code: 'timestamp_malformed',
      });
    }
  });

  it('are refused with a signature that is not strict base64 of 64 bytes', () => {
    const headers = sign('{}');
    const signature = headers[names.signature] ?? '';
    const bytes = Buffer.from(signature, 'base64');
    const variants = [
      bytes.toString('base64url'),
      signature.slice(0, -2),
      ` ${signature}`,
      `${signature}\n`,
      bytes.subarray(0, 63).toString('base64'),
      Buffer.concat([bytes, Buffer.of(0)]).toString('base64'),
      bytes.toString('hex'),
      // The same 64 bytes with a bit set that they do not need.
      signature.replace(/(.)==$/, (_, last: string) => `${nextLetter(last)}==`),
    ];
    for (const text of variants) {
      const verdict = judge(request('{}', { ...headers, [names.signature]: text }));
      expect(verdict).toMatchObject({ ok: false, layer: 'signature' });
    }
  });

  it('are refused when a byte of body or timestamp changes', () => {
    const headers = sign('{"a":1}');
    expect(judge(request('{"a":2}', headers))).toMatchObject({ code: 'signature_mismatch' });
    const later = { ...headers, [names.timestamp]: String(nowSec + 1) };
    expect(judge(request('{"a":1}', later))).toMatchObject({ code: 'signature_mismatch' });
  });

  it('are refused without one of the two headers, or with one twice', () => {
    const headers = sign('{}');
    const signature = headers[names.signature] ?? '';
    const verdictOf = (change: Record<string, string>) =>
      judge(request('{}', { ...headers, ...change }));
    expect(verdictOf({ [names.signature]: '' })).toMatchObject({ code: 'signature_missing' });
    expect(verdictOf({ [names.timestamp]: '' })).toMatchObject({ code: 'timestamp_missing' });
    expect(verdictOf({ [names.signature]: `${signature}, ${signature}` })).toMatchObject({
      code: 'signature_repeated',
    });
  });
});

function nextLetter(letter: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return alphabet[alphabet.indexOf(letter) | 1] ?? 'A';
}
