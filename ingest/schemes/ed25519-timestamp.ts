// Ingest, verification scheme of Telnyx: Ed25519 over `timestamp|body` with node:crypto (90 µs, where
// tweetnacl takes 6 ms). The timestamp is the header's text, in unix seconds, ±300 s both ways.

import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { accepted, refuse, signatureHeader, type SignedRequest, type Verdict } from './scheme.js';

export interface Ed25519Headers {
  readonly signature: string;
  readonly timestamp: string;
}

/** Seconds a signed time may differ from ours, both ways, inclusive. */
export const toleranceSec = 300;

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const keyCacheLimit = 1000;
const keys = new Map<string, KeyObject>();

/** Decodes canonical, padded base64 of exactly `length` bytes; null for anything else. */
export function strictBase64(text: string, length: number): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64; only what encodes back to the same text was strict.
  return bytes.length === length && bytes.toString('base64') === text ? bytes : null;
}

/** The key object of a raw 32-byte key in base64; null when it is none. Cached, bounded. */
export function publicKey(base64: string): KeyObject | null {
  const known = keys.get(base64);
  if (known !== undefined) return known;
  const raw = strictBase64(base64, 32);
  if (raw === null) return null;
  const key = createPublicKey({
    key: Buffer.concat([spkiPrefix, raw]),
    format: 'der',
    type: 'spki',
  });
  if (keys.size >= keyCacheLimit) keys.clear();
  keys.set(base64, key);
  return key;
}

/** The bytes Telnyx signs. */
export function signedMessage(timestamp: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${timestamp}|`, 'utf8'), body]);
}

function withinWindow(timestamp: number, nowMs: number): Verdict {
  const ageSec = Math.floor(nowMs / 1000) - timestamp;
  if (ageSec > toleranceSec) return refuse('timestamp_stale');
  return ageSec < -toleranceSec ? refuse('timestamp_future') : accepted;
}

/** Verifies signature, then time. `keyBase64` is the account's raw public key. */
export function verifyEd25519Timestamp(
  request: SignedRequest,
  headers: Ed25519Headers,
  keyBase64: string,
  nowMs: number,
): Verdict {
  const key = publicKey(keyBase64);
  if (key === null) return refuse('credentials_invalid');
  const given = signatureHeader(request, headers.signature);
  if (typeof given !== 'string') return given;
  const signature = strictBase64(given, 64);
  if (signature === null) return refuse('signature_malformed');
  const timestamp = request.headers.get(headers.timestamp);
  if (timestamp === undefined || timestamp === '') return refuse('timestamp_missing');
  const signedAt = Number(timestamp);
  if (!/^[0-9]+$/.test(timestamp) || !Number.isSafeInteger(signedAt)) {
    return refuse('timestamp_malformed');
  }
  if (!verify(null, signedMessage(timestamp, request.body), key, signature)) {
    return refuse('signature_mismatch');
  }
  return withinWindow(signedAt, nowMs);
}
