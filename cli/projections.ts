// `trunkline projections`: where the read models stand, and the proof that they can be rebuilt. Comes in: the
// log and the database. Goes out: tables or JSON on standard output, progress on standard error.

import type { Command } from 'commander';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { listProjections, type ProjectionListing } from '../projections/list.js';
import {
  rebuildProjection,
  type RebuildProgress,
  type RebuildReport,
} from '../projections/rebuild.js';
import { createProjections } from '../projections/registry.js';
import { TrunklineError } from '../runtime/errors.js';
import type { Database } from '../runtime/postgres.js';
import type { Evolver } from '../schemas/aggregates.js';

/** What the commands work with. */
export interface ProjectionServices {
  readonly log: EventLog;
  readonly codec: Codec;
  /** A pool of at least four connections; its role owns the tables. */
  readonly database: Database;
  readonly evolver: Evolver;
  close(): Promise<void>;
}

/** What the program gives its projection commands. */
export interface ProjectionContext {
  /** Opens log and database; closed by the command, also when it fails. */
  readonly open: () => Promise<ProjectionServices>;
  /** Aborts on Ctrl-C: the command leaves a clean state and rejects. */
  readonly signal: AbortSignal;
  /** A line of the result. */
  readonly print: (line: string) => void;
  /** Progress, as the line that replaces the one before. */
  readonly progress: (line: string) => void;
}

/** Thrown by `rebuild --compare-only` when rebuilt and live differ, so that the exit code is not 0. */
const differs = (name: string): TrunklineError =>
  new TrunklineError(
    'read_model_differs',
    `${name} is not what the log says; run without --compare-only to put it right`,
  );

/** Adds `projections list` and `projections rebuild`. */
export function registerProjectionCommands(program: Command, context: ProjectionContext): void {
  const projections = program.command('projections').description('read models: list, rebuild');
  projections
    .command('list')
    .description('name, version, rows, marks and lag of every read model')
    .option('--json', 'one JSON document')
    .action((options: { json?: true }) =>
      withServices(context, async (services) => {
        const { database, log, evolver } = services;
        const listed = await listProjections(database, log, createProjections(evolver));
        if (options.json === true) context.print(JSON.stringify(listed));
        else for (const line of listLines(listed)) context.print(line);
      }),
    );
  projections
    .command('rebuild <name>')
    .description('rebuild from the log beside the live rows, compare, replace what differs')
    .option('--compare-only', 'only say whether rebuilt equals live; differing is an error')
    .option('--json', 'one JSON document')
    .action((name: string, options: { compareOnly?: true; json?: true }) =>
      withServices(context, async (services) => {
        const report = await rebuild(context, services, name, options.compareOnly === true);
        if (options.json === true) context.print(JSON.stringify(report));
        else for (const line of reportLines(report)) context.print(line);
        if (!report.equal && !report.swapped) throw differs(name);
      }),
    );
}

async function withServices(
  context: ProjectionContext,
  work: (services: ProjectionServices) => Promise<void>,
): Promise<void> {
  const services = await context.open();
  try {
    await work(services);
  } finally {
    await services.close();
  }
}

async function rebuild(
  context: ProjectionContext,
  { log, codec, database, evolver }: ProjectionServices,
  name: string,
  compareOnly: boolean,
): Promise<RebuildReport> {
  const all = createProjections(evolver);
  const projection = all.find((each) => each.name === name);
  if (projection === undefined) {
    const names = all.map((each) => each.name).join(', ');
    throw new TrunklineError('not_found', `no projection ${name}; there are ${names}`);
  }
  return rebuildProjection({
    ...{ log, codec, database, projection, compareOnly, signal: context.signal },
    onProgress: (progress) => {
      context.progress(progressLine(name, progress));
    },
  });
}

function progressLine(name: string, progress: RebuildProgress): string {
  if (progress.stage === 'comparing') return `${name}: comparing ${progress.events} events' rows`;
  const { records, totalRecords, eventsPerSecond, etaSeconds } = progress;
  const percent = totalRecords === 0 ? 100 : Math.floor((records / totalRecords) * 100);
  const eta = etaSeconds === null ? '' : `, ${Math.ceil(etaSeconds)} s left`;
  return `${name}: ${percent} %, ${Math.round(eventsPerSecond)} events/s${eta}`;
}

function listLines(listed: readonly ProjectionListing[]): string[] {
  const header = ['NAME', 'VERSION', 'ROWS', 'LAG', 'MARKS (partition:next)'];
  const rows = listed.map(({ name, version, rows: count, lagRecords, marks }) => [
    ...[name, String(version), String(count), String(lagRecords)],
    marks.map(({ partition, next }) => `${partition}:${next ?? '-'}`).join(' '),
  ]);
  const widths = header.map((_, i) =>
    Math.max(...[header, ...rows].map((row) => row[i]?.length ?? 0)),
  );
  return [header, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function reportLines(report: RebuildReport): string[] {
  const lines = report.tables.flatMap(({ table, live, rebuilt, equal, firstDifferences }) => [
    `${table}: ${rebuilt.rows} rows rebuilt, ${live.rows} live, ${equal ? 'equal' : 'DIFFERENT'}`,
    `  rebuilt sha256 ${rebuilt.digest}`,
    ...(equal ? [] : [`  live    sha256 ${live.digest}`]),
    ...firstDifferences.map(({ key, kind }) => `  ${kindText[kind]}: ${key.join(' / ')}`),
  ]);
  const { events, seconds, heldSeconds, equal, swapped } = report;
  const outcome = equal
    ? 'rebuilt equals live'
    : swapped
      ? 'live rows replaced'
      : 'nothing changed';
  return [
    ...lines,
    `${outcome}; ${events} events in ${seconds.toFixed(1)} s, live projectors held for ${heldSeconds.toFixed(2)} s`,
  ];
}

const kindText = {
  missing_live: 'missing in live',
  missing_rebuilt: 'only in live',
  differs: 'differs',
} as const;
