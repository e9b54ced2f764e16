// `npm run model`: schedules of the log protocol by the million. Comes in: how many, from which seed, what to
// take away. Goes out: progress, and for each broken promise the smallest schedule found and the command
// that replays it. Ctrl-C ends it with what was found so far.

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { fatal, harmless } from './mutations.js';
import { replayCommand, shrink } from './shrink.js';
import { runWorld, type WorldOptions } from './world.js';

const usage = `npm run model -- [--schedules 1e6] [--seed 1] [--jobs N] [--without NAME]
  --schedules N   how many, one seed each (20000)
  --seed N        the first seed (1)
  --jobs N        threads (all processors)
  --without NAME  take a clause away; NAME as in test/log/simulation/mutations.ts, e.g. --without 'F11 (A14)'
  --list          the names that can be taken away
  --steps N, --only IDS, --turns STEPS
                  one schedule alone, told step by step: its first N steps, with these faults, and chance saying
                  who goes next at these steps (each a list with commas, or none)
Exit code 0: no promise was broken; 1: one was; 2: not understood; 130: ended by Ctrl-C.
`;

/** Seeds of one thread: `first`, `first + stride`, … below `end`. */
interface Share {
  readonly first: number;
  readonly stride: number;
  readonly end: number;
  readonly without: string | null;
}

type Report = { readonly done: number } | { readonly failed: number };

/** Failures that are shrunk and shown; then it ends. */
const maxFailures = 5;
const reportEvery = 200;

function optionsOf(seed: number, without: string | null): WorldOptions {
  if (without === null) return { seed };
  const found = [...fatal, ...harmless].find(({ name }) => name === without);
  if (found === undefined) throw new Error(`there is no clause ${without}; see --list`);
  return { ...found.without, founded: true, seed };
}

async function work({ first, stride, end, without }: Share): Promise<void> {
  let done = 0;
  const tell = (report: Report): void => parentPort?.postMessage(report);
  for (let seed = first; seed < end; seed += stride) {
    const { violations } = await runWorld(optionsOf(seed, without));
    if (violations.length > 0) tell({ failed: seed });
    done += 1;
    if (done % reportEvery === 0) tell({ done: reportEvery });
  }
  tell({ done: done % reportEvery });
}

async function replay(options: WorldOptions): Promise<number> {
  const result = await runWorld({ ...options, onTrace: (line) => print(line) });
  print('', ...(result.violations.length === 0 ? ['no promise is broken'] : result.violations));
  return result.violations.length === 0 ? 0 : 1;
}

const print = (...lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};

interface Run {
  readonly schedules: number;
  readonly seed: number;
  readonly jobs: number;
  readonly without: string | null;
}

async function runAll({ schedules, seed, jobs, without }: Run): Promise<number> {
  const begin = performance.now();
  const failures: number[] = [];
  let done = 0;
  const end: { by: 'ctrl-c' | 'failures' | null } = { by: null };
  const workers = Array.from({ length: Math.min(jobs, schedules) }, (_, i) => {
    const share: Share = { first: seed + i, stride: jobs, end: seed + schedules, without };
    return new Worker(fileURLToPath(import.meta.url), { workerData: share });
  });
  const stop = (why: 'ctrl-c' | 'failures'): void => {
    end.by ??= why;
    for (const worker of workers) void worker.terminate();
  };
  const onSignal = (): void => stop('ctrl-c');
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const progress = setInterval(() => tellProgress(done, schedules, begin), 1_000);
  const ended = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.on('message', (report: Report) => {
          if ('done' in report) done += report.done;
          else failures.push(report.failed);
          if (failures.length >= maxFailures) stop('failures');
        });
        worker.once('error', reject);
        worker.once('exit', () => resolve());
      }),
  );
  try {
    await Promise.all(ended);
  } finally {
    clearInterval(progress);
    process.stderr.write(process.stderr.isTTY ? '\r\u001b[K' : '');
  }
  const seconds = (performance.now() - begin) / 1000;
  const shown = failures.slice(0, end.by === 'ctrl-c' ? 0 : maxFailures);
  for (const failed of shown) await show(failed, without);
  if (shown.length < failures.length) print(`seeds that break a promise: ${failures.join(', ')}`);
  const count = done.toLocaleString('en');
  print(
    `${count} schedules from seed ${seed} in ${seconds.toFixed(0)} s: ${failures.length} break a promise`,
  );
  if (end.by === 'ctrl-c') return 130;
  return failures.length === 0 ? 0 : 1;
}

