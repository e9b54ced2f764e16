// `trunkline import`: kept deliveries into the bulk lane of the log. Comes in: NDJSON or a directory. Goes out:
// records of `deliveries.bulk`; on the terminal how far it is, and what was refused and why.

import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

import { InvalidArgumentError, type Command } from 'commander';

import { DrainRate } from '../ingest/drain-rate.js';
import { importLines, type ImportProgress, type RefusedLine } from '../ingest/import.js';
import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Endpoint } from '../runtime/registry.js';
import { parseEndpointId, type EndpointId } from '../schemas/ids.js';
import { CommandExit, exitCodes } from './environment.js';
import { openPosition, type ImportPosition } from './import-position.js';
import { openSource, type ImportSource } from './import-source.js';

/** What an import works with; closed by the command, also when it fails. */
export interface ImportServices {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly keyRing: KeyRing;
  /** Null when there is no endpoint of this id. */
  endpoint(id: EndpointId): Promise<Endpoint | null>;
  close(): Promise<void>;
}

export interface ImportContext {
  readonly open: () => Promise<ImportServices>;
  readonly dataDirectory: () => string;
  readonly logger: Logger;
  readonly stdin: Readable;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  readonly note: (line: string) => void;
  readonly progress: (line: string) => void;
  readonly setExitCode: (code: number) => void;
}

interface Options {
  readonly endpoint: string;
  readonly unsigned?: true;
  readonly rate: number;
  readonly fromStart?: true;
  readonly rejects?: string;
  readonly json?: true;
}

/** Refused lines that are told one by one; the rest is counted. */
const toldRefusals = 20;
/** How often a long import says how far it is. */
const everyMs = 1_000;

/** Adds `import`. */
export function registerImportCommand(program: Command, context: ImportContext): void {
  program
    .command('import')
    .description('kept deliveries into the bulk lane, which never delays the real-time one')
    .argument('<path>', 'NDJSON, a directory of .json and .ndjson files, or - for standard input')
    .requiredOption('--endpoint <id>', 'whose deliveries they were: tenant, provider, credentials')
    .option('--unsigned', 'take lines without a right signature too; their facts say so')
    .option('--rate <n>', 'deliveries per second at most', rateOption, 200)
    .option('--from-start', 'forget how far an earlier import of this path came')
    .option('--rejects <file>', 'NDJSON: what was refused and why')
    .option('--json', 'the report as one JSON line, no progress')
    .addHelpText(
      'after',
      `
A line: {"method","url","headers","rawBody"|"rawBodyBase64","receivedAt"}. Without a method POST, without a url
the endpoint's, without a time the signed one. Signatures are judged as of then, by the credentials of now.
Examples:
  $ trunkline import --endpoint ep_1a2b3c october.ndjson
  $ trunkline import --endpoint ep_1a2b3c --unsigned --rejects refused.ndjson ./archive/
  $ zcat 2026-*.ndjson.gz | trunkline import --endpoint ep_1a2b3c -
Run it again after Ctrl-C or a crash: it goes on where it was. What comes twice is a duplicate, and not applied twice.
Exit codes: 0 every line was taken · 1 some were refused, or it was stopped`,
    )
    .action((path: string, options: Options) => importPath(context, path, options));
}

function rateOption(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value;
  throw new InvalidArgumentError('must be a whole number from 1 to 100000');
}

async function importPath(context: ImportContext, path: string, options: Options): Promise<void> {
  const id = parseEndpointId(options.endpoint);
  if (id === null) throw new TrunklineError('parameter_invalid', '--endpoint is no endpoint id');
  const source = await openSource(path, context.stdin);
  const how = { endpoint: id, isFresh: options.fromStart === true };
  const position = await openPosition(context.dataDirectory(), source, how);
  if (position.isComplete) {
    context.note(`${position.from.lines} lines were imported before; --from-start does it again`);
    report(context, options, position.from);
    return;
  }
  const services = await context.open();
  try {
    const endpoint = await services.endpoint(id);
    if (endpoint === null) {
      const detail = 'no endpoint of this id; `trunkline endpoint list` names them';
      throw new TrunklineError('endpoint_unknown', detail);
    }
    await run({ context, services, endpoint, source, position, options });
  } finally {
    await services.close();
  }
}

interface Run {
  readonly context: ImportContext;
  readonly services: ImportServices;
  readonly endpoint: Endpoint;
  readonly source: ImportSource;
  readonly position: ImportPosition;
  readonly options: Options;
}

async function run(of: Run): Promise<void> {
  const { context, services, endpoint, source, position, options } = of;
  const { signal, logger } = context;
  const rejects = options.rejects === undefined ? null : createWriteStream(options.rejects);
  if (rejects !== null) await once(rejects, 'open');
  const { from } = position;
  if (from.lines > 0) context.note(`going on after ${from.lines} lines that were imported before`);
  const { log, keyRing, codec } = services;
  const sealedAt = (): number => Date.now();
  const reached = await importLines(after(source, from.lines), from, {
    options: {
      endpoint,
      isVouchedFor: options.unsigned === true,
      correlationId: `import:${source.fingerprint.slice(0, 12)}`,
    },
    recorder: { log, keyRing, codec, logger, sealedAt },
    ...{ log, rate: new DrainRate(options.rate), clock: Date.now, signal },
    onDurable: teller(of),
    onRefused: refusalTeller(of, rejects),
  });
  if (rejects !== null) {
    rejects.end();
    await once(rejects, 'finish');
  }
  if (signal.aborted) {
    throw new CommandExit(
      exitCodes.failed,
      `stopped after ${reached.lines} lines; run it again to go on`,
    );
  }
  await position.keep(reached, true);
  report(context, options, reached);
}

/** The lines that are still to do. */
async function* after(source: ImportSource, lines: number) {
  let at = 0;
  for await (const line of source.lines()) {
    at += 1;
    if (at > lines) yield line;
  }
}

/** Keeps the position, and says now and then how far it is. */
function teller({ context, position, options }: Run): (progress: ImportProgress) => Promise<void> {
  const { from } = position;
  const begun = performance.now();
  let told = begun;
  return async (progress) => {
    await position.keep(progress, false);
    const now = performance.now();
    if (options.json === true || now - told < everyMs) return;
    told = now;
    const perSecond = Math.round(((progress.lines - from.lines) * 1000) / (now - begun));
    const refused = progress.refused === 0 ? '' : `, ${progress.refused} refused`;
    context.progress(`${progress.lines} lines, ${perSecond}/s${refused}`);
  };
}

function refusalTeller({ context }: Run, rejects: WriteStream | null) {
  let told = 0;
  return (line: RefusedLine): void => {
    rejects?.write(`${JSON.stringify(line)}\n`);
    told += 1;
    if (told <= toldRefusals) context.note(`${line.at}: ${line.detail} (${line.code})`);
    if (told === toldRefusals)
      context.note('further refusals are counted; --rejects <file> lists all');
  };
}

function report(context: ImportContext, { json }: Options, progress: ImportProgress): void {
  const { lines, taken, refused } = progress;
  if (json === true) context.print(JSON.stringify({ lines, taken, refused }));
  else context.print(`${lines} lines: ${taken} in the bulk lane, ${refused} refused`);
  if (refused > 0) context.setExitCode(exitCodes.failed);
}
