// Ingest, why a signature failed: credentials as they may have been meant. Comes in: a stored credential.
// Goes out: the same without what people paste along with it, or read in another encoding.

import type { StoredCredential } from '../providers/provider.js';
import { distinct, type Change } from './change.js';

const maxLength = 4096;
const prefix = 'whsec_';

const base64Text = (bytes: Buffer): string => bytes.toString('base64');

const isBase64 = (text: string): boolean =>
  text.length >= 4 && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text);

/** Bytes as a text that names them again byte by byte; null where they are no UTF-8. */
function utf8Text(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return text.length > 0 && Buffer.from(text, 'utf8').equals(bytes) ? text : null;
}

const unquoted = (text: string): string => text.replace(/^(["'`])(.*)\1$/s, '$2');

const hasTail = (text: string): boolean => text !== text.trim();

function* spoiled(text: string): Generator<string> {
  yield text.trim();
  yield unquoted(text.trim()).trim();
  yield text.replace(/\s+/g, '');
  yield text
    .replaceAll('\\n', '')
    .replace(/[\u200b-\u200d\u2060\ufeff]/g, '')
    .trim();
  yield text.trim().replace(/^(?:bearer|basic)\s+/i, '');
  // An assignment that was copied whole: NAME=value.
  yield unquoted(text.trim().replace(/^(?:export\s+)?[A-Z][A-Z0-9_]{2,}=/, ''));
}

function* prefixed(text: string): Generator<string> {
  if (text.startsWith(prefix)) yield text.slice(prefix.length);
  else yield prefix + text;
}

function* encoded(text: string): Generator<string> {
  const bare = text.startsWith(prefix) ? text.slice(prefix.length) : text;
  if (isBase64(bare)) {
    const bytes = Buffer.from(bare, 'base64');
    const plain = utf8Text(bytes);
    if (plain !== null) yield plain;
    // Another alphabet or missing padding; and the 32 raw bytes at the end of a wrapped public key.
    yield base64Text(bytes);
    if (bytes.length === 44) yield base64Text(bytes.subarray(12));
  }
  if (/^(?:[0-9a-f]{2}){8,}$/i.test(bare)) {
    const bytes = Buffer.from(bare, 'hex');
    yield base64Text(bytes);
    const plain = utf8Text(bytes);
    if (plain !== null) yield plain;
  }
  yield base64Text(Buffer.from(bare, 'utf8'));
  yield prefix + base64Text(Buffer.from(bare, 'utf8'));
  const pem = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s\\n]+)-----END/.exec(text)?.[1];
  if (pem !== undefined) {
    const bytes = Buffer.from(pem.replace(/\\n|\s/g, ''), 'base64');
    if (bytes.length === 44) yield base64Text(bytes.subarray(12));
  }
}

function* changesOf(text: string): Generator<Change<string>> {
  if (text.length > maxLength) return;
  for (const value of spoiled(text)) yield { cause: 'credential_spoiled', value };
  const plain = hasTail(text) ? unquoted(text.trim()) : unquoted(text);
  for (const value of prefixed(plain)) yield { cause: 'credential_prefix', value };
  for (const value of encoded(plain)) yield { cause: 'credential_encoding', value };
}

/** A credential with one of its texts changed; nearest first, at most `limit`. */
export function credentialChanges(
  credential: StoredCredential,
  limit: number,
): Change<StoredCredential>[] {
  const changes: Change<StoredCredential>[] = [];
  for (const [name, text] of Object.entries(credential)) {
    for (const { cause, value } of distinct(changesOf(text), (one) => one, text)) {
      if (value === '' || changes.length >= limit) continue;
      changes.push({ cause, value: { ...credential, [name]: value } });
    }
  }
  return changes;
}
