// Redaction: wallets whose own check agrees: base58 with a double SHA-256, bech32, Ethereum's hex. In: a word. Out: whether
// it is one.

import { createHash } from 'node:crypto';

const base58Letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const bech32Letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const payloadBytes = 25;

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** Base58Check: a version, 20 bytes, four bytes of a double SHA-256. */
function isBase58Check(text: string): boolean {
  let value = 0n;
  for (const char of text) {
    const digit = base58Letters.indexOf(char);
    if (digit === -1) return false;
    value = value * 58n + BigInt(digit);
  }
  const hex = value.toString(16).padStart(payloadBytes * 2, '0');
  if (hex.length !== payloadBytes * 2) return false;
  const bytes = Buffer.from(hex, 'hex');
  return sha256(sha256(bytes.subarray(0, 21)))
    .subarray(0, 4)
    .equals(bytes.subarray(21));
}

const generators = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const;

function polymod(values: readonly number[]): number {
  let check = 1;
  for (const value of values) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ value;
    generators.forEach((generator, bit) => {
      if (((top >>> bit) & 1) === 1) check ^= generator;
    });
  }
  return check;
}

/** Bech32 and bech32m (BIP 173, BIP 350). */
function isBech32(text: string): boolean {
  const lower = text.toLowerCase();
  const split = lower.lastIndexOf('1');
  const prefix = Array.from(lower.slice(0, split), (char) => char.charCodeAt(0));
  const data = Array.from(lower.slice(split + 1), (char) => bech32Letters.indexOf(char));
  if (split < 1 || data.length < 6 || data.includes(-1)) return false;
  const values = [
    ...prefix.map((unit) => unit >> 5),
    0,
    ...prefix.map((unit) => unit & 31),
    ...data,
  ];
  const check = polymod(values);
  return check === 1 || check === 0x2bc830a3;
}

/** True for the address of a wallet. */
export function isWallet(text: string): boolean {
  if (/^0x[0-9a-f]{40}$/i.test(text)) return true;
  if (text.length <= 35 && isBase58Check(text)) return true;
  return /^[a-z]{2,5}1/i.test(text) && isBech32(text);
}
