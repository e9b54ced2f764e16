// How changes reach a table of the projections station: one set-based statement per kind of change.
// Comes in: upserts and removals of one batch, last wins per key. Goes out: rows in Postgres.

import type { Transaction } from '../runtime/postgres.js';
import { columnArray, type ColumnType, type Row } from './column-array.js';

/** One table of a read model. The columns are those of the migration, in any order. */
export interface Table {
  readonly name: string;
  /** Primary key; begins with tenant_id. */
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** What an upsert does with a row that exists: overwrite it, or add the numbers to it. */
  readonly mode: 'replace' | 'add';
}

/** What one batch does to one table. Removals are applied first, then upserts, one per key. */
export interface TableChange {
  readonly table: Table;
  /** Whole rows that begin with these values of the key's first columns are removed. */
  readonly remove: readonly Row[];
  readonly upsert: readonly Row[];
}

/** Where the rows go: the live tables, or the shadow schema of a rebuild. */
export type Schema = 'public' | `trunkline_rebuild_${string}`;

/** A statement with its parameters made, ready for a transaction. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Arrays in Postgres's binary format, one per column. */
  readonly values: readonly Buffer[];
}

/**
 * Makes the statements of a batch: its removals, then one statement for the upserts of all tables,
 * so that the database never waits for this process between two tables. Pure, so that a batch can be
 * made ready while the one before it is being committed. A table may occur once.
 */
export function statementsOf(
  changes: readonly TableChange[],
  schema: Schema = 'public',
): Statement[] {
  const statements = changes.flatMap((change) => removals(change, schema));
  const upserts = changes.filter(({ upsert }) => upsert.length > 0);
  if (upserts.length > 0) {
    statements.push({
      ...upsertText(
        upserts.map(({ table }) => table),
        schema,
      ),
      values: upserts.flatMap(({ table, upsert }) =>
        Object.values(table.columns).map((type, i) => columnArray(type, upsert, i)),
      ),
    });
  }
  return statements;
}

/** One `delete` per length of key prefix. */
function removals({ table, remove }: TableChange, schema: Schema): Statement[] {
  const lengths = [...new Set(remove.map((row) => row.length))];
  return lengths.map((length) => {
    const columns = table.key.slice(0, length);
    const rows = remove.filter((row) => row.length === length);
    return {
      ...removeText(table, columns, schema),
      values: columns.map((column, i) => columnArray(columnType(table, column), rows, i)),
    };
  });
}

/** Runs statements one after another on one connection. */
export async function runStatements(
  transaction: Transaction,
  statements: readonly Statement[],
): Promise<void> {
  for (const { name, text, values } of statements) {
    await transaction.query({ name, text, values: [...values] });
  }
}

function columnType(table: Table, column: string): ColumnType {
  const type = table.columns[column];
  if (type === undefined) throw new Error(`${table.name} has no column ${column}`);
  return type;
}

/** The table's name as a statement needs it. */
export const qualified = (table: Table, schema: Schema): string =>
  `${quoted(schema)}.${quoted(table.name)}`;

/** A name as an SQL identifier. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

type Prepared = Pick<Statement, 'name' | 'text'>;
const prepared = new Map<string, Prepared>();

/** Texts and their names are made once; names are short, because Postgres keeps 63 bytes of them. */
function remembered(key: string, make: () => string): Prepared {
  const known = prepared.get(key);
  if (known !== undefined) return known;
  const made = { name: `projections_${prepared.size}`, text: make() };
  prepared.set(key, made);
  return made;
}

/** Upserts of several tables are one statement of data-modifying parts: they touch no common row. */
const upsertText = (tables: readonly Table[], schema: Schema): Prepared =>
  remembered(`upsert ${schema} ${tables.map(({ name }) => name).join(' ')}`, () => {
    let parameters = 0;
    const inserts = tables.map((table) => {
      const first = parameters + 1;
      parameters += Object.keys(table.columns).length;
      return insertText(table, schema, first);
    });
    const [only] = inserts;
    if (only !== undefined && inserts.length === 1) return only;
    return `with ${inserts.map((insert, i) => `part_${i} as (${insert})`).join(', ')} select`;
  });

function insertText(table: Table, schema: Schema, firstParameter: number): string {
  const columns = Object.keys(table.columns);
  const types = Object.values(table.columns);
  const parameters = types.map((type, i) => `$${firstParameter + i}::${type}[]`);
  const free = columns.filter((column) => !table.key.includes(column));
  const set = free.map((column) =>
    table.mode === 'add'
      ? `${column} = t.${column} + excluded.${column}`
      : `${column} = excluded.${column}`,
  );
  return `insert into ${qualified(table, schema)} as t (${columns.join(', ')})
    select * from unnest(${parameters.join(', ')})
    on conflict (${table.key.join(', ')}) do update set ${set.join(', ')}`;
}

const removeText = (table: Table, columns: readonly string[], schema: Schema): Prepared =>
  remembered(`remove ${schema} ${table.name} ${columns.length}`, () => {
    const parameters = columns.map((column, i) => `$${i + 1}::${columnType(table, column)}[]`);
    const same = columns.map((column) => `t.${column} = k.${column}`);
    return `delete from ${qualified(table, schema)} t
      using unnest(${parameters.join(', ')}) k (${columns.join(', ')}) where ${same.join(' and ')}`;
  });
