// `npm run chaos`: parses the command line, runs, prints the tables and stores the report. Exit codes: 0 every
// promise held, 1 one did not, 2 a wrong command line, 130 interrupted.

import { randomInt } from 'node:crypto';

import { markdown, storeReport } from './report.js';
import { runChaos } from './run.js';

const help = `npm run chaos -- [--minutes N] [--seed S] [--rate N] [--out DIR]

Breaks a whole installation on loopback (three Kafka brokers, PostgreSQL, Redis, two processes of each
role) by a schedule that follows from the seed, under simulated provider traffic, and judges what is left.

  --minutes N   how long things are broken, default 3
  --seed S      repeats the schedule and the traffic of a run; default: by chance
  --rate N      deliveries per second, default 40
  --out DIR     where the report goes, default bench/results
  --json        the report as JSON on standard output

Needs a JDK from 17 on, Maven (for the first run) and redis-server. Ctrl-C ends everything it started.
Exit codes: 0 every promise held · 1 one did not · 2 wrong command line · 130 interrupted`;

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(`${help}\n`);
  process.exit(0);
}

const known = ['--minutes', '--seed', '--rate', '--out'];
const wrong = args.find(
  (arg, at) => !known.includes(arg) && arg !== '--json' && !known.includes(args[at - 1] ?? ''),
);
const option = (flag: string): string | undefined =>
  args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
const minutes = Number(option('--minutes') ?? 3);
const seed = Number(option('--seed') ?? randomInt(1_000_000));
const rate = Number(option('--rate') ?? 40);
if (wrong !== undefined || !(minutes > 0) || !Number.isInteger(seed) || !(rate > 0)) {
  process.stderr.write(
    `${wrong === undefined ? 'a number is none' : `unknown: ${wrong}`}\n\n${help}\n`,
  );
  process.exit(2);
}

const begin = performance.now();
const note = (text: string): void => {
  const seconds = Math.round((performance.now() - begin) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
};
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    note(`${signal}: ending what was started`);
    interrupt.abort();
  });
}

try {
  note(`${minutes} minutes, seed ${seed}, ${rate} deliveries a second`);
  const report = await runChaos({ seed, minutes, rate, note, signal: interrupt.signal });
  const path = storeReport(report, option('--out') ?? 'bench/results');
  process.stdout.write(args.includes('--json') ? `${JSON.stringify(report)}\n` : markdown(report));
  note(`stored as ${path}.{md,json}`);
  process.exit(report.ok ? 0 : 1);
} catch (thrown) {
  if (interrupt.signal.aborted) process.exit(130);
  process.stderr.write(
    `${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`,
  );
  process.exit(1);
}
