// The embedded PostgreSQL (design section 11): a real server as our child process, on loopback, in
// the data directory. In: a directory. Out: a connection URL and a clean stop. The caller holds the
// data directory's lock, so at most one process starts or stops it.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { isProcessAlive } from './data-dir.js';
import { findBinaries, serverUser, spawnProgram } from './embedded-binaries.js';
import type { PostgresBinaries, ServerUser } from './embedded-binaries.js';
import { TrunklineError, toError } from './errors.js';

export interface EmbeddedPostgres {
  /** With user and password: never log it. */
  readonly url: string;
  /** Whether a server that an earlier process left behind was taken over. */
  readonly adopted: boolean;
  /** Resolves when the server is gone, by `stop` or by itself. */
  readonly exited: Promise<void>;
  /** Fast shutdown: open transactions are rolled back, everything committed is kept. */
  stop(): Promise<void>;
}

interface Connection {
  readonly port: number;
  readonly password: string;
}

interface Place {
  readonly cluster: string;
  readonly connectionFile: string;
  readonly logFile: string;
  readonly binaries: PostgresBinaries;
  readonly user: ServerUser | null;
}

const superuser = 'trunkline';
const databaseName = 'trunkline';
const startTimeoutMs = 20_000;

/**
 * For a small machine with one writer that matters. Nothing that weakens a commit is here: fsync,
 * full_page_writes and synchronous_commit stay on. Statements and row values stay out of the log.
 */
const settings: Readonly<Record<string, string | number>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 60,
  shared_buffers: '64MB',
  work_mem: '8MB',
  maintenance_work_mem: '32MB',
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_logical_replication_workers: 0,
  max_wal_size: '512MB',
  min_wal_size: '64MB',
  checkpoint_timeout: '15min',
  io_method: 'sync',
  max_parallel_workers_per_gather: 0,
  jit: 'off',
  huge_pages: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

/**
 * Starts the server in `directory`, making the cluster at the first call, or takes over one that a
 * killed process left running there. Throws `service_unreachable` when it does not come up.
 */
export async function startEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres> {
  const place = await preparePlace(directory);
  const known = await readConnection(place.connectionFile);
  if (known !== null) {
    const orphan = await adopt(place, known);
    if (orphan !== null) return orphan;
  }
  const password = known?.password ?? randomBytes(24).toString('base64url');
  if (!existsSync(join(place.cluster, 'PG_VERSION'))) await makeCluster(place, password);
  return launch(place, password, known?.port ?? null);
}

/** The URL of the server that runs in `directory` now; null when none answers. For commands. */
export async function runningEmbeddedUrl(directory: string): Promise<string | null> {
  const known = await readConnection(join(directory, 'connection.json'));
  return known !== null && (await answers(known)) ? urlOf(known) : null;
}

async function preparePlace(directory: string): Promise<Place> {
  const root = resolve(directory);
  const user = serverUser();
  await mkdir(directory, { recursive: true, mode: 0o711 });
  if (user !== null) await chmod(directory, 0o711);
  return {
    cluster: join(root, 'cluster'),
    connectionFile: join(root, 'connection.json'),
    logFile: join(root, 'postgres.log'),
    binaries: findBinaries(),
    user,
  };
}

/** initdb works beside the final place, so that a first start cut short leaves nothing half made. */
async function makeCluster(place: Place, password: string): Promise<void> {
  const draft = `${place.cluster}.new`;
  const passwordFile = `${place.cluster}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (place.user !== null) {
    await chown(draft, place.user.uid, place.user.gid);
    await chown(passwordFile, place.user.uid, place.user.gid);
  }
  const args = [
    `--pgdata=${draft}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    // Byte order for text: the same on every system, and the order the keyset cursors rely on.
    '--no-locale',
    '--encoding=UTF8',
    '--no-instructions',
  ];
  try {
    await runInitdb(place, args);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, place.cluster);
}

