// The tables: their way back, and the second wall between tenants, on a real Postgres (services/).

import { expect, test } from 'vitest';

import { migrate, migrateDown } from '../../runtime/migrate.js';
import { asTenant, inTransaction, openDatabase } from '../../runtime/postgres.js';
import { postgresUrl } from '../services/services.js';
import { caughtUp, codec, freshStore, migrationSets, projections, start } from './station.js';
import { World } from './world.js';

const readable = [
  'calls',
  'legs',
  'call_timeline',
  'messages',
  'records',
  'stats_minute',
  'unattributed',
  'dead_letters',
  'dead_letter_states',
  'dead_letter_acts',
];

test('up, down and up again leaves the same tables, indexes and policies, and down leaves none', async () => {
  const url = await postgresUrl();
  const database = openDatabase({ url, max: 2, applicationName: 'test' });
  const [, own] = migrationSets;
  if (own === undefined) throw new Error('no migrations');
  const objects = async (): Promise<unknown[]> => {
    const { rows } = await database.query<object>(
      `select c.relname, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity,
          array(select polname::text from pg_policy where polrelid = c.oid order by 1) as policies
        from pg_class c where c.relnamespace = 'public'::regnamespace order by 1`,
    );
    return rows;
  };
  await migrate(database, own);
  const first = await objects();
  await migrateDown(database, own);
  const { rows } = await database.query(
    `select tablename from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations'`,
  );
  expect(rows).toEqual([]);
  await migrate(database, own);
  expect(await objects()).toEqual(first);
  await database.end();
});

test('every key and index of a read model begins with the tenant, and row-level security is forced', async () => {
  const { database } = await freshStore();
  const tables = projections.flatMap((projection) => projection.tables.map(({ name }) => name));
  const { rows } = await database.query<{ index: string; first: string }>(
    `select i.indexrelid::regclass::text as index, a.attname::text as first
      from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = any($1::regclass[])`,
    [tables],
  );
  expect(rows.length).toBeGreaterThan(tables.length);
  expect(rows.filter(({ first }) => first !== 'tenant_id')).toEqual([]);
  const forced = await database.query(
    `select relname from pg_class where oid = any($1::regclass[]) and relrowsecurity and relforcerowsecurity`,
    [tables],
  );
  expect(forced.rowCount).toBe(tables.length);
  await database.end();
});

test('a table definition names exactly the columns of its migration', async () => {
  const { database } = await freshStore();
  for (const table of projections.flatMap(({ tables }) => tables)) {
    const { rows } = await database.query<{ name: string; type: string }>(
      `select column_name as name, data_type as type from information_schema.columns
        where table_schema = 'public' and table_name = $1`,
      [table.name],
    );
    expect(Object.fromEntries(rows.map(({ name, type }) => [name, type]))).toEqual(table.columns);
    expect(Object.keys(table.columns).slice(0, table.key.length)).toEqual(table.key);
  }
  await database.end();
});

test('the reader sees its own tenant, nothing without one, and cannot write', async () => {
  const { database } = await freshStore();
  const world = new World({ seed: 2, codec });
  world.happen(1_500);
  const running = start(world, database);
  await caughtUp(world, database);
  await running.stop();
  const [tenant] = world.tenants;
  if (tenant === undefined) throw new Error('no tenant');
  for (const table of readable) {
    const own = await database.query(`select 1 from ${table} where tenant_id = $1`, [tenant]);
    const all = await database.query(`select 1 from ${table}`);
    expect(all.rowCount, table).toBeGreaterThan(own.rowCount ?? 0);
    const seen = await asTenant(database, tenant, (t) =>
      t.query<{ tenant_id: string }>(`select tenant_id from ${table}`),
    );
    expect(seen.rowCount, table).toBe(own.rowCount);
    expect(new Set(seen.rows.map((row) => row.tenant_id))).toEqual(new Set([tenant]));
    const nobody = await inTransaction(database, async (transaction) => {
      await transaction.query('set local role trunkline_reader');
      return transaction.query(`select 1 from ${table}`);
    });
    expect(nobody.rowCount, table).toBe(0);
    for (const write of [`delete from ${table}`, `update ${table} set tenant_id = 'x'`]) {
      const attempt = inTransaction(database, async (transaction) => {
        await transaction.query('set local role trunkline_reader');
        await transaction.query(`select set_config('trunkline.tenant', $1, true)`, [tenant]);
        await transaction.query(write);
      });
      await expect(attempt, write).rejects.toThrow(/permission denied/);
    }
  }
  const states = asTenant(database, tenant, (t) => t.query('select 1 from aggregate_state'));
  await expect(states).rejects.toThrow(/permission denied/);
  await database.end();
});

test('an owner that is no superuser writes every tenant, and only by a policy', async () => {
  const url = await postgresUrl();
  const admin = openDatabase({ url, max: 1, applicationName: 'test' });
  const name = `owner_${new URL(url).pathname.slice(1)}`;
  await admin.query(`create role ${name} login password 'fictional' nosuperuser createrole`);
  await admin.query(`alter database ${new URL(url).pathname.slice(1)} owner to ${name}`);
  await admin.query(`grant trunkline_reader to ${name} with admin option`).catch(() => undefined);
  await admin.query(`alter schema public owner to ${name}`);
  const own = new URL(url);
  own.username = name;
  own.password = 'fictional';
  const database = openDatabase({ url: own.href, max: 8, applicationName: 'test' });
  for (const set of migrationSets) await migrate(database, set);
  const world = new World({ seed: 9, codec });
  world.happen(200);
  const running = start(world, database);
  await caughtUp(world, database);
  await running.stop();
  const tenants = await database.query('select distinct tenant_id from call_timeline');
  expect(tenants.rowCount).toBe(world.tenants.length);
  await database.query('drop policy writer on calls');
  expect((await database.query('select 1 from calls')).rows).toEqual([]);
  await database.end();
  await admin.query(`reassign owned by ${name} to postgres`);
  await admin.query(`drop owned by ${name}`);
  await admin.query(`drop role ${name}`);
  await admin.end();
});
