// PROXY protocol, version 2 (HAProxy's proxy-protocol.txt, section 2.2): what a TCP proxy says of a
// connection before the connection's own bytes. Comes in: the first bytes. Goes out: whose they are.

import ipaddr from 'ipaddr.js';

/** Begins every header of version 2; no HTTP message can begin like it, and no text holds its NUL. */
export const proxySignature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

const prefixBytes = 16;

/** Addresses take 36 bytes; the rest are TLVs (a certificate's names at most), which nobody needs here. */
const maxPayloadBytes = 4096;

/** What the first bytes of a connection are. */
export type ProxyHeader =
  | { readonly state: 'incomplete' }
  | { readonly state: 'invalid'; readonly fault: ProxyFault }
  /** `source` is null when the proxy speaks for itself (LOCAL) or does not know (UNSPEC, AF_UNIX). */
  | { readonly state: 'complete'; readonly length: number; readonly source: string | null };

/** Why a header was not taken; a closed set, for metrics. */
export type ProxyFault = 'signature' | 'version' | 'family' | 'length' | 'tlv';

const incomplete: ProxyHeader = { state: 'incomplete' };
const invalid = (fault: ProxyFault): ProxyHeader => ({ state: 'invalid', fault });

/** Address families over TCP, with the bytes of two addresses and two ports. */
const families: ReadonlyMap<number, { readonly addressBytes: number; readonly total: number }> =
  new Map([
    [0x11, { addressBytes: 4, total: 12 }],
    [0x21, { addressBytes: 16, total: 36 }],
    // AF_UNIX has paths, which are no addresses.
    [0x31, { addressBytes: 0, total: 216 }],
    [0x00, { addressBytes: 0, total: 0 }],
  ]);

/** Reads the header off the front; bytes behind it are the connection's. Never throws. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  const seen = Math.min(bytes.length, proxySignature.length);
  if (bytes.compare(proxySignature, 0, seen, 0, seen) !== 0) return invalid('signature');
  if (bytes.length < prefixBytes) return incomplete;
  const command = bytes.readUInt8(12);
  // The high half is the version; LOCAL and PROXY are all the commands there are.
  if (command !== 0x20 && command !== 0x21) return invalid('version');
  const payloadBytes = bytes.readUInt16BE(14);
  if (payloadBytes > maxPayloadBytes) return invalid('length');
  const length = prefixBytes + payloadBytes;
  if (bytes.length < length) return incomplete;
  if (command === 0x20) return { state: 'complete', length, source: null };
  return proxied(bytes.readUInt8(13), bytes.subarray(prefixBytes, length));
}

function proxied(familyByte: number, payload: Buffer): ProxyHeader {
  const family = families.get(familyByte);
  if (family === undefined) return invalid('family');
  if (payload.length < family.total) return invalid('length');
  const length = prefixBytes + payload.length;
  // What an unknown family carries is to be skipped, unread.
  if (familyByte === 0x00) return { state: 'complete', length, source: null };
  if (!areWhole(payload.subarray(family.total))) return invalid('tlv');
  const { addressBytes } = family;
  const source = addressBytes === 0 ? null : addressText(payload.subarray(0, addressBytes));
  return { state: 'complete', length, source };
}

/** A type, a length of two bytes, a value; a proxy that counts wrongly may have written the rest wrongly. */
function areWhole(tlvs: Buffer): boolean {
  let at = 0;
  while (at + 3 <= tlvs.length) at += 3 + tlvs.readUInt16BE(at + 1);
  return at === tlvs.length;
}

/** Addresses as the rest of the program writes them: IPv4 inside IPv6 is IPv4. */
const addressText = (bytes: Buffer): string =>
  ipaddr.process(ipaddr.fromByteArray([...bytes]).toString()).toString();

/** The shortest header that says `PROXY, TCP, from this address`; throws when it is none. */
export function writeProxyHeader(source: string): Buffer {
  const address = ipaddr.process(source);
  const bytes = Buffer.from(address.toByteArray());
  const prefix = Buffer.of(0x21, bytes.length === 4 ? 0x11 : 0x21, 0, 2 * bytes.length + 4);
  return Buffer.concat([proxySignature, prefix, bytes, Buffer.alloc(bytes.length + 4)]);
}

/** Finds the signature in a stream that comes in pieces. */
export class SignatureSearch {
  #tail: Buffer = Buffer.alloc(0);

  /** True when the signature ends within this piece. */
  finds(piece: Buffer): boolean {
    const overlap = proxySignature.length - 1;
    const seam = Buffer.concat([this.#tail, piece.subarray(0, overlap)]);
    if (seam.includes(proxySignature) || piece.includes(proxySignature)) return true;
    this.#tail =
      piece.length >= overlap ? Buffer.from(piece.subarray(-overlap)) : seam.subarray(-overlap);
    return false;
  }
}
