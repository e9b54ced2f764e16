import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPostgresKeyStore } from '../../runtime/key-store.js';
import type { WantedSubjectKey } from '../../runtime/keys.js';
import { migrate, migrateDown } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { assertReachable, inTransaction, openDatabase } from '../../runtime/postgres.js';
import type { Database } from '../../runtime/postgres.js';
import { subjectId, tenantId } from '../../schemas/ids.js';
import { postgresUrl } from '../services/services.js';

let url: string;
let database: Database;
beforeAll(async () => {
  url = await postgresUrl();
  database = openDatabase({ url, max: 8, applicationName: 'test' });
});
afterAll(() => database.end());

describe('migrations', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'trunkline-sql-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, text: string) => writeFileSync(join(directory, name), text);

  it('are applied in order, once, also by processes that start together', async () => {
    file('0001-a.sql', 'create table a (id int)');
    file('0001-a.down.sql', 'drop table a');
    file('0002-b.sql', 'alter table a add b int; insert into a values (1, 2)');
    file('0002-b.down.sql', 'alter table a drop b');
    const set = { set: 'order', directory };
    const runs = await Promise.all(Array.from({ length: 4 }, () => migrate(database, set)));
    expect(runs.flat().sort()).toEqual(['0001-a', '0002-b']);
    expect((await database.query('select * from a')).rows).toEqual([{ id: 1, b: 2 }]);
    expect(await migrateDown(database, set, 1)).toEqual(['0002-b']);
    expect(await migrateDown(database, set)).toEqual(['0001-a']);
  });

  it('leave nothing of a file that fails, and name it', async () => {
    file('0001-good.sql', 'create table good (id int)');
    file('0001-good.down.sql', 'drop table good');
    file('0002-bad.sql', 'create table half (id int); select 1 / 0');
    const set = { set: 'failing', directory };
    await expect(migrate(database, set)).rejects.toMatchObject({ code: 'migration_failed' });
    await expect(migrate(database, set)).rejects.toThrow(/failing\/0002-bad: division by zero/);
    await expect(database.query('select * from half')).rejects.toThrow(/does not exist/);
    expect((await database.query('select * from good')).rowCount).toBe(0);
    await migrateDown(database, set);
  });

  it('refuse a file that changed, a missing number, and a newer database', async () => {
    file('0001-a.sql', 'select 1');
    const set = { set: 'careful', directory };
    await migrate(database, set);
    file('0001-a.sql', 'select 2');
    await expect(migrate(database, set)).rejects.toThrow(/changed after it was applied/);
    rmSync(join(directory, '0001-a.sql'));
    await expect(migrate(database, set)).rejects.toThrow(/newer version/);
    file('0003-c.sql', 'select 1');
    await expect(migrate(database, set)).rejects.toThrow(/must number its files/);
  });
});

describe('a transaction', () => {
  it('is rolled back when the work throws, and its connection serves the next', async () => {
    const single = openDatabase({ url, max: 1, applicationName: 'test' });
    await single.query('create table t (id int)');
    const failing = inTransaction(single, async (transaction) => {
      await transaction.query('insert into t values (1)');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await inTransaction(single, (transaction) => transaction.query('insert into t values (2)'));
    expect((await single.query('select id from t')).rows).toEqual([{ id: 2 }]);
    await single.end();
  });

  it('whose connection breaks fails as unreachable, and the pool goes on', async () => {
    const single = openDatabase({ url, max: 1, applicationName: 'test' });
    const broken = inTransaction(single, async (transaction) => {
      const { rows } = await transaction.query<{ pid: number }>('select pg_backend_pid() as pid');
      await database.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      await transaction.query('select 1');
    });
    await expect(broken).rejects.toMatchObject({ code: 'service_unreachable' });
    expect((await single.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await single.end();
  });

  it('reads 64-bit integers as numbers', async () => {
    expect((await database.query('select 9007199254740991::bigint as n')).rows).toEqual([
      { n: Number.MAX_SAFE_INTEGER },
    ]);
  });
});

describe('a PostgreSQL that is away', () => {
  it('is named without its password, with the way out', async () => {
    const away = 'postgresql://user:topsecret@127.0.0.1:1/db';
    const pool = openDatabase({ url: away, max: 1, applicationName: 'test' });
    const attempt = assertReachable(pool, away);
    await expect(attempt).rejects.toThrow(/127\.0\.0\.1:1\/db .* DATABASE_URL/);
    await expect(attempt).rejects.not.toThrow(/topsecret/);
    await expect(inTransaction(pool, async () => 1)).rejects.toMatchObject({
      code: 'service_unreachable',
    });
    await pool.end();
  });
});

describe('the key store in Postgres', () => {
  const acme = tenantId('acme');
  beforeAll(() =>
    migrate(database, { set: 'runtime', directory: join(packageRoot(), 'runtime/migrations') }),
  );

  it('gives all who ask at once the same winners, in the order asked for', async () => {
    const store = createPostgresKeyStore(database);
    const wanted = (who: number): WantedSubjectKey[] =>
      Array.from({ length: 200 }, (_, index) => ({
        tenant: acme,
        subject: subjectId(`sub_${who % 2 === 0 ? index : 199 - index}`),
        keyId: `k_${who}_${index}`,
        wrapped: Buffer.from([who, index]),
      }));
    const results = await Promise.all(
      Array.from({ length: 8 }, async (_, who) => {
        const asked = wanted(who);
        const won = await store.subjectKeys(asked);
        return new Map(asked.map(({ subject }, index) => [subject, won[index]?.keyId]));
      }),
    );
    for (const result of results) expect(result).toEqual(results[0]);
    const { rows } = await database.query('select count(*) as n from subject_keys');
    expect(rows).toEqual([{ n: 200 }]);
  });

  it('keeps the first tenant key and day key, and reads without making', async () => {
    const store = createPostgresKeyStore(database);
    const tries = Array.from({ length: 8 }, (_, who) => Buffer.of(who));
    const tenants = await Promise.all(tries.map((wrapped) => store.tenantKey(acme, wrapped)));
    const days = await Promise.all(
      tries.map((wrapped) => store.dayKey(acme, '2026-01-31', wrapped)),
    );
    for (const keys of [tenants, days]) {
      expect(new Set(keys.map((key) => key?.toString('hex'))).size).toBe(1);
    }
    expect(await store.tenantKey(tenantId('none'), null)).toBeNull();
    expect(await store.dayKey(acme, '2026-02-01', null)).toBeNull();
    const { rows } = await database.query('select count(*) as n from day_keys');
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('never gives out a destroyed key, and a subject that comes back gets another', async () => {
    const store = createPostgresKeyStore(database);
    const one = { tenant: acme, subject: subjectId('sub_x'), wrapped: Buffer.of(1) };
    await store.subjectKeys([{ ...one, keyId: 'k_old' }]);
    await database.query(
      `update subject_keys set wrapped = null, destroyed_at = now() where key_id = 'k_old'`,
    );
    await database.query(`update day_keys set wrapped = null where day = '2026-01-31'`);
    expect(await store.subjectKeysById(acme, ['k_old'])).toEqual(new Map());
    expect(await store.dayKey(acme, '2026-01-31', Buffer.of(9))).toBeNull();
    const [again] = await store.subjectKeys([{ ...one, keyId: 'k_new' }]);
    expect(again?.keyId).toBe('k_new');
  });
});
