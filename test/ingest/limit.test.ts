import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Limits } from '../../ingest/limit.js';
import { Buckets, burstTicks, costOf, ticksPerMs, waitOf } from '../../ingest/limit-bucket.js';
import { limitHeaders, type Standing } from '../../ingest/limit-standing.js';
import type { Endpoint } from '../../runtime/registry.js';
import { endpointId, tenantId } from '../../schemas/ids.js';
import { endpoint } from './fixtures.js';

const rates = { endpoint: 100, tenant: 1000, credential: 0, address: 50 };
const address = '192.0.2.7';

/** Alone, at a time of our own; takes are decided at once. */
function alone(change: Partial<typeof rates> = {}) {
  const clock = { ms: 1 };
  const limits = new Limits({ rates: { ...rates, ...change }, nowMs: () => clock.ms });
  const take = (of: Endpoint, credential = 'c1'): Standing => {
    const standing = limits.take(of, credential, address);
    if (standing instanceof Promise) throw new Error('there is no Redis here');
    return standing;
  };
  return { clock, limits, take };
}

/** Takes from one bucket alone. */
function takeFrom(buckets: Buckets, key: string, perSecond: number, now: number): number | null {
  const cost = costOf(perSecond);
  const used = buckets.used(key, now);
  const wait = waitOf(used, cost);
  if (wait > 0) return wait;
  buckets.put(key, used + cost, now);
  return null;
}

test('a burst of ten seconds of the rate passes at once, the next delivery waits', () => {
  const { clock, take } = alone();
  const slow = endpoint({ ratePerSecond: 5 });
  for (let i = 0; i < 50; i += 1) expect(take(slow).refusedBy).toBe(null);
  const refused = take(slow);
  expect(refused.refusedBy).toBe('endpoint');
  expect(refused.retryInMs).toBe(200);
  clock.ms += 200;
  expect(take(slow).refusedBy).toBe(null);
});

test('over any time never more pass than the burst and the rate allow, and never fewer than the rate', () => {
  const arrivals = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 50 }), (gaps, rate) => {
      const buckets = new Buckets({ maxKeys: 10 });
      let now = 1;
      let passed = 0;
      for (const gap of gaps) {
        now += gap * ticksPerMs;
        const wait = takeFrom(buckets, 'a', rate, now);
        if (wait !== null) {
          expect(takeFrom(buckets, 'a', rate, now + wait - 1)).not.toBe(null);
          expect(takeFrom(buckets, 'a', rate, now + wait)).toBe(null);
        }
        passed += 1;
        const seconds = (now + (wait ?? 0)) / (1000 * ticksPerMs);
        expect(passed).toBeLessThanOrEqual(rate * (10 + seconds) * 1.0001 + 1);
      }
    }),
  );
});

test('any rate lets at least one delivery pass, and a very high one is held nearly to the point', () => {
  for (const rate of [0.001, 0.5, 1, 3, 7, 333, 2000, 700_000, 1_000_000]) {
    const fits = Math.floor(burstTicks / costOf(rate));
    expect(fits).toBeGreaterThanOrEqual(Math.max(1, Math.floor(rate * 10)));
    expect(fits).toBeLessThanOrEqual(Math.max(1, rate * 10 * 1.03));
  }
});

test('one key does not use up another, and a flood of keys does not push a drained one out', () => {
  const buckets = new Buckets({ maxKeys: 10 });
  for (let i = 0; i < 10; i += 1) takeFrom(buckets, 'busy', 1, 1);
  expect(takeFrom(buckets, 'busy', 1, 1)).not.toBe(null);
  for (let i = 0; i < 1000; i += 1) takeFrom(buckets, `stranger-${i}`, 1, 1);
  expect(buckets.size).toBeLessThanOrEqual(2 * 10 + 1);
  expect(takeFrom(buckets, 'busy', 1, 2)).not.toBe(null);
});

