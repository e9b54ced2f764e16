// AES-256-GCM boxes and derived keys (design section 7). Pure but for random nonces: no store, no
// cache. In: a key, a place and bytes. Out: a box that opens only under the same key and place.

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomFillSync,
} from 'node:crypto';
import type { Sealed } from '../schemas/sealed.js';
import { TrunklineError } from './errors.js';

export const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const boxVersion = 1;

interface Box {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** A key for one purpose from a stronger one (HKDF-SHA-256, RFC 5869; the purpose is `info`). */
export function deriveKey(parent: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', parent, '', `trunkline/${purpose}/v1`, keyBytes));
}

function encrypt(key: Buffer, nonce: Buffer, place: string, content: Buffer | string): Box {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(place, 'utf8'));
  const first =
    typeof content === 'string' ? cipher.update(content, 'utf8') : cipher.update(content);
  const last = cipher.final();
  const ciphertext = last.length === 0 ? first : Buffer.concat([first, last]);
  return { nonce, ciphertext, tag: cipher.getAuthTag() };
}

function decrypt(key: Buffer, place: string, box: Box): Buffer {
  try {
    const options = { authTagLength: tagBytes };
    const decipher = createDecipheriv('aes-256-gcm', key, box.nonce, options);
    decipher.setAAD(Buffer.from(place, 'utf8'));
    decipher.setAuthTag(box.tag);
    const first = decipher.update(box.ciphertext);
    const last = decipher.final();
    return last.length === 0 ? first : Buffer.concat([first, last]);
  } catch (cause) {
    throw new TrunklineError(
      'unseal_failed',
      'a sealed value does not open: it was altered, moved, or sealed under another key',
      { cause },
    );
  }
}

// Random bytes are fetched for many nonces at once: a call for 12 bytes costs as much as one for 4 KiB.
const noncePool = Buffer.allocUnsafe(nonceBytes * 340);
let nonceAt = noncePool.length;

function nextNonce(): Buffer {
  if (nonceAt === noncePool.length) {
    randomFillSync(noncePool);
    nonceAt = 0;
  }
  nonceAt += nonceBytes;
  return noncePool.subarray(nonceAt - nonceBytes, nonceAt);
}

const boxHeadBytes = 1 + nonceBytes + tagBytes;

/** Length of the box of a content. */
export const sealedLength = (contentBytes: number): number => boxHeadBytes + contentBytes;

/** Seals bytes as `version ‖ nonce ‖ tag ‖ ciphertext` with a random nonce (2³² boxes a key). */
export function sealBytes(key: Buffer, place: string, content: Buffer): Buffer {
  const box = Buffer.allocUnsafe(sealedLength(content.length));
  sealInto(box, { key, place }, content);
  return box;
}

/** As `sealBytes`, into a box of `sealedLength` that is there already. */
export function sealInto(
  box: Buffer,
  { key, place }: { readonly key: Buffer; readonly place: string },
  content: Buffer,
): void {
  const { nonce, tag, ciphertext } = encrypt(key, nextNonce(), place, content);
  box[0] = boxVersion;
  nonce.copy(box, 1);
  tag.copy(box, 1 + nonceBytes);
  ciphertext.copy(box, boxHeadBytes);
}

/** Opens what `sealBytes` made; throws `unseal_failed`. */
export function openBytes(key: Buffer, place: string, sealed: Buffer): Buffer {
  if (sealed.length < boxHeadBytes || sealed[0] !== boxVersion) {
    throw new TrunklineError('unseal_failed', 'a sealed value is cut short or of another version');
  }
  return decrypt(key, place, {
    nonce: sealed.subarray(1, 1 + nonceBytes),
    tag: sealed.subarray(1 + nonceBytes, boxHeadBytes),
    ciphertext: sealed.subarray(boxHeadBytes),
  });
}

/**
 * Seals one field. The nonce is an HMAC of the key over place and text, so sealing the same fact
 * again gives the same bytes (a rebuild is byte-equal) and a nonce never meets two texts. What it
 * gives away: that one subject had the same text at the same place twice.
 * `place`: `tenant/subject/field`.
 */
export function sealField(
  key: { readonly keyId: string; readonly key: Buffer },
  place: string,
  text: string,
): Sealed {
  const nonce = createHmac('sha256', key.key)
    .update(`trunkline/nonce/v1\0${place.length}\0${place}\0`)
    .update(text, 'utf8')
    .digest()
    .subarray(0, nonceBytes);
  const box = encrypt(key.key, nonce, boxPlace(key.keyId, place), text);
  return {
    keyId: key.keyId,
    nonce: nonce.toString('base64url'),
    ciphertext: box.ciphertext.toString('base64url'),
    tag: box.tag.toString('base64url'),
  };
}

/** Opens a field that stands at `place`; throws `unseal_failed`. */
export function openField(key: Buffer, place: string, sealed: Sealed): string {
  return decrypt(key, boxPlace(sealed.keyId, place), {
    nonce: Buffer.from(sealed.nonce, 'base64url'),
    ciphertext: Buffer.from(sealed.ciphertext, 'base64url'),
    tag: Buffer.from(sealed.tag, 'base64url'),
  }).toString('utf8');
}

const boxPlace = (keyId: string, place: string): string => `field/v1/${keyId}/${place}`;