async function runInitdb(place: Place, args: readonly string[]): Promise<void> {
  const child = spawnProgram(place.binaries.initdb, args, {
    user: place.user,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  const failed = once(child, 'error').then(([error]) => toError(error).message);
  const closed = once(child, 'close').then(([code]) => (code === 0 ? null : said.trim()));
  const fault = await Promise.race([failed, closed]);
  if (fault !== null) throw startFailure(`initdb failed: ${fault}`);
}

async function launch(
  place: Place,
  password: string,
  lastPort: number | null,
): Promise<EmbeddedPostgres> {
  await clearStalePid(place);
  for (let attempt = 0; attempt < 4; attempt++) {
    const port = await freePort(attempt === 0 ? lastPort : null);
    const started = await tryLaunch(place, { port, password });
    if (started !== null) return started;
  }
  throw startFailure(`it does not start; see ${place.logFile}`);
}

async function tryLaunch(place: Place, connection: Connection): Promise<EmbeddedPostgres | null> {
  const log = await open(place.logFile, await logFlags(place.logFile), 0o600);
  const args = [`-D${place.cluster}`, `-p${connection.port}`];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
  const child = spawnProgram(place.binaries.postgres, args, {
    user: place.user,
    stdio: ['ignore', log.fd, log.fd],
  });
  await log.close();
  const life = { isGone: false };
  const exited = Promise.race([once(child, 'exit'), once(child, 'error')]).then(() => {
    life.isGone = true;
  });
  exited.catch(() => undefined);
  const deadline = Date.now() + startTimeoutMs;
  while (!life.isGone && Date.now() < deadline) {
    if (isReady(place.cluster, child.pid)) {
      await finishStart(place, connection);
      child.unref();
      return handle(child.pid ?? 0, connection, { adopted: false, exited });
    }
    await Promise.race([pause(10), exited]);
  }
  if (!life.isGone) child.kill('SIGQUIT');
  return null;
}

async function finishStart(place: Place, connection: Connection): Promise<void> {
  const draft = `${place.connectionFile}.new`;
  await writeFile(draft, JSON.stringify(connection), { mode: 0o600 });
  await rename(draft, place.connectionFile);
  const client = new pg.Client({ connectionString: urlOf(connection, 'postgres') });
  await client.connect();
  try {
    const found = await client.query('select from pg_database where datname = $1', [databaseName]);
    if (found.rowCount === 0) await client.query(`create database ${databaseName}`);
  } finally {
    await client.end();
  }
}

/** Line 8 of postmaster.pid says `ready` (as pg_ctl reads it); line 1 is the pid. */
function isReady(cluster: string, pid: number | undefined): boolean {
  const lines = readPidFile(cluster);
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

function readPidFile(cluster: string): string[] {
  try {
    return readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** A server that runs in our cluster because the process that started it was killed. */
async function adopt(place: Place, known: Connection): Promise<EmbeddedPostgres | null> {
  const pid = Number(readPidFile(place.cluster)[0] ?? 0);
  if (!(pid > 0) || !isProcessAlive(pid) || !(await answers(known))) return null;
  await finishStart(place, known);
  return handle(pid, known, { adopted: true, exited: waitForExit(pid, { ref: false }) });
}

/**
 * After a crash of the machine the pid in postmaster.pid may belong to anybody; PostgreSQL then
 * refuses to start. A server of this cluster that lives but does not answer is stopped first.
 */
async function clearStalePid(place: Place): Promise<void> {
  const pid = Number(readPidFile(place.cluster)[0] ?? 0);
  if (!(pid > 0)) return;
  if (isProcessAlive(pid) && isServerOf(place.cluster, pid)) {
    process.kill(pid, 'SIGQUIT');
    await waitForExit(pid);
  }
  await rm(join(place.cluster, 'postmaster.pid'), { force: true });
}

function isServerOf(cluster: string, pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(cluster);
  } catch {
    // No /proc here: believe the file, as PostgreSQL does.
    return process.platform !== 'linux';
  }
}

async function waitForExit(pid: number, options = { ref: true }): Promise<void> {
  while (isProcessAlive(pid)) await pause(10, undefined, options);
}

function handle(
  pid: number,
  connection: Connection,
  life: { readonly adopted: boolean; readonly exited: Promise<void> },
): EmbeddedPostgres {
  const onExit = (): void => signal(pid, 'SIGINT');
  process.once('exit', onExit);
  return {
    url: urlOf(connection),
    adopted: life.adopted,
    exited: life.exited,
    stop: async () => {
      process.off('exit', onExit);
      signal(pid, 'SIGINT');
      const late = pause(5_000, 'late', { ref: false });
      if ((await Promise.race([waitForExit(pid), late])) === 'late') signal(pid, 'SIGQUIT');
      await waitForExit(pid);
    },
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}

async function answers(connection: Connection): Promise<boolean> {
  const client = new pg.Client({
    connectionString: urlOf(connection, 'postgres'),
    connectionTimeoutMillis: 2_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function readConnection(file: string): Promise<Connection | null> {
  try {
    const value = JSON.parse(await readFile(file, 'utf8')) as Partial<Connection>;
    if (typeof value.port !== 'number' || typeof value.password !== 'string') return null;
    return { port: value.port, password: value.password };
  } catch {
    return null;
  }
}

const urlOf = (connection: Connection, database = databaseName): string =>
  `postgresql://${superuser}:${connection.password}@127.0.0.1:${connection.port}/${database}`;

/** The last port if it is free, so that a noted `psql` line goes on working; else any free one. */
async function freePort(wanted: number | null): Promise<number> {
  const server = createServer();
  const listening = once(server, 'listening');
  server.listen(wanted ?? 0, '127.0.0.1');
  try {
    await listening;
  } catch {
    return freePort(null);
  }
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw startFailure('no free port');
  return address.port;
}

/** Appends, but starts the file anew when it has grown over 10 MB. */
async function logFlags(file: string): Promise<'a' | 'w'> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  return size > 10 * 1024 * 1024 ? 'w' : 'a';
}

const startFailure = (detail: string): TrunklineError =>
  new TrunklineError('service_unreachable', `the embedded PostgreSQL: ${detail}`);
