import { expect, test } from 'vitest';

import { isAllowedSource } from '../../ingest/allow.js';
import { providerNames, providerOf } from '../../ingest/providers/registry.js';
import { parseCidr } from '../../runtime/client-address.js';
import { endpoint } from './fixtures.js';

const allows = (allow: readonly string[], address: string) =>
  isAllowedSource(endpoint({ allow }), address);

test('an empty list allows every address', () => {
  expect(allows([], '203.0.113.9')).toBe(true);
  expect(allows([], 'not an address')).toBe(true);
});

test('a list allows what is in one of its networks and nothing else', () => {
  const list = ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7'];
  for (const address of ['192.0.2.255', '2001:db8:ffff::1', '198.51.100.7']) {
    expect(allows(list, address)).toBe(true);
  }
  for (const address of ['192.0.3.0', '2001:db9::1', '198.51.100.8', '', 'x', '::1']) {
    expect(allows(list, address)).toBe(false);
  }
});

test('IPv4 inside IPv6 is judged as IPv4, on both sides', () => {
  expect(allows(['192.0.2.0/24'], '::ffff:192.0.2.1')).toBe(true);
  expect(allows(['192.0.2.0/24'], '::ffff:c000:201')).toBe(true);
  expect(allows(['::ffff:192.0.2.0/120'], '192.0.2.1')).toBe(true);
  expect(allows(['::/0'], '192.0.2.1')).toBe(false);
});

test('an entry that is no network allows nobody', () => {
  expect(allows(['everyone'], '192.0.2.1')).toBe(false);
  expect(allows(['192.0.2.0/99'], '192.0.2.1')).toBe(false);
});

test('`provider` stands for the networks the provider publishes, beside others of the list', () => {
  const [published = ''] = providerOf('telnyx').addressRanges;
  const inside = published.split('/')[0] ?? '';
  const allow = ['provider', '198.51.100.7'];
  const telnyx = endpoint({ provider: 'telnyx', allow });
  expect(isAllowedSource(telnyx, inside)).toBe(true);
  expect(isAllowedSource(telnyx, `::ffff:${inside}`)).toBe(true);
  expect(isAllowedSource(telnyx, '198.51.100.7')).toBe(true);
  expect(isAllowedSource(telnyx, '203.0.113.9')).toBe(false);
  const other = endpoint({ provider: 'twilio', allow });
  expect(isAllowedSource(other, inside)).toBe(false);
});

test('`provider` allows nobody where a provider publishes nothing', () => {
  const silent = providerNames.find((name) => providerOf(name).addressRanges.length === 0);
  const unknown = endpoint({ provider: silent ?? 'nobody', allow: ['provider'] });
  expect(isAllowedSource(unknown, '192.0.2.1')).toBe(false);
});

test('every network in a provider’s file is one', () => {
  const ranges = providerNames.flatMap((name) => providerOf(name).addressRanges);
  expect(ranges.filter((range) => parseCidr(range) === null)).toEqual([]);
});
