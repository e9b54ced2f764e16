// Command line: `trunkline simulate` plays signed traffic of the providers against webhook URLs, and
// writes down the truth, so that a test can judge what was made of it.

import { randomInt } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { InvalidArgumentError, type Command } from 'commander';
import { TrunklineError } from '../runtime/errors.js';
import { providerOf } from '../ingest/providers/registry.js';
import { requestOf } from './simulator/activity.js';
import { simulatedProvider, simulatedProviders } from './simulator/providers.js';
import { signOutgoing } from './simulator/sign.js';
import { runSimulator, type SimulatorReport, type SimulatorTarget } from './simulator/run.js';

export interface SimulateContext {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  setExitCode(code: number): void;
}

type Pairs = Readonly<Record<string, string>>;

/** Collects `key=value`. */
function addPair(given: string, before: Pairs = {}): Pairs {
  const equals = given.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('must be given as name=value');
  return { ...before, [given.slice(0, equals)]: given.slice(equals + 1) };
}

function numberIn(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`must be a number from ${low} to ${high}`);
  };
}

const wholeIn =
  (low: number, high: number) =>
  (text: string): number => {
    const value = numberIn(low, high)(text);
    if (Number.isInteger(value)) return value;
    throw new InvalidArgumentError('must be a whole number');
  };

interface Options {
  readonly to: Pairs;
  readonly signedUrl?: Pairs;
  readonly credential?: Pairs;
  readonly calls: number;
  readonly rate: number;
  readonly messages: number;
  readonly duplicates: number;
  readonly reorders: number;
  readonly drops: number;
  readonly speed: number;
  readonly inFlight: number;
  readonly seed?: number;
  readonly truth?: string;
  readonly json?: boolean;
}

function target(name: string, url: string, options: Options): SimulatorTarget {
  const { provider } = simulatedProvider(name);
  const signedUrl = options.signedUrl?.[provider];
  if (!URL.canParse(url)) throw new TrunklineError('parameter_invalid', '--to is not a URL');
  const sender = credentialsOf(provider, options.credential ?? {});
  const base = { provider, url, sender };
  const probe = requestOf({ type: 'json', text: '{}' }, url);
  // Says now, not at the first delivery, what is missing to sign with.
  signOutgoing(providerOf(provider), probe, sender, 0);
  return signedUrl === undefined ? base : { ...base, signedUrl };
}

/** Those given as `<provider>.<name>=…`. */
function credentialsOf(provider: string, given: Pairs): Pairs {
  const own = Object.entries(given).filter(([name]) => name.startsWith(`${provider}.`));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(provider.length + 1), value]));
}

function targetsOf(options: Options): [SimulatorTarget, ...SimulatorTarget[]] {
  const targets = Object.entries(options.to).map(([name, url]) => target(name, url, options));
  const [first, ...rest] = targets;
  if (first === undefined) {
    throw new TrunklineError('parameter_invalid', 'name a destination: --to twilio=<url>');
  }
  return [first, ...rest];
}

function progressLine(report: SimulatorReport): string {
  const refused = Object.values(report.refused).reduce((sum, count) => sum + count, 0);
  return (
    `${report.calls} calls, ${report.messages} messages, ${report.records} records: ${report.sent} sent, ` +
    `${report.accepted} accepted, ${refused} refused, ${report.dropped} dropped, ` +
    `${report.duplicated} doubled, ${report.reordered} swapped`
  );
}

async function simulate(options: Options, context: SimulateContext): Promise<void> {
  const targets = targetsOf(options);
  const seed = options.seed ?? randomInt(2 ** 31);
  const truth: WriteStream | null =
    options.truth === undefined ? null : createWriteStream(options.truth);
  if (truth !== null) await once(truth, 'open');
  const report = await runSimulator(
    {
      ...options,
      targets,
      seed,
      maxInFlight: options.inFlight,
      onTruth: (settled) => truth?.write(`${JSON.stringify(settled)}\n`),
      onProgress: (now) => {
        if (options.json !== true) context.stderr.write(`${progressLine(now)}\n`);
      },
    },
    context.signal,
  );
  if (truth !== null) {
    truth.end();
    await once(truth, 'close');
  }
  const last = options.json === true ? JSON.stringify({ seed, ...report }) : `seed ${seed}`;
  context.stdout.write(`${last}\n`);
  context.setExitCode(Object.keys(report.refused).length === 0 ? 0 : 1);
}

/** Adds `simulate`. */
export function registerSimulateCommand(program: Command, context: SimulateContext): void {
  const share = numberIn(0, 1);
  const names = simulatedProviders.map(({ provider }) => provider).join(', ');
  program
    .command('simulate')
    .description('play signed traffic of the providers against webhook URLs')
    .requiredOption('--to <provider=url>', `one of ${names}; repeatable`, addPair)
    .option('--signed-url <provider=url>', 'public URL to sign, where it differs', addPair)
    .option(
      '--credential <name=value>',
      'what the account signs with, as <provider>.<name>=…, e.g. twilio.authToken=…; repeatable',
      addPair,
    )
    .option('--calls <n>', 'calls and records to play', wholeIn(1, 10_000_000), 20)
    .option('--rate <n>', 'deliveries per second', numberIn(0.01, 100_000), 5)
    .option('--messages <share>', 'share of messages among activities', share, 0.2)
    .option('--duplicates <share>', 'share of deliveries sent twice', share, 0)
    .option('--reorders <share>', 'share of deliveries swapped with the next', share, 0)
    .option('--drops <share>', 'share of deliveries lost', share, 0)
    .option('--speed <factor>', '10 plays ten seconds in one', numberIn(1, 10_000), 1)
    .option('--in-flight <n>', 'bound on open requests', wholeIn(1, 10_000), 256)
    .option('--seed <n>', 'repeats the same traffic; default: by chance', wholeIn(0, 2 ** 31))
    .option('--truth <file>', 'NDJSON: how each call and message ended')
    .option('--json', 'the report as one JSON line, no progress')
    .addHelpText('after', '\nExit codes: 0 everything was answered 2xx · 1 something was not')
    .action((options: Options) => simulate(options, context));
}
