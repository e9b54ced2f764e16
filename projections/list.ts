// Where the read models stand, for people. Comes in: marks, heads, counts. Goes out: one entry each.

import type { EventLog } from '../log/event-log.js';
import type { Database } from '../runtime/postgres.js';
import { readMarks } from './positions.js';
import type { Projection } from './projection.js';
import { qualified, type Table } from './table.js';

export interface ProjectionListing {
  readonly name: string;
  readonly version: number;
  /** Of all its tables together. */
  readonly rows: number;
  readonly tables: Readonly<Record<string, number>>;
  /** Records of the log that are not applied yet, all partitions. */
  readonly lagRecords: number;
  /** `next`: the next offset to apply, null where it never committed; `head`: the log's. */
  readonly marks: readonly {
    readonly partition: number;
    readonly next: number | null;
    readonly head: number;
  }[];
}

/** Lists the projections; counts are exact, so large tables take their time. */
export async function listProjections(
  database: Database,
  log: EventLog,
  projections: readonly Projection[],
): Promise<ProjectionListing[]> {
  const marks = await readMarks(database, projections);
  const heads: number[] = [];
  for (let partition = 0; partition < log.partitions; partition += 1) {
    heads.push((await log.bounds('events', partition)).next);
  }
  const listed: ProjectionListing[] = [];
  for (const { name, version, tables } of projections) {
    const counts: Record<string, number> = {};
    for (const table of tables) counts[table.name] = await countRows(database, table);
    const positions = heads.map((head, partition) => {
      return { partition, next: marks.get(name)?.get(partition)?.next ?? null, head };
    });
    listed.push({
      ...{ name, version, tables: counts, marks: positions },
      rows: Object.values(counts).reduce((a, b) => a + b, 0),
      lagRecords: positions.reduce(
        (sum, { head, next }) => sum + Math.max(0, head - (next ?? 0)),
        0,
      ),
    });
  }
  return listed;
}

async function countRows(database: Database, table: Table): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    `select count(*)::int as count from ${qualified(table, 'public')}`,
  );
  return rows[0]?.count ?? 0;
}
