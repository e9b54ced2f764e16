import { createServer } from 'node:http';
import { once } from 'node:events';
import fc from 'fast-check';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeApiKey, parseApiKey, verifyApiKey } from '../../runtime/api-keys.js';
import type { ApiKeyRecord } from '../../runtime/registry.js';
import { createJwksVerifier, createLocalTokens } from '../../runtime/tokens.js';
import { tenantId } from '../../schemas/ids.js';

const acme = tenantId('acme');
const master = Buffer.alloc(32, 4);
const settings = { issuer: 'trunkline', audience: 'trunkline' };
const claims = { tenant: acme, role: 'viewer', subject: 'ada' } as const;
const minuteMs = 60_000;

describe('a local token', () => {
  it('verifies in every process with the same master key, and says who and until when', async () => {
    const now = 1_800_000_000_000;
    const fixed = { ...settings, clock: () => now };
    const token = await (await createLocalTokens(master, fixed)).sign(claims, minuteMs);
    expect(await (await createLocalTokens(master, fixed)).verify(token)).toEqual({
      ok: true,
      claims: { ...claims, expiresAt: now + minuteMs },
    });
  });

  it('is refused when over, altered, of another key, issuer or audience, or without a claim', async () => {
    const now = 1_800_000_000_000;
    const at = (clock: number, extra: object = {}, key = master) =>
      createLocalTokens(key, { ...settings, clock: () => clock, ...extra });
    const token = await (await at(now)).sign(claims, minuteMs);
    const reason = async (verifier: ReturnType<typeof at>, text: string) => {
      const result = await (await verifier).verify(text);
      return result.ok ? 'accepted' : result.reason;
    };
    expect(await reason(at(now + minuteMs + 31_000), token)).toBe('expired');
    expect(await reason(at(now), `${token.slice(0, -4)}AAAA`)).toBe('refused');
    expect(await reason(at(now, {}, Buffer.alloc(32, 5)), token)).toBe('refused');
    expect(await reason(at(now, { issuer: 'other' }), token)).toBe('refused');
    expect(await reason(at(now, { audience: 'other' }), token)).toBe('refused');
    for (const text of ['', 'x', 'a.b.c', '{}', token.split('.').slice(0, 2).join('.')]) {
      expect(['malformed', 'refused']).toContain(await reason(at(now), text));
    }
    const role = { ...claims, role: 'owner' as 'viewer' };
    expect(await reason(at(now), await (await at(now)).sign(role, minuteMs))).toBe('refused');
    const tenant = { ...claims, tenant: tenantId('NOT A TENANT') };
    expect(await reason(at(now), await (await at(now)).sign(tenant, minuteMs))).toBe('refused');
  });

  it('is refused under `none` and under an HMAC with the public key', async () => {
    const tokens = await createLocalTokens(master, settings);
    const token = await tokens.sign(claims, minuteMs);
    const [, payload = ''] = token.split('.');
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg })).toString('base64url');
    expect((await tokens.verify(`${header('none')}.${payload}.`)).ok).toBe(false);
    const forged = await new SignJWT({ tenant: 'acme', role: 'admin' })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('trunkline')
      .setAudience('trunkline')
      .setExpirationTime('1h')
      .sign(master);
    expect(await tokens.verify(forged)).toEqual({ ok: false, reason: 'refused' });
  });
});

describe('a token of an identity provider', () => {
  const keys = generateKeyPair('ES256');
  let url = '';
  const server = createServer((_request, response) => {
    void keys
      .then(({ publicKey }) => exportJWK(publicKey))
      .then((jwk) => response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'k1', alg: 'ES256' }] })));
  });
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/jwks`;
  });
  afterAll(() => server.close());

  const sign = async (extra: object = {}) =>
    new SignJWT({ tenant: 'acme', role: 'manager', ...extra })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer('trunkline')
      .setAudience('trunkline')
      .setSubject('grace')
      .setExpirationTime('5m')
      .sign((await keys).privateKey);

  it('verifies by the JWKS', async () => {
    const result = await createJwksVerifier(url, settings).verify(await sign());
    expect(result).toMatchObject({ ok: true, claims: { tenant: 'acme', role: 'manager' } });
    const local = await createLocalTokens(master, settings);
    expect(
      (await createJwksVerifier(url, settings).verify(await local.sign(claims, minuteMs))).ok,
    ).toBe(false);
  });

  it('is refused without an end, or with one that no date can name', async () => {
    const { privateKey } = await keys;
    const verdicts = [undefined, 8.64e12 + 1, 1e308].map(async (exp) => {
      const payload = { tenant: 'acme', role: 'manager', ...(exp === undefined ? {} : { exp }) };
      const token = await new SignJWT(payload)
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer('trunkline')
        .setAudience('trunkline')
        .sign(privateKey);
      return createJwksVerifier(url, settings).verify(token);
    });
    for (const verdict of await Promise.all(verdicts)) {
      expect(verdict).toEqual({ ok: false, reason: 'refused' });
    }
  });

  it('cannot be judged while the JWKS is away', async () => {
    const away = createJwksVerifier('http://127.0.0.1:1/jwks', settings);
    expect(await away.verify(await sign())).toEqual({ ok: false, reason: 'unavailable' });
  });
});

describe('the form of an API key', () => {
  it('carries its own checksum: every mistyped character is noticed without a look-up', () => {
    const { key, id } = makeApiKey();
    expect(key).toMatch(/^tl_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
    expect(parseApiKey(key)?.id).toBe(id);
    const asked: string[] = [];
    const registry = { apiKey: (wanted: string) => (asked.push(wanted), null) };
    fc.assert(
      fc.property(
        fc.nat(key.length - 1),
        fc.constantFrom('a', 'Z', '0', '9', '_', '-'),
        (at, character) => {
          const typed = key.slice(0, at) + character + key.slice(at + 1);
          fc.pre(typed !== key);
          expect(verifyApiKey(registry, typed, () => 0)).toEqual({
            ok: false,
            reason: 'malformed',
          });
        },
      ),
    );
    expect(asked).toEqual([]);
  });

  it('is refused with a right checksum and a wrong secret', () => {
    const [real, fake] = [makeApiKey(), makeApiKey()];
    const record: ApiKeyRecord = {
      ...{ id: fake.id, tenant: acme, role: 'admin', expiresAt: null },
      secretHash: real.secretHash,
    };
    const verdict = verifyApiKey({ apiKey: () => record }, fake.key, () => 0);
    expect(verdict).toEqual({ ok: false, reason: 'refused' });
  });
});
