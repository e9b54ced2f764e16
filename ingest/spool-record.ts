// Ingest: the bytes of the spool. Comes in: a record that is to be kept on disk. Goes out: one framed
// record, and on the way back every record that is whole, with what lies between them as faults.
//
//   magic u32 | length u32 | crc32 u32 | sequence u64 | partition u32 | key u16 | header u16 | key header value
//
// `length` counts everything behind the crc, the crc covers the same bytes; big-endian.

import { crc32 } from 'node:zlib';

import type { FactRecord } from '../log/fact-record.js';

export interface SpooledRecord extends FactRecord {
  /** Dense within one partition's spool: a gap is a loss. */
  readonly sequence: number;
  readonly partition: number;
}

const magic = 0x544c5350; // "TLSP"
const magicBytes = Buffer.from('TLSP', 'latin1');
const prefixBytes = 12;
const fixedBytes = 16;
/** No record of the log is larger; a length beyond it is damage. */
const maxLength = 64 * 1024 * 1024;

/** Bytes of the record's frame. */
export const frameLength = ({ key, header, value }: FactRecord): number =>
  prefixBytes + fixedBytes + Buffer.byteLength(key) + Buffer.byteLength(header) + value.length;

/** The frames of records that follow one another, the first with this sequence number. */
export function encodeFrames(
  firstSequence: number,
  partition: number,
  records: readonly FactRecord[],
): Buffer {
  const frames = Buffer.allocUnsafe(records.reduce((sum, one) => sum + frameLength(one), 0));
  let at = 0;
  for (const [index, record] of records.entries()) {
    at = encodeFrame(frames, at, { ...record, sequence: firstSequence + index, partition });
  }
  return frames;
}

/** Writes one frame; answers where it ends. */
function encodeFrame(frames: Buffer, start: number, record: SpooledRecord): number {
  const keyBytes = Buffer.byteLength(record.key);
  const headerBytes = Buffer.byteLength(record.header);
  const length = fixedBytes + keyBytes + headerBytes + record.value.length;
  const end = start + prefixBytes + length;
  frames.writeUInt32BE(magic, start);
  frames.writeUInt32BE(length, start + 4);
  frames.writeBigUInt64BE(BigInt(record.sequence), start + 12);
  frames.writeUInt32BE(record.partition, start + 20);
  frames.writeUInt16BE(keyBytes, start + 24);
  frames.writeUInt16BE(headerBytes, start + 26);
  let at = start + prefixBytes + fixedBytes;
  at += frames.write(record.key, at);
  at += frames.write(record.header, at);
  record.value.copy(frames, at);
  frames.writeUInt32BE(crc32(frames.subarray(start + prefixBytes, end)), start + 8);
  return end;
}

/**
 * How many records are missing before each of these, given the last sequence number before them (null:
 * what went before was drained). One that comes again is what an unacknowledged write left behind.
 */
export function missingBefore(last: number | null, records: readonly SpooledRecord[]): number {
  let expected = last === null ? null : last + 1;
  let missing = 0;
  for (const { sequence } of records) {
    if (expected !== null && sequence > expected) missing += sequence - expected;
    expected = Math.max(expected ?? 0, sequence + 1);
  }
  return missing;
}

/** What one segment file holds. */
export interface DecodedSegment {
  readonly records: readonly SpooledRecord[];
  /** Stretches that are no whole record although whole records or all their bytes follow. */
  readonly faults: readonly { readonly at: number; readonly bytes: number }[];
  /** Where a torn last write begins; the file's length when there is none. */
  readonly end: number;
}

/** Reads a segment; never throws on damage, and goes on at the next whole record behind it. */
export function decodeSegment(bytes: Buffer): DecodedSegment {
  const records: SpooledRecord[] = [];
  const faults: { at: number; bytes: number }[] = [];
  let at = 0;
  while (at < bytes.length) {
    const record = readFrame(bytes, at);
    if (record !== null) {
      records.push(record);
      at += frameBytes(bytes, at);
      continue;
    }
    const next = nextFrame(bytes, at + 1);
    if (next === -1 && isTorn(bytes, at)) return { records, faults, end: at };
    const until = next === -1 ? bytes.length : next;
    faults.push({ at, bytes: until - at });
    at = until;
  }
  return { records, faults, end: bytes.length };
}

const frameBytes = (bytes: Buffer, at: number): number => prefixBytes + bytes.readUInt32BE(at + 4);

function readFrame(bytes: Buffer, at: number): SpooledRecord | null {
  if (!hasWholeFrame(bytes, at)) return null;
  const body = bytes.subarray(at + prefixBytes, at + frameBytes(bytes, at));
  if (crc32(body) !== bytes.readUInt32BE(at + 8)) return null;
  const keyEnd = fixedBytes + body.readUInt16BE(12);
  const headerEnd = keyEnd + body.readUInt16BE(14);
  return {
    sequence: Number(body.readBigUInt64BE(0)),
    partition: body.readUInt32BE(8),
    key: body.toString('utf8', fixedBytes, keyEnd),
    header: body.toString('utf8', keyEnd, headerEnd),
    value: body.subarray(headerEnd),
  };
}

function hasWholeFrame(bytes: Buffer, at: number): boolean {
  if (at + prefixBytes + fixedBytes > bytes.length || bytes.readUInt32BE(at) !== magic)
    return false;
  const length = bytes.readUInt32BE(at + 4);
  return length >= fixedBytes && length <= maxLength && at + prefixBytes + length <= bytes.length;
}

function nextFrame(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(magicBytes, from);
  while (at !== -1 && readFrame(bytes, at) === null) at = bytes.indexOf(magicBytes, at + 1);
  return at;
}

/**
 * A write that was cut off ends early or left zeros, and was never acknowledged. A frame that has all
 * its bytes but the wrong sum was perhaps acknowledged and then damaged: that is a fault.
 */
function isTorn(bytes: Buffer, at: number): boolean {
  if (hasWholeFrame(bytes, at)) return false;
  const declares = at + 4 <= bytes.length && bytes.readUInt32BE(at) === magic;
  const rest = bytes.subarray(at);
  return declares || rest.every((byte) => byte === 0) || magicBytes.indexOf(rest) === 0;
}
