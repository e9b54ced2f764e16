// The shadow schema of a rebuild: the tables of one projection again, without anybody who reads them.

import type { Database } from '../runtime/postgres.js';
import type { Projection } from './projection.js';
import { qualified, quoted, type Schema } from './table.js';

/** Name of the projection's shadow schema; also of the lock that keeps it to one rebuild. */
export const shadowOf = (projection: Projection): Schema => `trunkline_rebuild_${projection.name}`;

/**
 * Makes the shadow, empty. Unlogged and with the primary key only: nothing of it is worth more than
 * filling it again. Removes what a killed rebuild left.
 */
export async function createShadow(database: Database, projection: Projection): Promise<void> {
  const schema = shadowOf(projection);
  await dropShadow(database, projection);
  await database.query(`create schema ${quoted(schema)}`);
  for (const table of projection.tables) {
    await database.query(
      `create unlogged table ${qualified(table, schema)}
        (like ${qualified(table, 'public')}, primary key (${table.key.join(', ')}))`,
    );
  }
}

export async function dropShadow(database: Database, projection: Projection): Promise<void> {
  await database.query(`drop schema if exists ${quoted(shadowOf(projection))} cascade`);
}