test('a key that was not used for a while is forgotten and starts full', () => {
  const buckets = new Buckets({ maxKeys: 10 });
  const second = 1000 * ticksPerMs;
  for (let i = 0; i < 10; i += 1) takeFrom(buckets, 'a', 1, 1);
  takeFrom(buckets, 'b', 1, 10 * second + 2);
  takeFrom(buckets, 'b', 1, 40 * second);
  expect(buckets.size).toBe(1);
  expect(buckets.used('a', 40 * second)).toBe(0);
});

test('a tenant’s rate is over all its endpoints, and a refusal by it takes nothing of the endpoint', () => {
  const { clock, take } = alone({ tenant: 2 });
  const one = endpoint({ id: endpointId('ep_0000000000000001') });
  const two = endpoint({ id: endpointId('ep_0000000000000002') });
  const other = endpoint({ id: endpointId('ep_0000000000000003'), tenant: tenantId('globex') });
  for (let i = 0; i < 20; i += 1) expect(take(i % 2 === 0 ? one : two).refusedBy).toBe(null);
  const before = take(one);
  for (let i = 0; i < 50; i += 1) expect(take(one).refusedBy).toBe('tenant');
  expect(take(one).used).toEqual(before.used);
  expect(take(other).refusedBy).toBe(null);
  clock.ms += 500;
  expect(take(one).refusedBy).toBe(null);
});

test('a credential is limited where that is asked for, each by itself', () => {
  const { take } = alone({ credential: 1 });
  const busy = endpoint();
  for (let i = 0; i < 10; i += 1) expect(take(busy, 'old').refusedBy).toBe(null);
  expect(take(busy, 'old').refusedBy).toBe('credential');
  expect(take(busy, 'new').refusedBy).toBe(null);
  const unlimited = alone();
  for (let i = 0; i < 1000; i += 1) unlimited.take(busy, 'old');
  expect(unlimited.take(busy, 'old').refusedBy).toBe('endpoint');
  expect(limitHeaders(unlimited.take(busy))['ratelimit-policy']).not.toContain('credential');
});

test('what is used up is refused before anything is verified; what cannot be verified uses up nothing', () => {
  const { clock, limits, take } = alone();
  const slow = endpoint({ ratePerSecond: 1 });
  for (let i = 0; i < 5000; i += 1) {
    expect(limits.admit(slow, '198.51.100.1').ok).toBe(true);
  }
  for (let i = 0; i < 10; i += 1) take(slow);
  const refused = limits.admit(slow, '198.51.100.1');
  expect(refused).toMatchObject({
    ok: false,
    standing: { refusedBy: 'endpoint', retryInMs: 1000 },
  });
  clock.ms += 1000;
  expect(limits.admit(slow, '198.51.100.1').ok).toBe(true);
});

test('the headers name every bucket that was asked, and when to come back', () => {
  const { clock, take, limits } = alone({ credential: 200 });
  const slow = endpoint({ ratePerSecond: 1 });
  for (let i = 0; i < 10; i += 1) take(slow);
  const policy = '"endpoint";q=10;w=10, "tenant";q=10000;w=10, "credential";q=2000;w=10';
  expect(limitHeaders(take(slow))).toEqual({
    'ratelimit-policy': policy,
    ratelimit: '"endpoint";r=0;t=10, "tenant";r=9990;t=1, "credential";r=1990;t=1',
    'retry-after': '1',
  });
  clock.ms += 5000;
  expect(limitHeaders(take(slow))).toEqual({
    'ratelimit-policy': policy,
    ratelimit: '"endpoint";r=4;t=6, "tenant";r=9999;t=1, "credential";r=1999;t=1',
  });
  // A sender that was not verified learns nothing of the tenant.
  expect(limitHeaders(limits.failed(slow, address, false))).toEqual({
    'ratelimit-policy': '"address";q=500;w=10',
    ratelimit: '"address";r=499;t=1',
  });
});
