import fc from 'fast-check';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { decodeSegment, encodeFrames } from '../../ingest/spool-record.js';
import { Spool, type SpoolOptions } from '../../ingest/spool.js';
import { record, recordingLogger, type LogLine } from './fixtures.js';

let directory: string;
let lines: LogLine[];
let faults: number;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'spool-')), 'spool');
});
afterEach(() => rm(join(directory, '..'), { recursive: true }));

async function open(options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const recording = recordingLogger();
  lines = recording.lines;
  faults = 0;
  return Spool.open({
    directory,
    maxBytes: 1_000_000,
    logger: recording.logger,
    onFault: () => (faults += 1),
    ...options,
  });
}

/** Everything of the partition in order; the spool is empty of it afterwards. */
async function drain(spool: Spool, partition: number): Promise<string[]> {
  const values: string[] = [];
  for (;;) {
    const head = await spool.head(partition);
    if (head === null) return values;
    values.push(...head.records.map((one) => one.value.toString()));
    await spool.drop(partition, head.segment);
  }
}

const segmentsOf = (partition: number): string[] =>
  readdirSync(join(directory, `p-${partition}`))
    .sort()
    .map((name) => join(directory, `p-${partition}`, name));
const codes = (): unknown[] => lines.map((line) => line.fields['code']);

test('any records come back as they were, framed one behind the other', () => {
  const anyRecord = fc.record({
    key: fc.string({ maxLength: 63 }),
    header: fc.string({ maxLength: 50 }),
    value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(fc.array(anyRecord), (records) => {
      const decoded = decodeSegment(encodeFrames(1, 3, records));
      expect(decoded.faults).toEqual([]);
      expect(decoded.records).toEqual(
        records.map((one, i) => ({ ...one, sequence: i + 1, partition: 3 })),
      );
    }),
  );
});

test('a segment cut at any byte gives every whole record before the cut and no fault', () => {
  const frames = ['one', 'two', 'three'].map((value, i) => encodeFrames(i + 1, 0, [record(value)]));
  const bytes = Buffer.concat(frames);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const { records, faults: found, end } = decodeSegment(bytes.subarray(0, cut));
    let whole = 0;
    let sum = 0;
    while (whole < 3 && sum + (frames[whole]?.length ?? 0) <= cut) {
      sum += frames[whole]?.length ?? 0;
      whole += 1;
    }
    expect(records).toHaveLength(whole);
    expect(end).toBe(sum);
    expect(found).toEqual([]);
  }
});

test('one flipped byte anywhere loses at most the record it is in, and is seen', () => {
  const frames = ['one', 'two', 'three'].map((value, i) => encodeFrames(i + 1, 0, [record(value)]));
  const bytes = Buffer.concat(frames);
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x41;
    const { records, faults: found, end } = decodeSegment(damaged);
    expect(records).toHaveLength(2);
    expect(found.length > 0 || end < bytes.length).toBe(true);
  }
});

test('records are kept in order per partition, over segments and a restart', async () => {
  const spool = await open({ segmentBytes: 200 });
  const puts: Promise<unknown>[] = [];
  for (let i = 0; i < 50; i += 1) puts.push(spool.put(i % 2, record(`v${i}`)));
  expect(new Set(await Promise.all(puts))).toEqual(new Set(['kept']));
  expect(spool.records).toBe(50);
  const bytes = spool.bytes;
  await spool.close();

  const again = await open({ segmentBytes: 200 });
  expect(again.records).toBe(50);
  expect(again.bytes).toBe(bytes);
  expect(again.partitions().sort()).toEqual([0, 1]);
  await again.put(0, record('last'));
  const even = Array.from({ length: 25 }, (_, i) => `v${i * 2}`);
  expect(await drain(again, 0)).toEqual([...even, 'last']);
  expect(await drain(again, 1)).toHaveLength(25);
  expect(again.bytes).toBe(0);
  expect(again.records).toBe(0);
  expect(segmentsOf(0)).toEqual([]);
  await again.close();
});

test('a segment that was not dropped is there again after a restart', async () => {
  const spool = await open();
  await spool.put(0, record('one'));
  await spool.head(0);
  await spool.close();
  const again = await open();
  expect(await drain(again, 0)).toEqual(['one']);
  await again.close();
});

test('what does not fit is refused and leaves nothing behind; drained space is free again', async () => {
  const spool = await open({ maxBytes: 100 });
  expect(await spool.put(0, record('x'.repeat(50)))).toBe('kept');
  expect(await spool.put(0, record('x'.repeat(50)))).toBe('full');
  expect(await spool.put(1, record('x'.repeat(50)))).toBe('full');
  expect(spool.records).toBe(1);
  await drain(spool, 0);
  expect(await spool.put(1, record('x'.repeat(50)))).toBe('kept');
  await spool.close();
});

test('the directory and its files are for the owner alone', async () => {
  const spool = await open();
  await spool.put(0, record('one'));
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(segmentsOf(0)[0] ?? '').mode & 0o777).toBe(0o600);
  await spool.close();
});

test('a torn tail is cut on restart, said, and what stands before it is kept', async () => {
  const spool = await open();
  await spool.put(0, record('one'));
  await spool.close();
  const path = segmentsOf(0)[0] ?? '';
  const length = statSync(path).size;
  appendFileSync(path, encodeFrames(2, 0, [record('torn')]).subarray(0, 30));

  const again = await open();
  expect(codes()).toEqual(['spool_torn_tail']);
  expect(statSync(path).size).toBe(length);
  expect(await drain(again, 0)).toEqual(['one']);
  expect(faults).toBe(0);
  await again.close();
});

test('a damaged record is said loudly, its segment kept aside, and the others go on', async () => {
  const spool = await open();
  for (const value of ['one', 'two', 'three']) await spool.put(0, record(value));
  await spool.close();
  const path = segmentsOf(0)[0] ?? '';
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('two')] = 0x58;
  writeFileSync(path, bytes);

  const again = await open();
  expect(await drain(again, 0)).toEqual(['one', 'three']);
  expect(lines.find((line) => line.fields['code'] === 'spool_corrupt')?.level).toBe('error');
  expect(faults).toBe(1);
  const aside = readdirSync(join(directory, 'quarantine'));
  expect(aside).toHaveLength(1);
  expect(readFileSync(join(directory, 'quarantine', aside[0] ?? ''))).toEqual(bytes);
  await again.close();
});

test('a disk that refuses is answered `failed`, and the next write starts a new segment', async () => {
  const spool = await open();
  writeFileSync(join(directory, 'p-0'), 'a file where the directory should be');
  expect(await spool.put(0, record('one'))).toBe('failed');
  expect(spool.bytes).toBe(0);
  expect(spool.records).toBe(0);
  expect(codes()).toEqual(['spool_failed']);
  await rm(join(directory, 'p-0'));
  expect(await spool.put(0, record('two'))).toBe('kept');
  expect(await drain(spool, 0)).toEqual(['two']);
  await spool.close();
});

test('a second process is refused while the first has the spool', async () => {
  const spool = await open();
  await expect(open()).rejects.toMatchObject({ code: 'data_dir_in_use' });
  await spool.close();
  await (await open()).close();
});
