// Live rows and rebuilt rows, byte for byte. Comes in: two schemas at the same mark. Goes out: counts,
// digests in key order, the first keys that differ; or the live rows made equal.

import type { Transaction } from '../runtime/postgres.js';
import type { Projection } from './projection.js';
import { qualified, type Schema, type Table } from './table.js';

export interface TableSide {
  readonly rows: number;
  /** SHA-256 over the rows' text in key order, tenant by tenant. */
  readonly digest: string;
}

/** A key that one side has alone, or with other content. Keys hold ids only, nothing personal. */
export interface RowDifference {
  readonly key: readonly string[];
  readonly kind: 'missing_live' | 'missing_rebuilt' | 'differs';
}

export interface TableComparison {
  readonly table: string;
  readonly live: TableSide;
  readonly rebuilt: TableSide;
  readonly equal: boolean;
  /** In key order; at most five. */
  readonly firstDifferences: readonly RowDifference[];
}

/** Compares every table of the projection with its shadow. */
export async function compareTables(
  transaction: Transaction,
  projection: Projection,
  shadow: Schema,
): Promise<TableComparison[]> {
  const comparisons: TableComparison[] = [];
  for (const table of projection.tables) {
    const live = await sideOf(transaction, table, 'public');
    const rebuilt = await sideOf(transaction, table, shadow);
    const equal = live.rows === rebuilt.rows && live.digest === rebuilt.digest;
    const firstDifferences = equal ? [] : await differences(transaction, table, shadow);
    comparisons.push({ table: table.name, live, rebuilt, equal, firstDifferences });
  }
  return comparisons;
}

// Two levels, because an aggregate's text is bounded at 1 GB: 32 bytes per row of one tenant.
async function sideOf(transaction: Transaction, table: Table, schema: Schema): Promise<TableSide> {
  const { rows } = await transaction.query<TableSide>(
    `select coalesce(sum(rows), 0)::bigint as rows,
        encode(sha256(coalesce(string_agg(digest, ''::bytea order by tenant_id), ''::bytea)), 'hex') as digest
      from (
        select tenant_id, count(*) as rows, sha256(string_agg(
          sha256(convert_to(t::text, 'UTF8')), ''::bytea order by ${table.key.join(', ')})) as digest
        from ${qualified(table, schema)} t group by tenant_id
      ) tenants`,
  );
  return rows[0] ?? { rows: 0, digest: '' };
}

interface DifferenceRow {
  readonly key: readonly string[];
  readonly live: boolean;
  readonly rebuilt: boolean;
}

async function differences(
  transaction: Transaction,
  table: Table,
  shadow: Schema,
): Promise<RowDifference[]> {
  const key = table.key.join(', ');
  const { rows } = await transaction.query<DifferenceRow>(
    `select array[${table.key.map((column) => `${column}::text`).join(', ')}] as key,
        live is not null as live, rebuilt is not null as rebuilt
      from (select ${key}, l::text as live from ${qualified(table, 'public')} l) l
      full join (select ${key}, s::text as rebuilt from ${qualified(table, shadow)} s) s using (${key})
      where live is distinct from rebuilt order by ${key} limit 5`,
  );
  return rows.map(({ key: values, live, rebuilt }) => ({
    key: values,
    kind: live && rebuilt ? 'differs' : live ? 'missing_rebuilt' : 'missing_live',
  }));
}

/**
 * Makes the live tables equal to the shadow, touching only rows that differ, and tells projectors
 * that remember rows to forget them. For the transaction that holds the marks.
 */
export async function replaceRows(
  transaction: Transaction,
  projection: Projection,
  shadow: Schema,
): Promise<void> {
  for (const table of projection.tables) {
    const columns = Object.keys(table.columns).join(', ');
    const sameKey = table.key.map((column) => `l.${column} = s.${column}`).join(' and ');
    const [live, rebuilt] = [qualified(table, 'public'), qualified(table, shadow)];
    await transaction.query(
      `delete from ${live} l
        where not exists (select from ${rebuilt} s where ${sameKey} and s::text = l::text)`,
    );
    await transaction.query(
      `insert into ${live} (${columns}) select ${columns} from ${rebuilt} s
        where not exists (select from ${live} l where ${sameKey})`,
    );
  }
  await transaction.query(
    `insert into projection_rebuilds as r (projection, generation) values ($1, 1)
      on conflict (projection) do update set generation = r.generation + 1, rebuilt_at = now()`,
    [projection.name],
  );
}
