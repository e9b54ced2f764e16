// Real services for tests: started on demand by whichever test asks first, shared by all workers of
// a run (and by later runs while they stay up), found through a small file per service.

import { spawn, type SpawnOptions } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where services, their data and downloads live: outside what is tracked. */
export const cacheDirectory = join(repository, '.cache');
export const servicesDirectory = join(cacheDirectory, 'services');

/** A service that runs: how to reach it and which process it is. */
export interface Running {
  readonly pid: number;
  readonly address: string;
  /** For the table at the end of a run, e.g. `PostgreSQL 18.4`. */
  readonly what: string;
}

/** Finds the service `name` if it is up, else starts it; one starter at a time over all processes. */
export async function shared(name: string, start: () => Promise<Running>): Promise<Running> {
  mkdirSync(servicesDirectory, { recursive: true });
  const file = join(servicesDirectory, `${name}.json`);
  const found = running(file);
  if (found !== null) return found;
  const release = await lock(join(servicesDirectory, `${name}.lock`));
  try {
    const meanwhile = running(file);
    if (meanwhile !== null) return meanwhile;
    const started = await start();
    writeFileSync(file, JSON.stringify(started));
    return started;
  } finally {
    release();
  }
}

function running(file: string): Running | null {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as Running;
    process.kill(state.pid, 0);
    return state;
  } catch {
    return null;
  }
}

async function lock(path: string): Promise<() => void> {
  for (;;) {
    try {
      mkdirSync(path);
      return () => {
        rmdirSync(path);
      };
    } catch {
      // A starter that died leaves its lock; no start takes five minutes.
      if (age(path) > 300_000) rmdirSync(path);
      await pause(50);
    }
  }
}

function age(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** Starts a process that outlives this one; its output goes to `<log>`. */
export function spawnDetached(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { readonly log: string },
): number {
  const output = openSync(options.log, 'a');
  const child = spawn(command, [...args], {
    ...options,
    detached: true,
    stdio: ['ignore', output, output],
  });
  child.unref();
  if (child.pid === undefined) throw new Error(`${command} did not start; see ${options.log}`);
  return child.pid;
}

/** Runs a command to its end; throws with its output when it fails. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  const child = spawn(command, [...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`);
  return output;
}

/** A free port of the loopback interface. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Polls until `probe` is true; a failing probe counts as not yet. */
export async function until(
  what: string,
  probe: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown = null;
  for (;;) {
    try {
      if (await probe()) return;
    } catch (thrown) {
      last = thrown;
    }
    if (Date.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last });
    await pause(15);
  }
}

/** Whether the process is there. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
