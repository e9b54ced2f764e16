// Notices a database that went back (failover, restore) while nothing was to be projected: without new
// events no commit would meet it, and rows that were shown would be missing until the next one. Comes in:
// where this process has left the marks. Goes out: that it must begin again from the stored ones.

import type { Database } from '../runtime/postgres.js';
import { markIn, readMarks } from './positions.js';
import type { Projection } from './projection.js';
import type { ProjectionStatus } from './status.js';

/**
 * The partitions led here whose stored marks are all before the one that was committed here: rows and marks
 * of one earlier moment. A single mark that moved is another matter, and the next commit stops at it.
 */
export async function wentBack(
  database: Database,
  projections: readonly Projection[],
  status: ProjectionStatus,
): Promise<readonly number[]> {
  // What is known is looked at before the database is asked: commits in between only move it on.
  const led = status.health().partitions.filter(({ state }) => state === 'leading');
  if (led.length === 0) return [];
  const marks = await readMarks(database, projections);
  return led
    .filter(({ partition, next }) =>
      projections.every((one) => markIn(marks, one, partition).next < next),
    )
    .map(({ partition }) => partition);
}
