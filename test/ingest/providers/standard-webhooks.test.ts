// Standard Webhooks, Svix and Clerk beside their own verifiers (svix, standardwebhooks, @clerk/backend): what
// they sign we take, what we sign they take, and what one of them refuses so do we.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newSigningSecret } from '../../../cli/simulator/secrets.js';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';
import { clerkTakes, standardWebhooksTakes, Svix, svixTakes } from '../judges.js';
import { signAs } from '../signing.js';
import { judged, mutated, nowMs, post } from './message-senders.js';

const signingSecret = 'whsec_Zml4dHVyZS1jbGVyay1zaWduaW5nLWtleS0wMDAwMDE=';
const other = newSigningSecret();
const body = '{"type":"user.created","data":{"id":"user_1"}}';
type Headers = Readonly<Record<string, string>>;

/** Signed by svix itself. */
function bySvix(family: string, atMs = nowMs, secret = signingSecret): OutgoingDelivery {
  const at = new Date(Math.floor(atMs / 1000) * 1000);
  const headers = {
    [`${family}-id`]: 'msg_1',
    [`${family}-timestamp`]: String(at.getTime() / 1000),
    [`${family}-signature`]: new Svix(secret).sign('msg_1', at, body),
  };
  return { ...post(body), headers: { 'content-type': 'application/json', ...headers } };
}

const withHeaders = (request: OutgoingDelivery, headers: Headers): OutgoingDelivery => ({
  ...request,
  headers: { ...request.headers, ...headers },
});
const without = (request: OutgoingDelivery, ...names: string[]): OutgoingDelivery => ({
  ...request,
  headers: Object.fromEntries(
    Object.entries(request.headers).filter(([name]) => !names.includes(name)),
  ),
});
const taken = (provider: string, request: OutgoingDelivery, atMs = nowMs): boolean =>
  judged(provider, request, { signingSecret }, atMs).accepted;
const v1 = (request: OutgoingDelivery, family: string): string =>
  request.headers[`${family}-signature`] ?? '';

