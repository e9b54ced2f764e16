// kill -9 of a process that spools, many times at random moments, and a disk that is really full: what
// was acknowledged is there, in order, and nothing but it is owed.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { surveySpool } from '../../ingest/spool-survey.js';
import { Spool } from '../../ingest/spool.js';
import { createLocalCodec } from '../../log/event-codec.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { silentLogger } from '../../runtime/logger.js';
import { packageRoot } from '../../runtime/package-root.js';
import { completedCall, deliver, startStation, twilioForm } from './station.js';

const partitions = [0, 1, 2];
const program = join(packageRoot(), 'node_modules/.cache/trunkline-test/spool-writer.mjs');
let root: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'spool-kill-'));
  await build({
    entryPoints: [join(packageRoot(), 'test/ingest/spool-writer.ts')],
    outfile: program,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20' },
    ...{ packages: 'external', logLevel: 'error' },
  });
});
afterAll(() => rm(root, { recursive: true }));

interface Written {
  /** Numbers that were answered `kept`, in the order of the answers. */
  readonly kept: readonly number[];
  readonly refused: readonly number[];
}

/** Runs a writer to its end, or to a kill once it has said `killAfter` outcomes and a moment more. */
async function write(
  command: readonly string[],
  kill: { readonly after: number; readonly ms: number } | null,
): Promise<Written> {
  const [name = '', ...args] = command;
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let isDue = false;
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (kill === null || isDue || text.split('\n').length <= kill.after) return;
    isDue = true;
    setTimeout(() => child.kill('SIGKILL'), kill.ms);
  });
  await new Promise((resolve) => child.on('close', resolve));
  // The last line may be half a line: then nobody was told.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const of = (outcome: string): number[] =>
    lines.flatMap((one) => (one.startsWith(`${outcome} `) ? [Number(one.split(' ')[1])] : []));
  return { kept: of('kept'), refused: [...of('failed'), ...of('full')] };
}

async function drained(directory: string): Promise<Map<number, number[]>> {
  let faults = 0;
  const onFault = (): void => void (faults += 1);
  const spool = await Spool.open({ directory, maxBytes: 2 ** 30, logger: silentLogger, onFault });
  const found = new Map<number, number[]>();
  for (const partition of partitions) {
    const numbers: number[] = [];
    for (;;) {
      const head = await spool.head(partition);
      if (head === null) break;
      for (const { value } of head.records) {
        const [number = '', filling = ''] = value.toString().split(' ');
        expect(filling).toHaveLength((Number(number) * 37) % 700);
        numbers.push(Number(number));
      }
      await spool.drop(partition, head.segment);
    }
    found.set(partition, numbers);
  }
  await spool.close();
  expect(faults).toBe(0);
  return found;
}

/** Each partition has all that was acknowledged, once and in order. */
function expectKept(found: ReadonlyMap<number, number[]>, kept: readonly number[]): void {
  for (const partition of partitions) {
    const numbers = found.get(partition) ?? [];
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    const held = new Set(numbers);
    const owed = kept.filter((number) => number % partitions.length === partition);
    expect(owed.filter((number) => !held.has(number))).toEqual([]);
  }
}

test('killed 25 times at random moments, each process on what the one before it left', async () => {
  const directory = join(root, 'killed');
  const kept: number[] = [];
  let first = 0;
  for (let round = 0; round < 25; round += 1) {
    const after = 20 + Math.floor(Math.random() * 150);
    const ms = Math.random() * 6;
    const run = await write([process.execPath, program, directory, String(first)], { after, ms });
    expect(run.refused).toEqual([]);
    expect(run.kept.length).toBeGreaterThanOrEqual(after - 1);
    kept.push(...run.kept);
    // What was on disk but not told yet may be there too: the next numbers are beyond it.
    first = (Math.floor((kept.at(-1) ?? 0) / 1000) + 1) * 1000;
    const { faults } = await surveySpool(directory);
    expect(faults.filter(({ kind }) => kind !== 'torn')).toEqual([]);
  }
  expectKept(await drained(directory), kept);
});

/** A small file system of its own, or null where mounting is not permitted. */
function mountSmall(name: string, kilobytes: number) {
  const path = join(root, name);
  mkdirSync(path);
  const mount = (options: string): unknown =>
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
  try {
    mount(`size=${kilobytes}k`);
  } catch {
    return null;
  }
  return {
    path,
    grow: (to: number) => mount(`remount,size=${to}k`),
    unmount: () => execFileSync('umount', [path]),
  };
}

