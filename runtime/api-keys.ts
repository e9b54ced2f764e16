// API keys of machines: `tl_live_<id>_<secret>_<crc>`. The checksum refuses a mistyped or invented key
// before anything is looked up; only the SHA-256 of the secret is kept (256 random bits need no
// slower hash).

import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Clock } from './clock.js';
import type { ApiKeyRecord, Registry } from './registry.js';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const idLength = 12;
/** 43 base62 characters hold 256 bits. */
const secretLength = 43;
const crcLength = 6;
const pattern = /^(tl_live_([0-9A-Za-z]{12})_([0-9A-Za-z]{43}))_([0-9A-Za-z]{6})$/;

export interface NewApiKey {
  readonly id: string;
  /** The whole key: shown once, kept nowhere. */
  readonly key: string;
  /** SHA-256 of the secret part, hex: what is stored. */
  readonly secretHash: string;
}

export type ApiKeyResult =
  | { readonly ok: true; readonly record: ApiKeyRecord }
  | {
      readonly ok: false;
      /** `malformed` by form or checksum; `refused` unknown, revoked or wrong; `expired` over. */
      readonly reason: 'malformed' | 'refused' | 'expired';
    };

/** Makes a key of 256 random bits. */
export function makeApiKey(): NewApiKey {
  const id = randomBase62(idLength);
  const secret = randomBase62(secretLength);
  const start = `tl_live_${id}_${secret}`;
  return { id, key: `${start}_${checksum(start)}`, secretHash: hashSecret(secret) };
}

/** The parts of a key whose form and checksum are right; null for anything else. */
export function parseApiKey(text: string): { readonly id: string; readonly secret: string } | null {
  const [, start, id, secret, crc] = pattern.exec(text) ?? [];
  if (start === undefined || id === undefined || secret === undefined) return null;
  return checksum(start) === crc ? { id, secret } : null;
}

/** Judges a presented key by the cached registry: synchronous, constant-time in the secret. */
export function verifyApiKey(
  registry: Pick<Registry, 'apiKey'>,
  text: string,
  clock: Clock,
): ApiKeyResult {
  const parsed = parseApiKey(text);
  if (parsed === null) return { ok: false, reason: 'malformed' };
  const record = registry.apiKey(parsed.id);
  const presented = Buffer.from(hashSecret(parsed.secret), 'hex');
  const stored = Buffer.from(record?.secretHash ?? nobodysHash, 'hex');
  const isRight = stored.length === presented.length && timingSafeEqual(stored, presented);
  if (record === null || !isRight) return { ok: false, reason: 'refused' };
  if (record.expiresAt !== null && record.expiresAt <= clock()) {
    return { ok: false, reason: 'expired' };
  }
  return { ok: true, record };
}

/** Compared with when the id is unknown, so that both ways take the same time. */
const nobodysHash = '0'.repeat(64);

const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');

function randomBase62(length: number): string {
  let text = '';
  for (let index = 0; index < length; index++) text += alphabet.charAt(randomInt(alphabet.length));
  return text;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let index = 0; index < crcLength; index++) {
    digits = alphabet.charAt(rest % 62) + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