async function show(seed: number, without: string | null): Promise<void> {
  const shrunk = await shrink(optionsOf(seed, without));
  const { options, result, runs } = shrunk;
  const lines: string[] = [];
  await runWorld({ ...options, onTrace: (line) => lines.push(line) });
  const quiet = lines.findIndex((line) => line.endsWith('faults stop'));
  print(
    '',
    `seed ${seed}: ${result.violations[0] ?? ''}`,
    `  ${options.steps} steps, ${options.only.size} faults and ${options.turns.size} turns are enough (${runs} runs):`,
    ...withoutIdling(lines.slice(0, quiet + 1)),
    `replay: ${replayCommand(shrunk, without)}`,
    '',
  );
}

/** Long stretches in which everybody only asks the log for more are cut short. */
function withoutIdling(lines: readonly string[]): readonly string[] {
  const isIdle = (line: string | undefined): boolean =>
    / (a timer fires|fetch|fetched)$/.test(line ?? '');
  return lines.flatMap((line, i) => {
    const near = [-2, -1, 0, 1, 2].map((by) => lines[i + by]);
    if (!near.every(isIdle)) return [line];
    return isIdle(lines[i - 3]) ? [] : ['   …'];
  });
}

function tellProgress(done: number, total: number, begin: number): void {
  const seconds = (performance.now() - begin) / 1000;
  const rate = done / seconds;
  const left = rate > 0 ? `, ${Math.ceil((total - done) / rate)} s left` : '';
  const text = `${done.toLocaleString('en')} of ${total.toLocaleString('en')} schedules, ${rate.toFixed(0)}/s${left}`;
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
  else if (Math.round(seconds) % 10 === 0) process.stderr.write(`${text}\n`);
}

/** A whole number, `1e6` too. */
function numberOf(text: string | undefined, name: string, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name} must be a whole number`);
  return value;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      schedules: { type: 'string' },
      seed: { type: 'string' },
      jobs: { type: 'string' },
      without: { type: 'string' },
      steps: { type: 'string' },
      only: { type: 'string' },
      turns: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    print(usage);
    return 0;
  }
  if (values.list === true) {
    const line = ({ name, what }: (typeof fatal)[number]): string => `${name.padEnd(18)} ${what}`;
    print('found when taken away:', ...fatal.map(line), '', 'harmless:', ...harmless.map(line));
    return 0;
  }
  const seed = numberOf(values.seed, 'seed', 1);
  const without = values.without ?? null;
  const options = optionsOf(seed, without);
  const { steps, only, turns } = values;
  if (steps !== undefined || only !== undefined || turns !== undefined) {
    return replay({
      ...options,
      ...(steps === undefined ? {} : { steps: numberOf(steps, 'steps', 0) }),
      ...(only === undefined ? {} : { only: new Set(only.split(',')) }),
      ...(turns === undefined ? {} : { turns: new Set(turns.split(',').map(Number)) }),
    });
  }
  const schedules = numberOf(values.schedules, 'schedules', 20_000);
  const jobs = Math.max(1, numberOf(values.jobs, 'jobs', availableParallelism()));
  return runAll({ schedules, seed, jobs, without });
}

if (isMainThread) {
  process.exitCode = await main().catch((thrown: unknown) => {
    process.stderr.write(
      `${thrown instanceof Error ? thrown.message : String(thrown)}\n\n${usage}`,
    );
    return 2;
  });
} else {
  await work(workerData as Share);
}
