// `trunkline spool`: the deliveries on this disk that are not in the log yet. Comes in: the data directory.
// Goes out: what is there, whether it is sound, or all of it into the log.

import { join } from 'node:path';

import { InvalidArgumentError, type Command } from 'commander';

import { moment, printRows } from './context.js';
import { CommandExit, exitCodes } from './environment.js';
import { drainAll } from '../ingest/drain-all.js';
import { DrainRate } from '../ingest/drain-rate.js';
import { Spool } from '../ingest/spool.js';
import { surveySpool, type SpoolFault, type SpoolSurvey } from '../ingest/spool-survey.js';
import type { EventLog } from '../log/event-log.js';
import type { Config } from '../runtime/config.js';
import type { Logger } from '../runtime/logger.js';

/** What the program gives its spool commands. */
export interface SpoolCommandContext {
  readonly config: () => Config;
  readonly logger: Logger;
  /** Opens the log that the spool drains into; closed by the command, also when it fails. */
  readonly openLog: () => Promise<{ readonly log: EventLog; readonly close: () => Promise<void> }>;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  /** A line of the result. */
  readonly print: (line: string) => void;
  /** A line about the result. */
  readonly note: (line: string) => void;
  /** How far a long work is; one line that replaces itself at a terminal. */
  readonly progress: (line: string) => void;
}

interface JsonOption {
  readonly json?: true;
}

/** Adds `spool status`, `verify` and `drain`. */
export function registerSpoolCommands(program: Command, context: SpoolCommandContext): void {
  const spool = program
    .command('spool')
    .description('deliveries on this disk that are not in the log yet: status, verify, drain');
  registerStatus(spool, context);
  registerVerify(spool, context);
  registerDrain(spool, context);
}

const directoryOf = ({ config }: SpoolCommandContext): string =>
  join(config().TRUNKLINE_DATA, 'spool');

function registerStatus(spool: Command, context: SpoolCommandContext): void {
  spool
    .command('status')
    .description('what waits for the log, per partition; also beside a running ingest')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  $ trunkline spool status
  $ TRUNKLINE_DATA=/var/lib/trunkline trunkline spool status --json | jq .records
Takes no lock and changes nothing. Exit code 0, whatever waits there.`,
    )
    .action(async ({ json }: JsonOption) => {
      const survey = await surveySpool(directoryOf(context));
      if (json === true) {
        context.print(JSON.stringify(survey));
        return;
      }
      printStatus(context, survey);
    });
}

function printStatus(context: SpoolCommandContext, survey: SpoolSurvey): void {
  const { partitions, holder, quarantined, directory } = survey;
  printRows(context, partitions, {
    json: undefined,
    columns: {
      PARTITION: ({ partition }) => String(partition),
      SEGMENTS: ({ segments }) => String(segments),
      RECORDS: ({ records }) => String(records),
      BYTES: ({ bytes }) => String(bytes),
      OLDEST: ({ oldestAt }) => moment(oldestAt === null ? null : new Date(oldestAt)),
    },
    empty: `nothing waits in ${directory}`,
  });
  if (holder !== null) context.note(`held by \`${holder.purpose}\` (pid ${holder.pid})`);
  if (quarantined.files > 0) {
    const { files, bytes } = quarantined;
    context.note(
      `kept aside: ${files} damaged or torn files, ${bytes} bytes, in ${directory}/quarantine`,
    );
  }
}

function registerVerify(spool: Command, context: SpoolCommandContext): void {
  spool
    .command('verify')
    .description('read every frame and say what is torn, damaged or missing; changes nothing')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Example:
  $ trunkline spool verify && trunkline spool drain
Exit codes: 0 sound · 1 deliveries are damaged or missing
What is torn is the end of a write that was never acknowledged: nothing is lost by it.`,
    )
    .action(async ({ json }: JsonOption) => {
      const survey = await surveySpool(directoryOf(context));
      // The end of a segment that a process is writing just now is not torn.
      const { holder } = survey;
      const faults = survey.faults.filter(({ kind }) => kind !== 'torn' || holder === null);
      const damage = faults.filter(({ kind }) => kind !== 'torn');
      const isSound = damage.length === 0;
      const { records, bytes } = survey;
      if (json === true) context.print(JSON.stringify({ sound: isSound, records, bytes, faults }));
      else {
        for (const fault of faults) context.print(describe(fault));
        context.print(`${records} deliveries in ${bytes} bytes can be read`);
      }
      if (isSound) return;
      throw new CommandExit(
        exitCodes.failed,
        `the spool is damaged in ${damage.length} places; \`trunkline spool drain\` appends what can ` +
          'be read and keeps the damaged files aside',
      );
    });
}

function describe({ kind, partition, segment, at, size }: SpoolFault): string {
  const where = `p-${partition}/${segment}`;
  switch (kind) {
    case 'torn':
      return `torn     ${where} from byte ${at}: ${size} bytes of a write that nobody was promised`;
    case 'damaged':
      return `damaged  ${where} from byte ${at}: ${size} bytes are no whole record`;
    case 'missing':
      return `missing  ${where}: ${size} deliveries before or in it are not there`;
  }
}

function rateOption(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a whole number of deliveries per second.');
}

function registerDrain(spool: Command, context: SpoolCommandContext): void {
  spool
    .command('drain')
    .description('append everything to the log while no ingest runs on this data directory')
    .option(
      '--rate <number>',
      'deliveries per second; default: TRUNKLINE_SPOOL_DRAIN_RATE',
      rateOption,
    )
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Examples:
  $ trunkline spool drain
  $ KAFKA_BROKERS=… TRUNKLINE_DATA=/mnt/disk-of-a-lost-machine trunkline spool drain --rate 500
Exit codes: 0 the spool is empty · 1 failed · 69 a running process holds the spool, or the log is away
130 stopped by Ctrl-C. What was not acknowledged stays; what is appended twice is known as a duplicate.`,
    )
    .action((options: JsonOption & { readonly rate?: number }) => drain(context, options));
}

async function drain(
  context: SpoolCommandContext,
  options: JsonOption & { readonly rate?: number },
): Promise<void> {
  const { logger, signal, progress } = context;
  const config = context.config();
  let faults = 0;
  // The lock first: whoever holds the spool is named before anything is waited for.
  const spool = await Spool.open({
    directory: directoryOf(context),
    maxBytes: config.TRUNKLINE_SPOOL_BYTES,
    logger,
    onFault: () => (faults += 1),
    purpose: 'trunkline spool drain',
  });
  try {
    const total = spool.records;
    const { log, close } = await context.openLog();
    try {
      const rate = new DrainRate(options.rate ?? config.TRUNKLINE_SPOOL_DRAIN_RATE);
      const onProgress = everyMs(500, (done) => progress(`${done} of ${total} deliveries`));
      const records = await drainAll({ spool, log, rate, signal, onProgress });
      if (total > 0) context.note('');
      if (options.json === true) context.print(JSON.stringify({ appended: records, faults }));
      else context.print(`${records} deliveries appended; the spool is empty`);
    } finally {
      await close();
    }
  } finally {
    const left = spool.records;
    await spool.close();
    if (left > 0) context.note(`${left} deliveries stay in the spool`);
  }
}

/** The first call and then at most one in so many ms. */
function everyMs(ms: number, say: (done: number) => void): (done: number) => void {
  let saidAt = -Infinity;
  return (done) => {
    const now = performance.now();
    if (now - saidAt < ms) return;
    saidAt = now;
    say(done);
  };
}
