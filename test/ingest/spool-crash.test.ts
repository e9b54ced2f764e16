// A process that ends at any byte of a spool write. The last write of a real segment is cut, zeroed and
// overwritten at every byte; what was acknowledged before is there, in order, and the spool goes on.

import { cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Spool } from '../../ingest/spool.js';
import { record, recordingLogger, type LogLine } from './fixtures.js';

const acknowledged = ['one', 'two', 'three'];
const last = ['four', 'five'];
let root: string;
let template: string;
let segment: string;
let before: number;
let bytes: Buffer;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'spool-crash-'));
  template = join(root, 'template');
  const spool = await open(template);
  for (const value of acknowledged) await spool.put(0, record(value));
  before = spool.bytes;
  // Both go in one write: a crash may leave one of them whole.
  await Promise.all(last.map((value) => spool.put(0, record(value))));
  await spool.close();
  const [name = ''] = readdirSync(join(template, 'p-0'));
  segment = join('p-0', name);
  bytes = readFileSync(join(template, segment));
});
afterAll(() => rm(root, { recursive: true }));

let lines: LogLine[];
let faults: number;
async function open(directory: string): Promise<Spool> {
  const recording = recordingLogger();
  lines = recording.lines;
  faults = 0;
  const onFault = (): void => void (faults += 1);
  return Spool.open({ directory, maxBytes: 1_000_000, logger: recording.logger, onFault });
}

/** What the next process finds when the segment is left like this; it then writes and drains. */
async function recovered(left: Buffer): Promise<string[]> {
  const directory = join(root, 'case');
  cpSync(template, directory, { recursive: true });
  writeFileSync(join(directory, segment), left);
  const spool = await open(directory);
  expect(await spool.put(0, record('after'))).toBe('kept');
  const values: string[] = [];
  for (;;) {
    const head = await spool.head(0);
    if (head === null) break;
    values.push(...head.records.map(({ value }) => value.toString()));
    await spool.drop(0, head.segment);
  }
  expect(spool.bytes).toBe(0);
  await spool.close();
  await rm(directory, { recursive: true });
  return values;
}

/** Everything acknowledged, then perhaps whole records of the write that was not, then what came after. */
function expectSound(values: readonly string[], at: number): void {
  const all = [...acknowledged, ...last];
  expect(values.at(-1), `byte ${at}`).toBe('after');
  const kept = values.slice(0, -1);
  expect(kept.length, `byte ${at}`).toBeGreaterThanOrEqual(acknowledged.length);
  expect(kept, `byte ${at}`).toEqual(all.slice(0, kept.length));
}

test('cut off at every byte of the last write', async () => {
  for (let at = before; at < bytes.length; at += 1) {
    expectSound(await recovered(bytes.subarray(0, at)), at);
    expect(faults).toBe(0);
    const said = lines.filter(({ fields }) => fields['code'] === 'spool_torn_tail').length;
    expect(said, `byte ${at}`).toBeLessThanOrEqual(1);
  }
});

test('zeros from every byte of the last write on: the file had grown, the bytes had not come', async () => {
  for (let at = before; at < bytes.length; at += 1) {
    expectSound(await recovered(Buffer.concat([bytes.subarray(0, at)], bytes.length)), at);
  }
});

test('every byte of the last write another: nothing acknowledged before is touched', async () => {
  for (let at = before; at < bytes.length; at += 1) {
    const left = Buffer.from(bytes);
    left[at] = (left[at] ?? 0) ^ 0xff;
    const values = await recovered(left);
    expect(values.slice(0, acknowledged.length), `byte ${at}`).toEqual(acknowledged);
    expect(values.at(-1), `byte ${at}`).toBe('after');
    // The other record of the write is whole, and goes on; only the damaged one may be gone.
    const rest = values.slice(acknowledged.length, -1);
    expect(
      last.filter((value) => rest.includes(value)).length,
      `byte ${at}`,
    ).toBeGreaterThanOrEqual(1);
  }
});

test('a segment that is missing from the middle is said loudly at the start', async () => {
  const directory = join(root, 'gap');
  const { logger } = recordingLogger();
  const options = { directory, maxBytes: 1_000_000, logger, onFault: () => undefined };
  const spool = await Spool.open({ ...options, segmentBytes: 1 });
  for (const value of ['one', 'two', 'three']) await spool.put(0, record(value));
  await spool.close();
  const names = readdirSync(join(directory, 'p-0')).sort();
  expect(names).toHaveLength(3);
  await rm(join(directory, 'p-0', names[1] ?? ''));
  const next = await open(directory);
  expect(faults).toBe(1);
  const line = lines.find(({ fields }) => fields['code'] === 'spool_gap');
  expect(line).toMatchObject({ level: 'error', fields: { partition: 0, records: 1 } });
  await next.close();
});
