// `trunkline spool` on a spool of its own and a memory log; beside a running process it is in test/e2e.

import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { registerSpoolCommands } from '../../cli/spool.js';
import { Spool } from '../../ingest/spool.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { partitionOf } from '../../log/topics.js';
import { readConfig } from '../../runtime/config.js';
import { silentLogger } from '../../runtime/logger.js';
import { tenantId } from '../../schemas/ids.js';
import { record } from '../ingest/fixtures.js';

let data: string;
let store: MemoryStore;
let stop: AbortController;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'spool-cli-'));
  store = new MemoryStore({ partitions: 8 });
  stop = new AbortController();
});
afterEach(() => rm(data, { recursive: true }));

const openSpool = (segmentBytes = 1_000_000): Promise<Spool> =>
  Spool.open({
    ...{ directory: join(data, 'spool'), maxBytes: 10_000_000, segmentBytes },
    ...{ logger: silentLogger, onFault: () => undefined },
  });

/** Fills the spool as ingest does, sorted into so many partitions. */
async function fill(tenants: readonly string[], each: number, partitions = 8): Promise<void> {
  const spool = await openSpool(1000);
  for (let n = 0; n < each; n += 1) {
    for (const tenant of tenants) {
      const partition = partitionOf(tenantId(tenant), partitions);
      expect(await spool.put(partition, record(`${tenant} ${n}`, tenant))).toBe('kept');
    }
  }
  await spool.close();
}

async function run(args: readonly string[], progressed: () => void = () => undefined) {
  const lines: string[] = [];
  const notes: string[] = [];
  const program = new Command().exitOverride();
  registerSpoolCommands(program, {
    config: () => {
      const result = readConfig({ TRUNKLINE_DATA: data });
      if (!result.ok) throw new Error('configuration');
      return result.config;
    },
    logger: silentLogger,
    openLog: () => Promise.resolve({ log: createMemoryLog(store), close: () => Promise.resolve() }),
    signal: stop.signal,
    print: (line) => lines.push(line),
    note: (line) => notes.push(line),
    progress: progressed,
  });
  const failure: unknown = await program
    .parseAsync(['spool', ...args], { from: 'user' })
    .then(() => null)
    .catch((thrown: unknown) => thrown);
  return { text: lines.join('\n'), notes: notes.join('\n'), failure };
}

const segments = (): string[] =>
  readdirSync(join(data, 'spool'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.seg'))
    .sort();
const valuesOf = (tenant: string): string[] =>
  store
    .records('deliveries', partitionOf(tenantId(tenant), 8))
    .map((one) => one.value?.toString() ?? '')
    .filter((value) => value.startsWith(`${tenant} `));

test('an empty or missing spool is empty to all three', async () => {
  expect((await run(['status'])).notes).toContain('nothing waits');
  expect((await run(['verify'])).text).toContain('0 deliveries');
  const { text, failure } = await run(['drain', '--json']);
  expect(JSON.parse(text)).toEqual({ appended: 0, faults: 0 });
  expect(failure).toBeNull();
});

test('status tells records, bytes and age per partition, also while the spool is held', async () => {
  await fill(['acme', 'globex'], 5);
  const spool = await openSpool();
  const { text, notes } = await run(['status']);
  expect(text).toMatch(/PARTITION +SEGMENTS +RECORDS +BYTES +OLDEST/);
  expect(text.split('\n')).toHaveLength(3);
  expect(text).toMatch(/ 5 +\d+ +20\d\d-/);
  expect(notes).toContain(`pid ${process.pid}`);
  const json = JSON.parse((await run(['status', '--json'])).text) as { records: number };
  expect(json.records).toBe(10);
  await spool.close();
});

test('drain appends all in order per tenant and leaves nothing', async () => {
  await fill(['acme', 'globex', 'initech'], 40);
  const { text } = await run(['drain', '--rate', '100000']);
  expect(text).toBe('120 deliveries appended; the spool is empty');
  for (const tenant of ['acme', 'globex', 'initech']) {
    expect(valuesOf(tenant)).toEqual(Array.from({ length: 40 }, (_, n) => `${tenant} ${n}`));
  }
  expect(segments()).toEqual([]);
});

test('a spool that was filled under another P is sorted anew', async () => {
  const tenants = ['acme', 'globex', 'initech', 'umbrella', 'hooli'];
  await fill(tenants, 20, 3);
  await run(['drain', '--rate', '100000']);
  for (const tenant of tenants) {
    expect(valuesOf(tenant)).toEqual(Array.from({ length: 20 }, (_, n) => `${tenant} ${n}`));
  }
});

test('Ctrl-C leaves what is not acknowledged, and the next drain takes it', async () => {
  await fill(['acme'], 60);
  const { failure, notes } = await run(['drain', '--rate', '100000'], () => stop.abort());
  expect(failure).toBeInstanceOf(Error);
  expect(notes).toMatch(/[1-9]\d* deliveries stay in the spool/);
  const before = valuesOf('acme').length;
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(60);
  stop = new AbortController();
  await run(['drain']);
  expect([...new Set(valuesOf('acme'))]).toEqual(Array.from({ length: 60 }, (_, n) => `acme ${n}`));
});

test('drain is refused while a process has the spool, with its name', async () => {
  const spool = await openSpool();
  const { failure } = await run(['drain']);
  expect(failure).toMatchObject({ code: 'data_dir_in_use' });
  expect(String(failure)).toContain('trunkline ingest');
  await spool.close();
});

test('verify tells torn from damaged from missing, and changes nothing', async () => {
  await fill(['acme'], 80);
  const files = segments().map((name) => join(data, 'spool', name));
  const [first = '', second = ''] = files;
  const last = files.at(-1) ?? '';
  const sizes = () => files.map((file) => statSync(file, { throwIfNoEntry: false })?.size);

  truncateSync(last, statSync(last).size - 3);
  const torn = await run(['verify']);
  expect(torn.failure).toBeNull();
  expect(torn.text).toMatch(/^torn .*nobody was promised/);

  const bytes = readFileSync(first);
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  writeFileSync(first, bytes);
  const before = sizes();
  const damaged = await run(['verify']);
  expect(damaged.failure).toMatchObject({ exitCode: 1 });
  expect(damaged.text).toMatch(/^damaged .* from byte 41: 41 bytes/);
  expect(sizes()).toEqual(before);

  await rm(second);
  const { text } = await run(['verify', '--json']);
  const { sound, faults } = JSON.parse(text) as { sound: boolean; faults: { kind: string }[] };
  expect(sound).toBe(false);
  expect(faults.map(({ kind }) => kind)).toEqual(['damaged', 'missing', 'missing', 'torn']);
});

test('drain appends what can be read of a damaged spool and keeps the damage aside', async () => {
  await fill(['acme'], 30);
  const file = join(data, 'spool', segments()[0] ?? '');
  const bytes = readFileSync(file);
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const { text } = await run(['drain', '--json']);
  expect(JSON.parse(text)).toMatchObject({ appended: 29, faults: 1 });
  const aside = readdirSync(join(data, 'spool', 'quarantine'));
  expect(aside).toHaveLength(1);
  expect(readFileSync(join(data, 'spool', 'quarantine', aside[0] ?? ''))).toEqual(bytes);
  expect((await run(['status'])).notes).toContain('kept aside: 1');
});
