// Runs the projections station against a real database, and looks at what it left there.

import { createLocalCodec } from '../../log/event-codec.js';
import type { EventLog } from '../../log/event-log.js';
import { createMemoryLog } from '../../log/memory.js';
import { runProjections, type ProjectionDeps } from '../../projections/main.js';
import { lowest, markIn, readMarks } from '../../projections/positions.js';
import type { Projection } from '../../projections/projection.js';
import { createProjections } from '../../projections/registry.js';
import { ProjectionStatus } from '../../projections/status.js';
import { systemClock } from '../../runtime/clock.js';
import type { Logger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { postgresUrl } from '../services/services.js';
import { until } from '../services/shared.js';
import { traceEvolver, type World } from './world.js';

export const codec = createLocalCodec();
export const projections: readonly Projection[] = createProjections(traceEvolver);

/** Directories of the two migration sets, in the order in which they are applied. */
export const migrationSets = (['log', 'projections'] as const).map((set) => ({
  set,
  directory: `${packageRoot()}/${set}/migrations`,
}));

/** A fresh database with the tables of log and projections. */
export async function freshStore(): Promise<{ url: string; database: Database }> {
  const url = await postgresUrl();
  const database = openDatabase({ url, max: 8, applicationName: 'test' });
  for (const set of migrationSets) await migrate(database, set);
  return { url, database };
}

/** Log lines by code. */
export function listeningLogger(): Logger & { readonly codes: string[] } {
  const codes: string[] = [];
  const line = (fields: object): void => {
    codes.push(String((fields as { code?: unknown }).code));
  };
  const logger = { codes, debug: line, info: line, warn: line, error: line, child: () => logger };
  return logger;
}

export interface Running {
  readonly status: ProjectionStatus;
  readonly codes: readonly string[];
  /** Commits by partition, as `onCommitted` told them. */
  readonly commits: { readonly partition: number; readonly next: number }[];
  /** Clean stop. */
  stop(): Promise<void>;
}

/** Starts a station of its own on the world's log. */
export function start(
  world: World,
  database: Database,
  more: Partial<ProjectionDeps> & { readonly log?: EventLog } = {},
): Running {
  const controller = new AbortController();
  const logger = listeningLogger();
  const status = new ProjectionStatus(systemClock);
  const commits: { partition: number; next: number }[] = [];
  const running = runProjections(
    {
      ...{ log: createMemoryLog(world.store), codec, database, evolver: traceEvolver, logger },
      ...{ metrics: createMetrics(), clock: systemClock, status, takeOverMs: 300 },
      onCommitted: (partition, mark) => commits.push({ partition, next: mark.next }),
      ...more,
    },
    controller.signal,
  );
  return {
    status,
    codes: logger.codes,
    commits,
    async stop() {
      controller.abort();
      await running;
    },
  };
}

/** Waits until the marks of all read models are at the log's head. */
export async function caughtUp(world: World, database: Database): Promise<void> {
  await until('the projections to catch up', async () => {
    const marks = await readMarks(database, projections);
    return Array.from({ length: world.store.partitions }, (_, p) => p).every(
      (p) => lowest(projections.map((each) => markIn(marks, each, p))).next === world.end(p),
    );
  });
}

/** Every row of every read model, as text, in key order. */
export async function allRows(database: Database): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  for (const table of projections.flatMap(({ tables }) => tables)) {
    const found = await database.query<{ row: string }>(
      `select t::text as row from ${table.name} t order by ${table.key.join(', ')}`,
    );
    rows[table.name] = found.rows.map(({ row }) => row);
  }
  return rows;
}
