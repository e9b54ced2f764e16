// Schema migrations: numbered SQL with a way back, `0001-name.sql` and `0001-name.down.sql`, in sets
// that are numbered on their own. In: a database and a directory. Out: the tables of this version.

import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TrunklineError, toError } from './errors.js';
import { postgresError, readerRole } from './postgres.js';
import type { Database, Transaction } from './postgres.js';

export interface MigrationSet {
  /** Name of the set in `schema_migrations`: `runtime`, `log` or `projections`. */
  readonly set: string;
  /** Absolute path of the SQL files; see `packageRoot()`. */
  readonly directory: string;
}

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly up: string;
  readonly down: string | null;
  readonly checksum: string;
}

const lockName = 'trunkline/migrate';
const filePattern = /^(\d{4})-([a-z0-9-]+)\.sql$/;

/**
 * Brings the set to its newest version: each file in one transaction, all under one advisory lock,
 * so that processes that start together wait for one another. Also makes the role
 * `trunkline_reader`. Returns the names of what was applied now. Throws `migration_failed` when a
 * file fails, was changed after it was applied, or the database is newer than this program.
 */
export async function migrate(database: Database, wanted: MigrationSet): Promise<string[]> {
  const migrations = await readSet(wanted.directory);
  return locked(database, async (client) => {
    await prepare(client);
    const applied = await readApplied(client, wanted.set);
    assertKnown(wanted.set, migrations, applied);
    const pending = migrations.filter((migration) => !applied.has(migration.number));
    for (const migration of pending) await applyUp(client, wanted.set, migration);
    return pending.map((migration) => migration.name);
  });
}

/** Goes back until `to` migrations of the set are left (default none). For tests and for operators. */
export async function migrateDown(
  database: Database,
  wanted: MigrationSet,
  to = 0,
): Promise<string[]> {
  const migrations = await readSet(wanted.directory);
  return locked(database, async (client) => {
    await prepare(client);
    const applied = await readApplied(client, wanted.set);
    assertKnown(wanted.set, migrations, applied);
    const backwards = migrations
      .filter((migration) => migration.number > to && applied.has(migration.number))
      .reverse();
    for (const migration of backwards) await applyDown(client, wanted.set, migration);
    return backwards.map((migration) => migration.name);
  });
}

async function readSet(directory: string): Promise<Migration[]> {
  const files = (await readdir(directory)).filter((file) => filePattern.test(file)).sort();
  const migrations = await Promise.all(files.map((file) => readMigration(directory, file)));
  migrations.forEach((migration, index) => {
    if (migration.number !== index + 1) {
      throw failure(`${directory} must number its files 0001, 0002, …; found ${migration.name}`);
    }
  });
  return migrations;
}

async function readMigration(directory: string, file: string): Promise<Migration> {
  const up = await readFile(join(directory, file), 'utf8');
  const downFile = join(directory, file.replace(/\.sql$/, '.down.sql'));
  const down = await readFile(downFile, 'utf8').catch(() => null);
  return {
    number: Number(file.slice(0, 4)),
    name: file.replace(/\.sql$/, ''),
    up,
    down,
    checksum: createHash('sha256').update(up).digest('hex').slice(0, 16),
  };
}

async function locked<T>(
  database: Database,
  work: (client: Transaction) => Promise<T>,
): Promise<T> {
  const client = await database.connect().catch((thrown: unknown) => {
    throw postgresError(thrown);
  });
  let broken: Error | undefined;
  // A server that goes away says so here, beside the query that fails; nobody listening would end the process.
  const onError = (error: Error): void => void (broken = error);
  client.on('error', onError);
  try {
    // Rebuilding an index of a large table takes longer than any query may.
    await client.query('set statement_timeout = 0');
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [lockName]);
    return await work(client);
  } catch (thrown) {
    broken = toError(thrown);
    throw postgresError(thrown);
  } finally {
    // Unlocks and forgets the time-out; a client that failed is closed, which unlocks as well.
    if (broken === undefined) {
      await client.query('select pg_advisory_unlock_all()');
      await client.query('reset statement_timeout');
    }
    client.off('error', onError);
    client.release(broken);
  }
}

async function prepare(client: Transaction): Promise<void> {
  await client.query(`
    create table if not exists schema_migrations (
      set text not null,
      number int not null,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now(),
      primary key (set, number)
    )`);
  await prepareReader(client);
}

/**
 * The role `trunkline_reader`, and the right to act as it. Roles belong to the server, not to the
 * database: another database may make it at this moment. Since PostgreSQL 16 a user that is no
 * superuser may administer the roles it makes but not act as them until that is granted too.
 */
async function prepareReader(client: Transaction): Promise<void> {
  try {
    await client.query(`
      do $$ begin
        if not exists (select from pg_roles where rolname = '${readerRole}') then
          create role ${readerRole} nologin;
        end if;
      exception when duplicate_object or unique_violation then null;
      end $$`);
    await client.query(`
      do $$ begin
        if not pg_has_role(current_user, '${readerRole}',
            case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)
        then grant ${readerRole} to current_user;
        end if;
      end $$`);
  } catch (thrown) {
    const cause = postgresError(thrown);
    if (cause instanceof TrunklineError) throw cause;
    const { rows } = await client.query<{ user: string }>('select current_user as "user"');
    throw failure(
      `the role ${readerRole}: ${cause.message}; as an administrator of the server run: ` +
        `create role ${readerRole} nologin; grant ${readerRole} to ${rows[0]?.user ?? 'this user'}`,
      { cause },
    );
  }
}

async function readApplied(client: Transaction, set: string): Promise<Map<number, string>> {
  const { rows } = await client.query<{ number: number; checksum: string }>(
    'select number, checksum from schema_migrations where set = $1',
    [set],
  );
  return new Map(rows.map((row) => [row.number, row.checksum]));
}

function assertKnown(
  set: string,
  migrations: readonly Migration[],
  applied: ReadonlyMap<number, string>,
): void {
  for (const [number, checksum] of applied) {
    const migration = migrations[number - 1];
    if (migration === undefined) {
      throw failure(
        `the database holds migration ${number} of set ${set}, which this version does not know: ` +
          'it was made by a newer version; run that one',
      );
    }
    if (migration.checksum !== checksum) {
      throw failure(`${set}/${migration.name} was changed after it was applied; add a new file`);
    }
  }
}

async function applyUp(client: Transaction, set: string, migration: Migration): Promise<void> {
  await step(client, `${set}/${migration.name}`, async () => {
    await client.query(migration.up);
    await client.query(
      'insert into schema_migrations (set, number, name, checksum) values ($1, $2, $3, $4)',
      [set, migration.number, migration.name, migration.checksum],
    );
  });
}

async function applyDown(client: Transaction, set: string, migration: Migration): Promise<void> {
  const { down } = migration;
  if (down === null) throw failure(`${set}/${migration.name} has no .down.sql`);
  await step(client, `${set}/${migration.name} (down)`, async () => {
    await client.query(down);
    await client.query('delete from schema_migrations where set = $1 and number = $2', [
      set,
      migration.number,
    ]);
  });
}

async function step(client: Transaction, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await client.query('begin');
    await work();
    await client.query('commit');
  } catch (thrown) {
    await client.query('rollback').catch(() => undefined);
    const cause = postgresError(thrown);
    if (cause instanceof TrunklineError) throw cause;
    throw failure(`${what}: ${cause.message}`, { cause });
  }
}

const failure = (detail: string, options?: ErrorOptions): TrunklineError =>
  new TrunklineError('migration_failed', detail, options);
