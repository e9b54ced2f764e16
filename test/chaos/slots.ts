// Chaos: the processes of the product, each kept alive by a supervisor as systemd or Kubernetes would. Comes
// in: signals to send to them. Goes out: who is up, who owns what, and every end that nobody asked for.

import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

import { until } from '../services/shared.js';
import type { SlotName } from './schedule.js';

/** An end of a process that no fault explains. */
export interface Crash {
  readonly slot: SlotName;
  readonly code: number | null;
  /** What it said last. */
  readonly tail: string;
}

export interface SlotOptions {
  readonly name: SlotName;
  readonly port: number;
  /** Of the run: logs and clocks are kept in it. */
  readonly directory: string;
  /** TRUNKLINE_DATA of this process. */
  readonly data: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onCrash: (crash: Crash) => void;
}

const entry = join('dist', 'trunkline.js');
const skew = pathToFileURL(join('test', 'chaos', 'clock-skew.mjs')).href;
/** A supervisor waits a little before it starts again what has ended. */
const restartMs = 300;
const tailLength = 3_000;

/** A process of one role that is started again whenever it ends. */
export class Slot {
  /** Partitions that it says it has been assigned. */
  readonly owned = new Set<number>();
  /** Lines of level error and above by code. */
  readonly errors = new Map<string, number>();
  #child: ChildProcess | null = null;
  #tail = '';
  #isExpected = false;
  #isClosed = false;
  readonly #clock: string;
  readonly #log: string;

  constructor(private readonly options: SlotOptions) {
    const { directory, name } = options;
    mkdirSync(options.data, { recursive: true });
    this.#clock = join(directory, `${name}.clock`);
    this.#log = join(directory, `${name}.log`);
    this.setClock(0);
  }

  get name(): SlotName {
    return this.options.name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.options.port}`;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): void {
    const { name, port, data, env } = this.options;
    const role = name.slice(0, name.lastIndexOf('-'));
    this.#isExpected = false;
    this.owned.clear();
    const child = spawn(
      process.execPath,
      ['--import', skew, entry, 'serve', '--roles', role, '--port', String(port)],
      {
        env: { ...ownEnvironment(), ...env, TRUNKLINE_DATA: data, CHAOS_CLOCK_FILE: this.#clock },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => this.#said(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#said(chunk));
    child.on('exit', (code) => {
      if (this.#child === child) void this.#ended(code);
    });
  }

  /** Its wall clock is off by so much from now on. */
  setClock(byMs: number): void {
    writeFileSync(this.#clock, String(byMs));
  }

  /** SIGKILL; started again after `forMs`. */
  async kill(forMs: number): Promise<void> {
    await this.#end('SIGKILL');
    await pause(forMs);
    if (!this.#isClosed) this.start();
  }

  /** SIGTERM and a new start; how long the end took. */
  async restart(forMs: number): Promise<number> {
    const begin = performance.now();
    await this.#end('SIGTERM');
    const tookMs = performance.now() - begin;
    await pause(forMs);
    if (!this.#isClosed) this.start();
    return tookMs;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }

  async isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/health/ready`, {
        signal: AbortSignal.timeout(1_500),
      });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }

  /** What /health/ready says, for a report of why it is not. */
  async health(): Promise<string> {
    const answer = await fetch(`${this.url}/health/ready`, {
      signal: AbortSignal.timeout(3_000),
    }).catch(() => null);
    return (await answer?.text()) ?? 'no answer';
  }

  /** One gauge or counter without labels; null when it does not answer. */
  async metric(name: string): Promise<number | null> {
    const answer = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(3_000) }).catch(
      () => null,
    );
    const text = (await answer?.text()) ?? '';
    const line = new RegExp(`^${name} (\\S+)$`, 'm').exec(text);
    return line === null ? null : Number(line[1]);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#end('SIGKILL');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#isExpected = true;
    child.kill(signal);
    if (signal === 'SIGKILL') child.kill('SIGCONT');
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
    await until(`${this.name} to end`, hasEnded, 15_000).catch(() => {
      this.#tail += '\n(did not end by itself)';
      child.kill('SIGKILL');
    });
    await until(`${this.name} to be killed`, hasEnded);
  }

  async #ended(code: number | null): Promise<void> {
    this.#child = null;
    this.owned.clear();
    if (this.#isExpected || this.#isClosed) {
      // A clean stop that ends badly is a fault too; killed has no code.
      if (code !== null && code !== 0) this.#tell(code);
      return;
    }
    this.#tell(code);
    await pause(restartMs);
    if (this.#mayStart()) this.start();
  }

  #mayStart(): boolean {
    return !this.#isClosed && this.pid === null;
  }

  #tell(code: number | null): void {
    // Reports are kept: where this checkout lies is nobody's business.
    const tail = this.#tail.slice(-tailLength).replaceAll(`${process.cwd()}/`, '');
    this.options.onCrash({ slot: this.name, code, tail });
  }

  #said(chunk: Buffer): void {
    const text = chunk.toString();
    appendFileSync(this.#log, text);
    this.#tail = (this.#tail + text).slice(-tailLength);
    for (const line of text.split('\n')) this.#read(line);
  }

  #read(line: string): void {
    if (!line.startsWith('{')) return;
    const entry = parsed(line);
    if (entry === null) return;
    const { code, partition, level } = entry;
    if (code === 'partition_assigned' && partition !== undefined) this.owned.add(partition);
    if (code === 'partition_revoked' && partition !== undefined) this.owned.delete(partition);
    const isError =
      level === 'error' || level === 'fatal' || (typeof level === 'number' && level >= 50);
    if (isError) this.errors.set(code ?? 'none', (this.errors.get(code ?? 'none') ?? 0) + 1);
  }
}

interface LogLine {
  readonly code?: string;
  readonly partition?: number;
  readonly level?: number | string;
}

function parsed(line: string): LogLine | null {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return null;
  }
}

/** Nothing of the developer's own settings. */
function ownEnvironment(): Record<string, string> {
  const others = Object.entries(process.env).filter(
    ([name, value]) =>
      value !== undefined && !/^(TRUNKLINE_|DATABASE_URL|KAFKA_|SCHEMA_REGISTRY|REDIS_)/.test(name),
  );
  return Object.fromEntries(others) as Record<string, string>;
}
