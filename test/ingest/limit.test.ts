import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Buckets, Limits, subscriberOf } from '../../ingest/limit.js';
import { endpoint } from './fixtures.js';

const bucket = (maxKeys = 100) => new Buckets({ bucket: 'address', maxKeys });

test('a burst of ten seconds of the rate passes at once, the next delivery waits', () => {
  const buckets = bucket();
  for (let i = 0; i < 50; i += 1) expect(buckets.take('a', 5, 1000).ok).toBe(true);
  const refused = buckets.take('a', 5, 1000);
  expect(refused).toMatchObject({ ok: false, remaining: 0 });
  expect(refused.retryInMs).toBeCloseTo(200);
  expect(buckets.take('a', 5, 1201).ok).toBe(true);
});

test('over any time never more pass than the burst and the rate allow, and never fewer than the rate', () => {
  const arrivals = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 50 }), (gaps, rate) => {
      const buckets = bucket();
      let now = 1;
      let passed = 0;
      for (const gap of gaps) {
        now += gap;
        const quota = buckets.take('a', rate, now);
        if (quota.ok) passed += 1;
        else expect(buckets.take('a', rate, now + quota.retryInMs + 0.001).ok).toBe(true);
        if (!quota.ok) passed += 1;
        expect(passed).toBeLessThanOrEqual(rate * 10 + (rate * (now + 1000 / rate)) / 1000 + 1);
      }
    }),
  );
});

test('one key does not use up another, and a flood of keys does not push a drained one out', () => {
  const buckets = bucket(10);
  for (let i = 0; i < 10; i += 1) buckets.take('busy', 1, 1);
  expect(buckets.take('busy', 1, 1).ok).toBe(false);
  for (let i = 0; i < 1000; i += 1) buckets.take(`stranger-${i}`, 1, 1);
  expect(buckets.size).toBeLessThanOrEqual(2 * 10 + 1);
  expect(buckets.take('busy', 1, 2).ok).toBe(false);
});

test('a key that was not used for a while is forgotten and starts full', () => {
  const buckets = bucket();
  for (let i = 0; i < 10; i += 1) buckets.take('a', 1, 1);
  expect(buckets.take('b', 1, 10_002).ok).toBe(true);
  expect(buckets.take('b', 1, 40_000).ok).toBe(true);
  expect(buckets.size).toBe(1);
  expect(buckets.take('a', 1, 40_001).remaining).toBe(9);
});

test('the headers name both policies, the nearer limit and when to come back', () => {
  let now = 1;
  const limits = new Limits({ endpoint: 100, address: 50 }, () => now);
  const slow = endpoint({ ratePerSecond: 1 });
  for (let i = 0; i < 10; i += 1) expect(limits.ofEndpoint(slow).ok).toBe(true);
  const refused = limits.ofEndpoint(slow);
  expect(limits.headers(refused, slow)).toEqual({
    'ratelimit-policy': '"endpoint";q=10;w=10, "address";q=500;w=10',
    ratelimit: '"endpoint";r=0;t=10',
    'retry-after': '1',
  });
  now += 5000;
  expect(limits.headers(limits.ofEndpoint(slow), slow)).toMatchObject({
    ratelimit: '"endpoint";r=4;t=6',
  });
});

test('an IPv6 host counts by its /64, IPv4 inside IPv6 as IPv4', () => {
  expect(subscriberOf('192.0.2.7')).toBe('192.0.2.7');
  expect(subscriberOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(subscriberOf('::ffff:c000:207')).toBe('192.0.2.7');
  expect(subscriberOf('2001:db8:1:2::1')).toBe(subscriberOf('2001:db8:1:2:ffff::2'));
  expect(subscriberOf('2001:db8:1:2::1')).not.toBe(subscriberOf('2001:db8:1:3::1'));
});
