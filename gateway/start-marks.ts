// Gateway: where to begin reading the log. In: the marks of the read models that snapshots come from. Out: the
// lowest of them for each partition, so that the ring bridges every snapshot to the present.

import { markColumns, markOf, type MarkRow } from '../log/mark-store.js';
import { startMark, type Mark } from '../log/mark.js';
import type { Database } from '../runtime/postgres.js';
import { servedModels, type ModelVersions } from './read-models.js';

/** Models whose snapshots go on with events of the ring. Statistics have a feed of their own. */
const bridged = servedModels.filter((model) => model !== 'stats_minute');

/** One statement. A model without a mark has everything before it: the beginning. */
export async function lowestMarks(
  database: Database,
  versions: ModelVersions,
  partitions: number,
): Promise<ReadonlyMap<number, Mark>> {
  const { rows } = await database.query<MarkRow & { partition: number }>(
    `select m.partition, ${markColumns} from marks m
      join unnest($1::text[], $2::int[]) as wanted(projection, version)
        on wanted.projection = m.projection and wanted.version = m.version`,
    [bridged, bridged.map((model) => versions[model])],
  );
  const starts = new Map<number, Mark>();
  for (let partition = 0; partition < partitions; partition += 1) {
    const marks = rows.filter((row) => row.partition === partition).map(markOf);
    const lowest = marks.reduce<Mark>(
      (low, mark) => (mark.next < low.next ? mark : low),
      marks[0] ?? startMark,
    );
    starts.set(partition, marks.length < bridged.length ? startMark : lowest);
  }
  return starts;
}
