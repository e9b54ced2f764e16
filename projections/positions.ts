// Where the projections stand: their marks, read in one statement; and where the log's head is.

import { markColumns, markOf, type MarkRow } from '../log/mark-store.js';
import { startMark, type Mark } from '../log/mark.js';
import type { Database, Transaction } from '../runtime/postgres.js';
import type { Projection } from './projection.js';

/** Marks by projection name and partition; absent where a projection never committed. */
export type Marks = ReadonlyMap<string, ReadonlyMap<number, Mark>>;

interface NamedMarkRow extends MarkRow {
  readonly projection: string;
  readonly partition: number;
}

/** Reads the marks of the projections in their present versions, all partitions, one snapshot. */
export async function readMarks(
  database: Database | Transaction,
  projections: readonly Projection[],
): Promise<Marks> {
  const { rows } = await database.query<NamedMarkRow>(
    `select m.projection, m.partition, ${markColumns} from marks m
      join unnest($1::text[], $2::int[]) k (projection, version) using (projection, version)`,
    [projections.map(({ name }) => name), projections.map(({ version }) => version)],
  );
  const marks = new Map<string, Map<number, Mark>>(
    projections.map(({ name }) => [name, new Map()]),
  );
  for (const row of rows) marks.get(row.projection)?.set(row.partition, markOf(row));
  return marks;
}

/** The mark of one projection on one partition; the log's beginning when it never committed. */
export const markIn = (marks: Marks, projection: Projection, partition: number): Mark =>
  marks.get(projection.name)?.get(partition) ?? startMark;

/** The lowest of some marks, where a reader that serves all of them begins. */
export const lowest = (marks: readonly Mark[]): Mark =>
  marks.reduce((low, mark) => (mark.next < low.next ? mark : low), marks[0] ?? startMark);