describe('Standard Webhooks', () => {
  it.each(['svix', 'webhook'])('takes what svix signs, by %s- headers', (family) => {
    const request = bySvix(family);
    expect(svixTakes(request, signingSecret, nowMs)).toBe(true);
    expect(taken('standard-webhooks', request)).toBe(true);
  });

  it('signs what svix and standardwebhooks take', () => {
    const signed = signAs('standard-webhooks', post(body), { signingSecret }, nowMs);
    expect(svixTakes(signed, signingSecret, nowMs)).toBe(true);
    expect(standardWebhooksTakes(signed, signingSecret, nowMs)).toBe(true);
    // The same message delivered again is the same message.
    const again = signAs('standard-webhooks', post(body), { signingSecret }, nowMs + 60_000);
    expect(again.headers['webhook-id']).toBe(signed.headers['webhook-id']);
  });

  it('goes by its other names too', () => {
    for (const name of ['svix', 'standardwebhooks', 'standard_webhooks']) {
      expect(judged(name, bySvix('svix'), { signingSecret }).accepted).toBe(true);
    }
    expect(judged('Svix', bySvix('svix'), { signingSecret }).code).toBe('provider_unknown');
  });

  it('takes a secret with its prefix and without, and under the name of the standard', () => {
    const bare = signingSecret.slice('whsec_'.length);
    for (const credentials of [
      { signingSecret: bare },
      { secret: signingSecret },
      { secret: bare },
    ]) {
      expect(judged('standard-webhooks', bySvix('webhook'), credentials).accepted).toBe(true);
    }
    for (const wrong of ['whsec_', '', 'no base64!', `${bare} `]) {
      const verdict = judged('standard-webhooks', bySvix('webhook'), { signingSecret: wrong });
      expect(verdict.code).toBe('credentials_invalid');
    }
  });

  it('decodes the secret: its text is not the key', () => {
    const asText = `whsec_${Buffer.from(signingSecret).toString('base64')}`;
    expect(taken('standard-webhooks', bySvix('svix', nowMs, asText))).toBe(false);
  });

  it('reads svix- headers before webhook- ones, each for itself', () => {
    const good = bySvix('svix');
    const wrong = { 'webhook-id': 'msg_2', 'webhook-timestamp': '1', 'webhook-signature': 'v1,x' };
    const mixed = without(withHeaders(good, { 'webhook-id': 'msg_1' }), 'svix-id');
    for (const request of [withHeaders(good, wrong), mixed]) {
      expect(svixTakes(request, signingSecret, nowMs)).toBe(true);
      expect(taken('standard-webhooks', request)).toBe(true);
    }
    const spoiled = withHeaders(bySvix('webhook'), { 'svix-signature': 'v1,x' });
    expect(svixTakes(spoiled, signingSecret, nowMs)).toBe(false);
    expect(taken('standard-webhooks', spoiled)).toBe(false);
  });

  it('takes one matching v1 of several, and skips every other version', () => {
    const good = bySvix('svix');
    const match = v1(good, 'svix');
    const mismatch = v1(bySvix('svix', nowMs, other), 'svix');
    const cases: readonly [string, boolean][] = [
      [`${mismatch} ${match}`, true],
      [`${match} ${mismatch}`, true],
      [`v1a,${match.slice(3)} ${match}`, true],
      [`v1a,${match.slice(3)}`, false],
      [`v2,${match.slice(3)}`, false],
      [match.slice(3), false],
      [`${mismatch} ${mismatch}`, false],
      [`${match},${mismatch}`, true],
      // A header that came twice, as a receiver joins it.
      [`${match}, ${mismatch}`, true],
      [match.toUpperCase(), false],
      [`  ${match}  `, true],
    ];
    for (const [signature, expected] of cases) {
      const request = withHeaders(good, { 'svix-signature': signature });
      expect(svixTakes(request, signingSecret, nowMs), signature).toBe(expected);
      expect(taken('standard-webhooks', request), signature).toBe(expected);
    }
  });

  it.each([
    ['right now', 0, true],
    ['300 s old', 300, true],
    ['301 s old', 301, false],
    ['300 s ahead', -300, true],
    ['301 s ahead', -301, false],
  ])('judges a message %s', (_age, ageSec, expected) => {
    const request = bySvix('svix', nowMs - ageSec * 1000);
    expect(svixTakes(request, signingSecret, nowMs + 999)).toBe(expected);
    expect(taken('standard-webhooks', request, nowMs + 999)).toBe(expected);
  });

  it('reads the timestamp as the SDK does: parsed, and written anew', () => {
    const good = bySvix('svix');
    const time = good.headers['svix-timestamp'] ?? '';
    const texts = [
      `0${time}`,
      ` ${time}`,
      `${time}.9`,
      `+${time}`,
      `${time}abc`,
      '',
      'x',
      '1e9',
      '-1',
    ];
    for (const text of texts) {
      const request = withHeaders(good, { 'svix-timestamp': text });
      expect(taken('standard-webhooks', request), text).toBe(
        svixTakes(request, signingSecret, nowMs),
      );
    }
  });

  it.each(['id', 'timestamp', 'signature'])('needs the %s', (name) => {
    const request = without(bySvix('webhook'), `webhook-${name}`);
    expect(svixTakes(request, signingSecret, nowMs)).toBe(false);
    expect(taken('standard-webhooks', request)).toBe(false);
  });

  it('refuses a GET, whose query nothing binds', () => {
    const verdict = judged(
      'standard-webhooks',
      { ...bySvix('svix'), method: 'GET' },
      { signingSecret },
    );
    expect(verdict).toMatchObject({ accepted: false, code: 'body_not_signed' });
  });

  it('refuses every change of one bit in what is signed', () => {
    let tried = 0;
    for (const request of mutated(bySvix('svix'), [
      'svix-id',
      'svix-timestamp',
      'svix-signature',
    ])) {
      tried += 1;
      expect(taken('standard-webhooks', request)).toBe(false);
    }
    expect(tried).toBeGreaterThan(100);
  });

  it('agrees with svix on anything', () => {
    const good = bySvix('svix');
    const text = (value: string) =>
      fc.oneof(
        fc.constant(value),
        fc.string({ maxLength: 8 }).map((more) => value + more),
        fc.string(),
      );
    fc.assert(
      fc.property(
        fc.record({
          'svix-id': text('msg_1'),
          'svix-timestamp': text(good.headers['svix-timestamp'] ?? ''),
          'svix-signature': fc
            .array(fc.constantFrom(v1(good, 'svix'), 'v1,', 'v1', 'v1a,x', ',', ''), {
              maxLength: 4,
            })
            .map((parts) => parts.join(' ')),
        }),
        (headers) => {
          const request = withHeaders(good, headers);
          expect(taken('standard-webhooks', request)).toBe(
            svixTakes(request, signingSecret, nowMs),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('Clerk', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: nowMs, toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('takes what svix signs, and signs what Clerk’s own verifier takes', async () => {
    const given = bySvix('svix');
    expect(await clerkTakes(given, signingSecret)).toBe(true);
    expect(taken('clerk', given)).toBe(true);
    const signed = signAs('clerk', post(body), { signingSecret }, nowMs);
    expect(await clerkTakes(signed, signingSecret)).toBe(true);
    expect(taken('clerk', signed)).toBe(true);
  });

  it('wants the svix- names, as Clerk’s own verifier does', async () => {
    const request = bySvix('webhook');
    expect(await clerkTakes(request, signingSecret)).toBe(false);
    expect(taken('clerk', request)).toBe(false);
    expect(judged('clerk', request, { signingSecret }).code).toBe('signature_missing');
  });

  it('refuses another secret, another time and every change of one bit', async () => {
    const foreign = bySvix('svix', nowMs, other);
    expect(await clerkTakes(foreign, signingSecret)).toBe(false);
    expect(judged('clerk', foreign, { signingSecret }).code).toBe('signature_mismatch');
    expect(judged('clerk', bySvix('svix', nowMs - 301_000), { signingSecret }).code).toBe(
      'timestamp_stale',
    );
    expect(judged('clerk', bySvix('svix', nowMs + 301_000), { signingSecret }).code).toBe(
      'timestamp_future',
    );
    for (const request of mutated(bySvix('svix'), [
      'svix-id',
      'svix-timestamp',
      'svix-signature',
    ])) {
      expect(taken('clerk', request)).toBe(false);
    }
  });

  it('takes the retiring secret of two', () => {
    const credentials = [{ signingSecret: other }, { signingSecret }];
    expect(judged('clerk', bySvix('svix'), credentials).accepted).toBe(true);
  });
});
