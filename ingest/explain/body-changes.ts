// Ingest, why a signature failed: bodies as they may have been signed. Comes in: the bytes that arrived.
// Goes out: the same before what proxies and middlewares are known to do to them, likeliest first.

import { brotliDecompressSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import { distinct, type Change } from './change.js';
import { formBodies } from './form-changes.js';
import { escapings, jsonLayouts, layOut, looksLikeJson, withSortedKeys } from './json-text.js';

/** A body to try; `type` is the content type it goes with, where that changed too. */
export interface BodyChange extends Change<Buffer> {
  readonly type?: string;
}

/** Largest body whose texts are rewritten, in bytes: above it only its ends and its compression are tried. */
export const maxRewritten = 256 * 1024;
const maxUnpacked = 1024 * 1024;

const bom = Buffer.from([0xef, 0xbb, 0xbf]);

function* ends(body: Buffer): Generator<BodyChange> {
  const text = body.toString('latin1');
  const bare = text.replace(/[\r\n]+$/, '');
  const latin1 = (changed: string): Buffer => Buffer.from(changed, 'latin1');
  if (bare !== text) {
    yield { cause: 'body_newline_end', value: latin1(text.replace(/\r?\n$/, '')) };
    yield { cause: 'body_newline_end', value: latin1(bare) };
  }
  yield { cause: 'body_newline_end', value: latin1(`${bare}\n`) };
  yield { cause: 'body_newline_end', value: latin1(`${bare}\r\n`) };
  if (body.subarray(0, 3).equals(bom)) yield { cause: 'body_bom', value: body.subarray(3) };
  else yield { cause: 'body_bom', value: Buffer.concat([bom, body]) };
  if (text.includes('\r\n')) {
    yield { cause: 'body_line_ends', value: latin1(text.replaceAll('\r\n', '\n')) };
  } else if (text.includes('\n')) {
    yield { cause: 'body_line_ends', value: latin1(text.replaceAll('\n', '\r\n')) };
  }
}

/** UTF-8 that was read as Latin-1 and written as UTF-8 again, and both ways back. */
function* charsets(body: Buffer): Generator<BodyChange> {
  const utf8 = body.toString('utf8');
  if (!/[^\x00-\x7f]/.test(utf8)) return;
  if (!/[^\x00-\xff]/.test(utf8))
    yield { cause: 'body_charset', value: Buffer.from(utf8, 'latin1') };
  yield { cause: 'body_charset', value: Buffer.from(body.toString('latin1'), 'utf8') };
  if (utf8.includes('?') || utf8.includes('\ufffd')) return;
  yield { cause: 'body_charset', value: Buffer.from(utf8.normalize('NFC'), 'utf8') };
  yield { cause: 'body_charset', value: Buffer.from(utf8.normalize('NFD'), 'utf8') };
}

function unpacked(body: Buffer): Buffer[] {
  const limit = { maxOutputLength: maxUnpacked };
  const found: Buffer[] = [];
  const isGzip = body[0] === 0x1f && body[1] === 0x8b;
  const ways = isGzip ? [gunzipSync] : [inflateSync, brotliDecompressSync, inflateRawSync];
  for (const unpack of ways) {
    try {
      found.push(unpack(body, limit));
      break;
    } catch {
      // Not compressed this way.
    }
  }
  return found;
}

/** As common senders compress: level and the byte that names the system differ. */
function* packed(body: Buffer): Generator<Buffer> {
  for (const level of [6, 9, 1]) {
    const bytes = gzipSync(body, { level });
    for (const system of [0x03, 0xff, 0x00, 0x13]) {
      const one = Buffer.from(bytes);
      one[9] = system;
      yield one;
    }
  }
}

const isBinary = (body: Buffer): boolean =>
  /[\x00-\x08\x0e-\x1f]/.test(body.toString('latin1', 0, 64));

function* compression(body: Buffer, encoding: string | undefined): Generator<BodyChange> {
  if (encoding === undefined && !isBinary(body)) return;
  if (isBinary(body)) {
    for (const value of unpacked(body)) yield { cause: 'body_compressed', value };
  } else if (body.length <= maxRewritten) {
    for (const value of packed(body)) yield { cause: 'body_decompressed', value };
  }
}

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');

function* jsonBodies(text: string): Generator<BodyChange> {
  const keys = withSortedKeys(text);
  if (keys === null) return;
  const laid: string[] = [];
  for (const layout of jsonLayouts) {
    const one = layOut(text, layout);
    laid.push(one);
    yield { cause: 'body_json_layout', value: utf8(one) };
  }
  for (const one of laid.slice(0, 3)) yield { cause: 'body_json_layout', value: utf8(`${one}\n`) };
  for (const layout of jsonLayouts.slice(0, 4)) {
    yield { cause: 'body_json_keys', value: utf8(layOut(keys, layout)) };
  }
  for (const one of [text, ...laid.slice(0, 3)]) {
    for (const escaped of escapings(one))
      yield { cause: 'body_json_escapes', value: utf8(escaped) };
  }
}

function* allBodies(body: Buffer, headers: ReadonlyMap<string, string>): Generator<BodyChange> {
  yield* compression(body, headers.get('content-encoding'));
  const text = body.length > maxRewritten ? null : body.toString('utf8');
  yield* ends(body);
  if (text !== null && looksLikeJson(text)) yield* jsonBodies(text.replace(/^\ufeff/, ''));
  else if (text !== null) yield* formBodies(text);
  yield* charsets(body);
  if (text !== null && looksLikeJson(text)) yield* formBodies(text);
}

/** Bodies that may have been signed instead of `body`; none twice. */
export function bodyChanges(
  body: Buffer,
  headers: ReadonlyMap<string, string>,
): Generator<BodyChange> {
  const name = (value: Buffer): string => value.toString('latin1');
  return distinct(body.length === 0 ? [] : allBodies(body, headers), name, body);
}
