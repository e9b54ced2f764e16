// The data directory: embedded Postgres, keys and spool of one running instance. A lock file with the
// owner's pid keeps a second one out; the lock of a process that is gone is taken over.

import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { link, mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { TrunklineError } from './errors.js';

export interface DataDir {
  /** Absolute path. */
  readonly path: string;
  /** Gives the directory back; harmless when called twice. */
  release(): Promise<void>;
}

interface LockContent {
  /** Of this one taking of the lock. */
  readonly id: string;
  readonly pid: number;
  /** When the process started, in kernel ticks; tells a pid that was given out again. */
  readonly started: string | null;
  readonly purpose: string;
}

const lockFile = 'lock.json';

/** Makes the directory if needed; its files are for the owner alone, its name may be passed through. */
export async function makeDataDir(path: string): Promise<string> {
  const absolute = resolve(path);
  await mkdir(absolute, { recursive: true, mode: 0o755 });
  return absolute;
}

/**
 * Takes the directory for this process; `purpose` names the command for whoever is refused. Throws
 * `data_dir_in_use` while another live process holds it.
 */
export async function lockDataDir(path: string, purpose: string): Promise<DataDir> {
  const absolute = await makeDataDir(path);
  const file = join(absolute, lockFile);
  const own: LockContent = {
    id: randomUUID(),
    pid: process.pid,
    started: startOf(process.pid),
    purpose,
  };
  let tookOver = false;
  while (!(await tryLock(file, own)) || (tookOver && !(await stands(file, own)))) {
    const holder = await readLock(file);
    if (holder !== null && isAlive(holder)) throw inUse(absolute, holder);
    await removeStale(file, holder);
    tookOver = true;
  }
  const onExit = (): void => {
    if (sameLock(readLockSync(file), own)) unlinkSync(file);
  };
  process.once('exit', onExit);
  return {
    path: absolute,
    release: async () => {
      process.off('exit', onExit);
      if (sameLock(await readLock(file), own)) await rm(file, { force: true });
    },
  };
}

/** Who holds the directory now; null when nobody who is alive does. */
export async function dataDirHolder(
  path: string,
): Promise<{ readonly pid: number; readonly purpose: string } | null> {
  const holder = await readLock(join(resolve(path), lockFile));
  return holder !== null && isAlive(holder) ? { pid: holder.pid, purpose: holder.purpose } : null;
}

/** True when a signal can reach the process, or when it belongs to another user. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A hard link is made whole or not at all, so nobody ever reads half a lock. */
async function tryLock(file: string, own: LockContent): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(own), { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, file);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  } finally {
    await unlink(draft);
  }
}

/**
 * Another process may have judged the same stale lock and removed ours in its place; it does so within
 * moments of reading it. Whoever finds the other's lock then is refused by it.
 */
async function stands(file: string, own: LockContent): Promise<boolean> {
  await pause(50);
  return sameLock(await readLock(file), own);
}

async function readLock(file: string): Promise<LockContent | null> {
  return parseLock(await readFile(file, 'utf8').catch(() => ''));
}

function readLockSync(file: string): LockContent | null {
  return existsSync(file) ? parseLock(readFileSync(file, 'utf8')) : null;
}

function parseLock(text: string): LockContent | null {
  try {
    const value = JSON.parse(text) as Partial<LockContent>;
    if (typeof value.pid !== 'number') return null;
    return {
      id: value.id ?? '',
      pid: value.pid,
      started: value.started ?? null,
      purpose: value.purpose ?? 'trunkline',
    };
  } catch {
    return null;
  }
}

/** Removes the lock only if it is still the one that was judged; another may be faster. */
async function removeStale(file: string, judged: LockContent | null): Promise<void> {
  // Released meanwhile: there is nothing to remove, and another may just take it.
  if (!existsSync(file)) return;
  const present = await readLock(file);
  if (present === null ? judged === null : sameLock(judged, present)) {
    await rm(file, { force: true });
  }
}

const sameLock = (one: LockContent | null, other: LockContent): boolean =>
  one !== null && one.id === other.id && one.pid === other.pid;

function isAlive(holder: LockContent): boolean {
  if (!isProcessAlive(holder.pid)) return false;
  const started = startOf(holder.pid);
  return started === null || holder.started === null || started === holder.started;
}

/** Field 22 of /proc/pid/stat (proc(5)); null where there is no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function inUse(path: string, holder: LockContent): TrunklineError {
  return new TrunklineError(
    'data_dir_in_use',
    `the data directory ${path} is in use by \`${holder.purpose}\` (pid ${holder.pid}); ` +
      'stop it, or set TRUNKLINE_DATA to another directory',
  );
}
