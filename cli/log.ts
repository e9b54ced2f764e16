// `trunkline log`: the log, looked at. Comes in: log and database. Goes out: a picture of each partition, or
// JSON, on standard output.

import { InvalidArgumentError, type Command } from 'commander';
import type { EventLog, Topic } from '../log/event-log.js';
import { inspectPartition, type PartitionReport } from '../log/inspect.js';
import { topics } from '../log/topics.js';
import type { Database } from '../runtime/postgres.js';

/** What the commands work with. */
export interface LogServices {
  readonly log: EventLog;
  /** Holds the marks. */
  readonly database: Database;
  close(): Promise<void>;
}

/** What the program gives its log commands. */
export interface LogCommandContext {
  /** Opens log and database; closed by the command, also when it fails. */
  readonly open: () => Promise<LogServices>;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** A line of the result. */
  readonly print: (line: string) => void;
}

interface InspectOptions {
  readonly partition?: number;
  readonly json?: true;
}

/** Adds `log inspect`. */
export function registerLogCommands(program: Command, context: LogCommandContext): void {
  const log = program.command('log').description('the event log: inspect');
  log
    .command('inspect')
    .description('owners, marks, sequences and lag of each partition')
    .option('-p, --partition <number>', 'only this partition', parsePartition)
    .option('--json', 'one JSON object per line')
    .action((options: InspectOptions) => inspect(context, options));
}

function parsePartition(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('must be the number of a partition');
  return Number(text);
}

async function inspect(context: LogCommandContext, options: InspectOptions): Promise<void> {
  const services = await context.open();
  try {
    const { log, database } = services;
    const all = Array.from({ length: log.partitions }, (_, partition) => partition);
    for (const partition of options.partition === undefined ? all : [options.partition]) {
      const deps = { log, database, signal: context.signal };
      const report = await inspectPartition(deps, partition);
      if (options.json === true) context.print(JSON.stringify(report));
      else for (const line of picture(report)) context.print(line);
    }
  } finally {
    await services.close();
  }
}

/** A report for people: a heading, then one indented line per fact. */
function picture(report: PartitionReport): string[] {
  const { owner, term, epoch, covered, sourceLagRecords: lag } = report;
  return [
    `partition ${report.partition}`,
    `  owner      ${owner ?? 'none yet'}, term ${term}, epoch ${epoch ?? 'none yet'}`,
    ...topics.map((topic) => `  ${topic.padEnd(15)} ${range(report, topic)}`),
    `  covered    realtime ${covered.realtime} (lag ${lag.realtime}), bulk ${covered.bulk} (lag ${lag.bulk})`,
    ...report.projections.map(
      ({ projection, version, next, lagRecords }) =>
        `  mark       ${projection} v${version} at ${next} (lag ${lagRecords})`,
    ),
    ...Object.entries(report.lastSeq).map(([tenant, seq]) => `  sequence   ${tenant} ${seq}`),
    ...(report.fault === null ? [] : [`  FAULT      ${report.fault}`]),
    '',
  ];
}

function range({ offsets }: PartitionReport, topic: Topic): string {
  const { first, next } = offsets[topic];
  return next === first
    ? `empty, next offset ${next}`
    : `${first} to ${next - 1} (${next - first})`;
}
