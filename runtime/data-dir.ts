// The data directory: embedded Postgres, keys and spool of one running instance. A lock file with the
// owner's pid keeps a second one out; the lock of a process that is gone is taken over. A pid says nothing
// in another container, so the owner also listens on a socket beside the lock.

import { existsSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { link, mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { basename, join, resolve } from 'node:path';
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
  /** Name of the socket in the directory that its owner listens on; null where none can be. */
  readonly socket: string | null;
}

const lockFile = 'lock.json';
const maxSocketPath = 100;

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
  const id = randomUUID();
  const presence = await listen(absolute, `${id.slice(0, 8)}.sock`);
  const own: LockContent = {
    ...{ id, purpose, pid: process.pid, started: startOf(process.pid) },
    socket: presence?.name ?? null,
  };
  try {
    await takeLock(absolute, own);
  } catch (thrown) {
    await presence?.close();
    throw thrown;
  }
  const onExit = (): void => {
    if (sameLock(readLockSync(file), own)) unlinkSync(file);
    presence?.unlink();
  };
  process.once('exit', onExit);
  return {
    path: absolute,
    release: async () => {
      process.off('exit', onExit);
      if (sameLock(await readLock(file), own)) await rm(file, { force: true });
      await presence?.close();
    },
  };
}

async function takeLock(directory: string, own: LockContent): Promise<void> {
  const file = join(directory, lockFile);
  let tookOver = false;
  while (!(await tryLock(file, own)) || (tookOver && !(await stands(file, own)))) {
    const holder = await readLock(file);
    if (holder !== null && (await isPresent(directory, holder))) throw inUse(directory, holder);
    await removeStale(file, holder);
    const left = holder?.socket ?? null;
    if (left !== null) await rm(join(directory, basename(left)), { force: true });
    tookOver = true;
  }
}

/** Who holds the directory now; null when nobody who is alive does. */
export async function dataDirHolder(
  path: string,
): Promise<{ readonly pid: number; readonly purpose: string } | null> {
  const absolute = resolve(path);
  const holder = await readLock(join(absolute, lockFile));
  if (holder === null || !(await isPresent(absolute, holder))) return null;
  return { pid: holder.pid, purpose: holder.purpose };
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
      socket: value.socket ?? null,
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

/** Alive here, or, with a pid of another container, answering on its socket. */
async function isPresent(directory: string, holder: LockContent): Promise<boolean> {
  if (isAlive(holder)) return true;
  return holder.socket !== null && (await answers(join(directory, basename(holder.socket))));
}

/** The kernel answers for a process that listens, and refuses for one that is gone. */
const answers = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(path);
    const end = (isThere: boolean) => () => {
      socket.destroy();
      done(isThere);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });

interface Presence {
  readonly name: string;
  close(): Promise<void>;
  unlink(): void;
}

/** Null where the file system has no sockets, or the path is too long for one (unix(7): 108 bytes). */
async function listen(directory: string, name: string): Promise<Presence | null> {
  const path = join(directory, name);
  if (Buffer.byteLength(path) > maxSocketPath) return null;
  const server = createServer((socket) => socket.destroy()).unref();
  const isListening = await new Promise<boolean>((done) => {
    server.once('error', () => done(false)).listen(path, () => done(true));
  });
  if (!isListening) return null;
  return {
    name,
    // Node removes the file with the server.
    close: () => new Promise((done) => void server.close(() => done())),
    unlink: () => rmSync(path, { force: true }),
  };
}

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
