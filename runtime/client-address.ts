// Who called: the socket's address, or behind trusted proxies the right-most hop that is not one of
// them. The left end of X-Forwarded-For is whatever the caller wrote and is never believed.

import ipaddr from 'ipaddr.js';
import { TrunklineError } from './errors.js';
import { BoundedCache } from './lru.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Cidr = readonly [Address, number];

/** Reads an address, a CIDR, or `loopback`; null when it is none. */
export function parseCidr(text: string): Cidr | null {
  try {
    if (text.includes('/')) {
      const [address, bits] = ipaddr.parseCIDR(text);
      return [address, bits];
    }
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    return null;
  }
}

/** True when the address lies in one of the networks; an address that cannot be read lies in none. */
function isWithin(address: string, networks: readonly Cidr[]): boolean {
  const parsed = parseAddress(address);
  return parsed !== null && isIn(parsed, networks);
}

function isIn(address: Address, networks: readonly Cidr[]): boolean {
  return networks.some(
    ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
  );
}

/** IPv4 in IPv6 (`::ffff:192.0.2.1`) is the IPv4 address. */
function parseAddress(text: string): Address | null {
  try {
    return ipaddr.process(text);
  } catch {
    return null;
  }
}

/** Drops the port of `192.0.2.1:4711` and the brackets of `[2001:db8::1]:4711`. */
function hopAddress(hop: string): Address | null {
  const text = hop.trim();
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1];
  const plain = bracketed ?? (/^[^:]+:\d+$/.test(text) ? text.slice(0, text.indexOf(':')) : text);
  return parseAddress(plain);
}

/** Where a connection comes from, as uWebSockets.js tells it: 0, 4 or 16 bytes. */
export interface Peer {
  getRemoteAddress(): ArrayBuffer;
  /** Of a PROXY header; builds that were made without it lack the method. */
  getProxiedRemoteAddress?(): ArrayBuffer;
}

/**
 * Gives the client address of a request from its connection and its X-Forwarded-For. Null when the
 * connection has a PROXY header where none is believed, or none where each must have one.
 */
export type ClientAddress = (peer: Peer, forwardedFor: string | undefined) => string | null;

/** `off`: sockets speak for themselves; `v2`: every connection came through the front. */
export type ProxyProtocol = 'off' | 'v2';

/** Throws `config_invalid` when a trusted proxy is neither an address nor a CIDR. */
export function createClientAddress(
  trustedProxies: readonly string[],
  proxyProtocol: ProxyProtocol = 'off',
): ClientAddress {
  const trusted = networksOf(trustedProxies);
  const texts = new BoundedCache<string, string>(10_000, Infinity, () => 0);
  return (peer, forwardedFor) => {
    const proxied = peer.getProxiedRemoteAddress?.();
    const isProxied = proxied !== undefined && proxied.byteLength > 0;
    if (isProxied !== (proxyProtocol === 'v2')) return null;
    const socket = socketText(isProxied ? proxied : peer.getRemoteAddress(), texts);
    if (trusted.length === 0 || forwardedFor === undefined) return socket;
    return behindProxies(socket, forwardedFor, trusted);
  };
}

/** Judges addresses of sockets; throws `config_invalid` as above. */
export function createIsTrusted(trustedProxies: readonly string[]): (address: string) => boolean {
  const trusted = networksOf(trustedProxies);
  return (address) => isWithin(address, trusted);
}

function networksOf(trustedProxies: readonly string[]): readonly Cidr[] {
  return trustedProxies.map((text) => {
    const cidr = parseCidr(text);
    if (cidr !== null) return cidr;
    throw new TrunklineError(
      'config_invalid',
      `TRUNKLINE_TRUSTED_PROXIES: ${JSON.stringify(text)} is neither an address nor a CIDR`,
    );
  });
}

function socketText(bytes: ArrayBuffer, texts: BoundedCache<string, string>): string {
  const name = Buffer.from(bytes).toString('latin1');
  const known = texts.get(name);
  if (known !== undefined) return known;
  const text = bytes.byteLength === 0 ? '' : ipaddr.process(binaryToText(bytes)).toString();
  texts.set(name, text);
  return text;
}

const binaryToText = (bytes: ArrayBuffer): string =>
  ipaddr.fromByteArray([...new Uint8Array(bytes)]).toString();

/** Walks from the right; a hop that cannot be read ends the walk at the proxy that reported it. */
function behindProxies(socket: string, forwardedFor: string, trusted: readonly Cidr[]): string {
  let client = socket;
  const hops = forwardedFor.split(',');
  for (let index = hops.length - 1; index >= 0 && isWithin(client, trusted); index--) {
    const hop = hopAddress(hops[index] ?? '');
    if (hop === null) break;
    client = hop.toString();
  }
  return client;
}
