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
 * Makes the statements of a change: at most one `delete` per length of key prefix and one `insert …
 * on conflict`. Pure, so that a batch can be made ready while the one before it is being committed.
 */
export function statementsOf(change: TableChange, schema: Schema = 'public'): Statement[] {
  const { table, remove, upsert } = change;
  const statements: Statement[] = [];
  const lengths = new Set(remove.map((row) => row.length));
  for (const length of lengths) {
    const columns = table.key.slice(0, length);
    const rows = remove.filter((row) => row.length === length);
    statements.push({
      name: `${schema}_${table.name}_remove_${length}`,
      text: removeText(table, columns, schema),
      values: columns.map((column, i) => columnArray(columnType(table, column), rows, i)),
    });
  }
  if (upsert.length > 0) {
    statements.push({
      name: `${schema}_${table.name}_upsert`,
      text: upsertText(table, schema),
      values: Object.values(table.columns).map((type, i) => columnArray(type, upsert, i)),
    });
  }
  return statements;
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

const texts = new Map<string, string>();

function remembered(name: string, make: () => string): string {
  const known = texts.get(name);
  if (known !== undefined) return known;
  const text = make();
  texts.set(name, text);
  return text;
}

const upsertText = (table: Table, schema: Schema): string =>
  remembered(`upsert ${schema} ${table.name}`, () => {
    const columns = Object.keys(table.columns);
    const parameters = Object.values(table.columns).map((type, i) => `$${i + 1}::${type}[]`);
    const free = columns.filter((column) => !table.key.includes(column));
    const set = free.map((column) =>
      table.mode === 'add'
        ? `${column} = t.${column} + excluded.${column}`
        : `${column} = excluded.${column}`,
    );
    return `insert into ${qualified(table, schema)} as t (${columns.join(', ')})
      select * from unnest(${parameters.join(', ')})
      on conflict (${table.key.join(', ')}) do update set ${set.join(', ')}`;
  });

const removeText = (table: Table, columns: readonly string[], schema: Schema): string =>
  remembered(`remove ${schema} ${table.name} ${columns.length}`, () => {
    const parameters = columns.map((column, i) => `$${i + 1}::${columnType(table, column)}[]`);
    const same = columns.map((column) => `t.${column} = k.${column}`);
    return `delete from ${qualified(table, schema)} t
      using unnest(${parameters.join(', ')}) k (${columns.join(', ')}) where ${same.join(' and ')}`;
  });
