// The database user of DATABASE_URL as a managed PostgreSQL gives it: no superuser, may make roles. On a
// server of its own, because roles belong to the server and others have made ours already.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../runtime/embedded-postgres.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { asTenant, openDatabase, type Database } from '../../runtime/postgres.js';

let directory: string;
let server: EmbeddedPostgres;
let admin: pg.Client;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'trunkline-role-'));
  chmodSync(directory, 0o711);
  server = await startEmbeddedPostgres(join(directory, 'postgres'));
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A database owned by a user with these rights. */
async function ownedBy(user: string, rights: string): Promise<Database> {
  await admin.query(`create role ${user} login password 'secret' ${rights}`);
  await admin.query(`create database ${user} owner ${user}`);
  const url = new URL(server.url);
  url.username = user;
  url.password = 'secret';
  url.pathname = `/${user}`;
  return openDatabase({ url: url.href, max: 2, applicationName: 'test' });
}

async function migrateAll(database: Database): Promise<void> {
  for (const set of ['log', 'runtime', 'projections']) {
    await migrate(database, { set, directory: join(packageRoot(), set, 'migrations') });
  }
}

const readsNothing = async (database: Database): Promise<void> => {
  const { rowCount } = await asTenant(database, 'acme', (t) => t.query('select from calls'));
  expect(rowCount).toBe(0);
};

describe('a user without superuser rights', () => {
  it('that may make roles sets everything up and reads as the reader', async () => {
    const database = await ownedBy('may_create', 'createrole');
    await migrateAll(database);
    await readsNothing(database);
    await database.end();
  });

  it('that may make none is told what to do, and goes on once it is done', async () => {
    const database = await ownedBy('may_not', '');
    await expect(migrateAll(database)).rejects.toMatchObject({
      code: 'migration_failed',
      message: expect.stringMatching(/grant trunkline_reader to may_not/) as string,
    });
    await admin.query('grant trunkline_reader to may_not');
    await migrateAll(database);
    await readsNothing(database);
    await database.end();
  });
});
