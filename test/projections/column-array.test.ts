// Parameters as Postgres reads them (services/): whatever goes in comes out.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { columnArray, type Cell, type ColumnType } from '../../projections/column-array.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { postgresUrl } from '../services/services.js';

let database: Database;
beforeAll(async () => {
  database = openDatabase({ url: await postgresUrl(), max: 1, applicationName: 'test' });
});
afterAll(() => database.end());

const cells: Record<ColumnType, fc.Arbitrary<Cell>> = {
  text: fc.string({ unit: 'grapheme', maxLength: 300 }).map((t) => t.replaceAll('\0', '')),
  bigint: fc.maxSafeInteger(),
  integer: fc.integer(),
  smallint: fc.integer({ min: -32_768, max: 32_767 }),
  boolean: fc.boolean(),
  'double precision': fc.double({ noNaN: true }),
};

test.each(Object.keys(cells) as ColumnType[])('%s', async (type) => {
  const rows = fc.array(fc.tuple(fc.option(cells[type], { nil: null })), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(rows, async (given) => {
      const found = await database.query<{ cell: Cell }>(
        `select cell from unnest($1::${type}[]) with ordinality u (cell, i) order by i`,
        [columnArray(type, given, 0)],
      );
      expect(found.rows.map(({ cell }) => [cell])).toEqual(given);
    }),
    { numRuns: 40 },
  );
});

test('a text that Postgres cannot hold is stored with a replacement, not refused', async () => {
  const array = columnArray('text', [['a\0b']], 0);
  const { rows } = await database.query<{ cell: string }>('select unnest($1::text[]) as cell', [
    array,
  ]);
  expect(rows).toEqual([{ cell: 'a\ufffdb' }]);
});
