// Bench: how things are measured. CPU from the kernel's own account of a process, percentiles from
// intended send times, and the machine every figure belongs to.

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * CPU seconds all threads of a process have used so far, to the nanosecond (proc(5), schedstat): the
 * ticks of `stat` are 10 ms, a hundredth of a short round.
 */
export function cpuSeconds(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const ns = readdirSync(tasks).map((task) =>
    Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return ns.reduce((sum, one) => sum + one, 0) / 1e9;
}

/** Resident memory of a process in MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Percentiles of milliseconds, to a tenth. */
export function percentiles(samples: readonly number[]): Percentiles {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** What the figures were taken on. */
export function machine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    node: process.version,
  };
}

/** A process of a bench: says what it has to say as JSON lines on standard output. */
export interface Part {
  readonly pid: number;
  /** The next line; rejects when the process ends first. */
  next(): Promise<Record<string, unknown>>;
  send(message: object): void;
  stop(): Promise<void>;
}

/**
 * For looking closer: with BENCH_PROFILE=<directory> every process leaves a CPU profile there, with
 * BENCH_HEAP=1 a heap profile.
 */
export function profileFlags(process_: string): readonly string[] {
  const directory = process.env['BENCH_PROFILE'] ?? '';
  if (directory === '') return [];
  const kind = process.env['BENCH_HEAP'] === '1' ? 'heap' : 'cpu';
  const name = `${process_.replaceAll(/[,/]/g, '+')}-${Date.now()}.${kind}profile`;
  return [`--${kind}-prof`, `--${kind}-prof-dir=${directory}`, `--${kind}-prof-name=${name}`];
}

/** Starts a bundled part (`.cache/bench/<name>.js`) with JSON options as its only argument. */
export function startPart(name: string, options: object): Part {
  const file = join('.cache', 'bench', `${name}.js`);
  const child = spawn(process.execPath, [...profileFlags(name), file, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async next() {
      const line = await lines.next();
      if (line.done === true) throw new Error(`${name} ended early`);
      return JSON.parse(line.value) as Record<string, unknown>;
    },
    send: (message) => child.stdin.write(`${JSON.stringify(message)}\n`),
    stop: () => stopped(child),
  };
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(timer);
}

/** A part's side of it: its options, its lines out, and the lines it is sent. */
export function partOptions<T>(): T {
  // An end by the signal itself would leave no profile.
  process.once('SIGTERM', () => process.exit(0));
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

export function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
