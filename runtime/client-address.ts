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

/** Gives the client address of a request from the socket's bytes and its X-Forwarded-For. */
export type ClientAddress = (socketBytes: ArrayBuffer, forwardedFor: string | undefined) => string;

/** Throws `config_invalid` when a trusted proxy is neither an address nor a CIDR. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = trustedProxies.map((text) => {
    const cidr = parseCidr(text);
    if (cidr !== null) return cidr;
    throw new TrunklineError(
      'config_invalid',
      `TRUNKLINE_TRUSTED_PROXIES: ${JSON.stringify(text)} is neither an address nor a CIDR`,
    );
  });
  const texts = new BoundedCache<string, string>(10_000, Infinity, () => 0);
  return (socketBytes, forwardedFor) => {
    const socket = socketText(socketBytes, texts);
    if (trusted.length === 0 || forwardedFor === undefined) return socket;
    return behindProxies(socket, forwardedFor, trusted);
  };
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
