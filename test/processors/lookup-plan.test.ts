// A lookup that was planned on an empty table goes on by the index when the table has grown, before any
// analyze: nothing else keeps a new installation fast in its first minute.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { postgresStates } from '../../processors/lookup.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { tenantId } from '../../schemas/ids.js';
import { migrate } from '../../runtime/migrate.js';
import { migrationSets } from '../projections/station.js';
import { postgresUrl } from '../services/services.js';

let database: Database;
beforeAll(async () => {
  // One connection, so that the plan of the first lookups could be the plan of the last.
  database = openDatabase({ url: await postgresUrl(), max: 1, applicationName: 'test' });
  for (const set of migrationSets) await migrate(database, set);
  await database.query('alter table aggregate_state set (autovacuum_enabled = off)');
});
afterAll(() => database.end());

const rowsRead = async (): Promise<number> => {
  await database.query('select pg_stat_force_next_flush()');
  const { rows } = await database.query<{ n: number }>(
    `select seq_tup_read::int as n from pg_stat_user_tables where relname = 'aggregate_state'`,
  );
  return rows[0]?.n ?? 0;
};

test('a lookup reads by the index however the table was when it was first asked', async () => {
  const read = postgresStates(database, 1);
  const ref = (n: number) => ({ tenant: tenantId('t'), kind: 'alias', key: `a${n}` }) as const;
  for (let i = 0; i < 12; i += 1) await read(0, [ref(i), ref(i + 1)]);
  await database.query(
    `insert into aggregate_state (tenant_id, kind, key, partition, version, state)
      select 't', kind, left(kind, 1) || i, 0, 1, '{"callId":"c' || i || '"}'
      from generate_series(1, 5000) i, (values ('alias'), ('call')) kinds (kind)`,
  );
  const before = await rowsRead();
  const { rows } = await read(0, [ref(1), ref(4000)]);
  expect(rows.size).toBe(4);
  expect((await rowsRead()) - before).toBe(0);
});
