// Ingest, layer 2: the source address. Comes in: an endpoint and a client address. Goes out: whether the
// endpoint's list allows it: CIDRs, and `provider` for the networks that its provider publishes. IPv4
// inside IPv6 (`::ffff:192.0.2.1`) is judged as IPv4.

import ipaddr from 'ipaddr.js';

import type { Endpoint } from '../runtime/registry.js';
import { findProvider } from './providers/registry.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

// Endpoints are replaced as a whole when the registry refreshes, so a list is parsed once.
const parsed = new WeakMap<Endpoint, readonly Range[]>();

/** The entry that stands for the networks in the provider's file, whatever they are in this version. */
const providerEntry = 'provider';

/** An empty list allows everyone; an entry that is none of the above allows nobody. */
export function isAllowedSource(endpoint: Endpoint, clientAddress: string): boolean {
  if (endpoint.allow.length === 0) return true;
  if (!ipaddr.isValid(clientAddress)) return false;
  const address = ipaddr.process(clientAddress);
  return rangesOf(endpoint).some(([network, bits]) => contains(network, bits, address));
}

function contains(network: Address, bits: number, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, bits);
}

function rangesOf(endpoint: Endpoint): readonly Range[] {
  const known = parsed.get(endpoint);
  if (known !== undefined) return known;
  const entries = endpoint.allow.flatMap((text) =>
    text === providerEntry ? (findProvider(endpoint.provider)?.addressRanges ?? []) : [text],
  );
  const ranges = entries.flatMap((text) => parseRange(text) ?? []);
  parsed.set(endpoint, ranges);
  return ranges;
}

/** Reads a CIDR or a single address; null when it is neither. */
function parseRange(text: string): [Range] | null {
  if (ipaddr.isValidCIDR(text)) {
    const [network, bits] = ipaddr.parseCIDR(text);
    return [unmapped(network, bits)];
  }
  if (!ipaddr.isValid(text)) return null;
  const address = ipaddr.process(text);
  return [[address, address.kind() === 'ipv4' ? 32 : 128]];
}

/** `::ffff:192.0.2.0/120` is the IPv4 network 192.0.2.0/24. */
function unmapped(network: Address, bits: number): Range {
  if (network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress() && bits >= 96) {
    return [network.toIPv4Address(), bits - 96];
  }
  return [network, bits];
}
