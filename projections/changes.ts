// Collects what a batch does to one table: last wins per key, removals by key or by key prefix.
// Comes in: changes in the order of the events. Goes out: one TableChange.

import type { Cell, Row } from './column-array.js';
import type { Table, TableChange } from './table.js';

/** The changes of one batch to one table, being collected. */
export interface Changes {
  /** Sets the row with the key that `row` begins with, in the order of the table's columns. */
  set(row: Row): void;
  /** Removes the row with this key, or all rows whose key begins with it. */
  remove(key: Row): void;
  /** Null when the batch leaves the table alone. */
  done(): TableChange | null;
}

// No id holds U+0000, so joined keys cannot collide.
const separator = '\0';
const joined = (cells: readonly Cell[]): string => cells.join(separator);

/** Collects changes to `table`, whose first columns must be its key. */
export function collectChanges(table: Table): Changes {
  const keyLength = table.key.length;
  const upsert = new Map<string, Row>();
  const remove = new Map<string, Row>();
  return {
    set(row) {
      upsert.set(joined(row.slice(0, keyLength)), row);
    },
    remove(key) {
      const name = joined(key);
      remove.set(name, key);
      if (key.length === keyLength) {
        upsert.delete(name);
        return;
      }
      const prefix = name + separator;
      for (const known of upsert.keys()) if (known.startsWith(prefix)) upsert.delete(known);
    },
    done() {
      if (upsert.size === 0 && remove.size === 0) return null;
      return { table, remove: [...remove.values()], upsert: [...upsert.values()] };
    },
  };
}
