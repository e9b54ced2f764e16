import { expect, test } from 'vitest';

import { createClientAddress, createIsTrusted, type Peer } from '../../runtime/client-address.js';

const bytes = (...values: readonly number[]): ArrayBuffer => new Uint8Array(values).buffer;
const none = bytes();
const loopback = bytes(127, 0, 0, 1);

const peer = (socket: ArrayBuffer, proxied: ArrayBuffer = none): Peer => ({
  getRemoteAddress: () => socket,
  getProxiedRemoteAddress: () => proxied,
});

test('without trusted proxies the socket speaks for itself, whatever is forwarded', () => {
  const address = createClientAddress([]);
  expect(address(peer(loopback), '203.0.113.9')).toBe('127.0.0.1');
  const mapped = bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 203, 0, 113, 9);
  expect(address(peer(mapped), undefined)).toBe('203.0.113.9');
  const v6 = bytes(32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
  expect(address(peer(v6), undefined)).toBe('2001:db8::9');
});

test('behind trusted proxies it is the right-most hop that is none of them, never the left-most', () => {
  const address = createClientAddress(['127.0.0.1', '10.0.0.0/8', '2001:db8:1::/48']);
  const of = (hops: string) => address(peer(loopback), hops);
  expect(of('198.51.100.1, 203.0.113.9')).toBe('203.0.113.9');
  expect(of('198.51.100.1, 203.0.113.9, 10.1.1.1')).toBe('203.0.113.9');
  expect(of('198.51.100.1, [2001:db8:2::9]:4711, 2001:db8:1::1')).toBe('2001:db8:2::9');
  expect(of('203.0.113.9:4711')).toBe('203.0.113.9');
  expect(of('10.1.1.1, 10.1.1.2')).toBe('10.1.1.1');
  expect(of('198.51.100.1, unknown')).toBe('127.0.0.1');
  expect(of('198.51.100.1, unknown, 10.1.1.1')).toBe('10.1.1.1');
  expect(of('')).toBe('127.0.0.1');
  expect(address(peer(bytes(192, 0, 2, 1)), '203.0.113.9')).toBe('192.0.2.1');
});

test('a PROXY header is taken where each connection must have one, and nowhere else', () => {
  const proxied = bytes(203, 0, 113, 9);
  expect(createClientAddress([], 'off')(peer(loopback, proxied), undefined)).toBeNull();
  const v2 = createClientAddress(['10.0.0.0/8'], 'v2');
  expect(v2(peer(none, proxied), '198.51.100.1')).toBe('203.0.113.9');
  expect(v2(peer(none, bytes(10, 0, 0, 7)), '198.51.100.1')).toBe('198.51.100.1');
  expect(v2(peer(loopback), undefined)).toBeNull();
});

test('a build of the library without PROXY headers works without them', () => {
  const bare: Peer = { getRemoteAddress: () => loopback };
  expect(createClientAddress([])(bare, undefined)).toBe('127.0.0.1');
  expect(createClientAddress([], 'v2')(bare, undefined)).toBeNull();
});

test('a proxy that is no network is a fault of the configuration', () => {
  for (const text of ['everyone', '10.0.0.0/99', '']) {
    expect(() => createClientAddress([text])).toThrow(/TRUNKLINE_TRUSTED_PROXIES/);
  }
  expect(createIsTrusted(['10.0.0.0/8'])('::ffff:10.1.1.1')).toBe(true);
  expect(createIsTrusted(['10.0.0.0/8'])('')).toBe(false);
});