test('a disk that is really full: refused is refused, kept is kept, and space is used again', async () => {
  const disk = mountSmall('disk', 96);
  const directory = join(disk?.path ?? root, 'spool');
  const writer = [process.execPath, program, directory, '0', '1500'];
  // Without a file system of its own: files of at most 12 KiB, by the kernel too (EFBIG).
  const limited = ['bash', '-c', `trap '' XFSZ; ulimit -f 12; exec "$@"`, 'bash', ...writer];
  try {
    const run = await write(disk === null ? limited : writer, null);
    expect(run.kept.length).toBeGreaterThan(50);
    expect(run.refused.length).toBeGreaterThan(0);
    const { faults, records } = await surveySpool(directory);
    expect(faults.filter(({ kind }) => kind !== 'torn')).toEqual([]);
    // What a refused write left behind was cut off.
    expect(records).toBe(run.kept.length);
    const found = await drained(directory);
    expectKept(found, run.kept);
    const all = new Set([...found.values()].flat());
    expect(run.refused.filter((number) => all.has(number))).toEqual([]);
    const again = await write([process.execPath, program, directory, '5000', '20'], null);
    expect(again.kept).toHaveLength(20);
  } finally {
    disk?.unmount();
  }
});

/** A number in letters, so that it looks like nobody's telephone. */
const letters = (n: number): string =>
  n.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'.charAt(Number(digit)));

/** Correlation ids of everything in the log. */
function idsIn(store: MemoryStore): ReadonlySet<string> {
  const codec = createLocalCodec();
  const values = [0, 1, 2, 3].flatMap((partition) =>
    store.records('deliveries', partition).flatMap(({ value }) => value ?? []),
  );
  return new Set(values.map((value) => codec.decodeFact(value).correlationId));
}

test('ingest on a full disk with the log away: 503 and Retry-After, never a 2xx that is not kept', async () => {
  const disk = mountSmall('station', 64);
  const store = new MemoryStore({ partitions: 4, maxBatchBytes: 3_750_000 });
  const weather = { isAway: true };
  const log = createMemoryLog(store, {
    step: () => Promise.resolve(),
    fate: () => (weather.isAway ? 'lost' : 'ok'),
    later: (land) => setImmediate(land),
    timer: (ms, fire) => {
      const timer = setTimeout(fire, ms);
      return () => clearTimeout(timer);
    },
  });
  // Without a file system of its own the bound of the spool has to do.
  const spoolBytes = disk === null ? 20_000 : 50_000_000;
  const station = await startStation({
    log,
    settings: { appendTimeoutMs: 50, spoolBytes },
    ...(disk === null ? {} : { dataDirectory: disk.path }),
  });
  try {
    const accepted: string[] = [];
    let refusal: Response | null = null;
    for (let n = 1; refusal === null && n < 500; n += 1) {
      const id = `delivery-${letters(n)}`;
      const headers = { 'x-correlation-id': id };
      const delivery = twilioForm(completedCall(n));
      const answer = await deliver(station, delivery, {
        headers: { ...delivery.headers, ...headers },
      });
      if (answer.ok) accepted.push(id);
      else refusal = answer;
    }
    expect(refusal?.status).toBe(503);
    expect(refusal?.headers.get('retry-after')).toBe('5');
    expect(accepted.length).toBeGreaterThan(5);
    disk?.grow(2_000);
    if (disk !== null) {
      expect((await deliver(station, twilioForm(completedCall(501)))).ok).toBe(true);
    }
    weather.isAway = false;
    await expect
      .poll(() => accepted.filter((id) => !idsIn(store).has(id)), { timeout: 20_000 })
      .toEqual([]);
  } finally {
    await station.stop();
    disk?.unmount();
  }
});

test('ingest that starts on a full disk waits for room, and takes nothing until then', async () => {
  const disk = mountSmall('start', 64);
  // Only a file system of its own can be full before anything is written.
  if (disk === null) return;
  const filler = join(disk.path, 'filler');
  expect(() => writeFileSync(filler, Buffer.alloc(128 * 1024))).toThrow(/ENOSPC/);
  let isReady = false;
  const starting = startStation({ dataDirectory: disk.path }).then((station) => {
    isReady = true;
    return station;
  });
  try {
    // Longer than a look at the disk.
    await expect.poll(() => existsSync(join(disk.path, 'spool')), { timeout: 5_000 }).toBe(true);
    expect(isReady).toBe(false);
    rmSync(filler);
    const station = await starting;
    expect(isReady).toBe(true);
    await station.stop();
  } finally {
    disk.unmount();
  }
});
