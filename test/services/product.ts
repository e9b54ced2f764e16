// The product as a user runs it: `node dist/trunkline.js serve …` as a process of its own, built once
// per run, with everything it writes kept for the tests that read it.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { cacheDirectory, freePort, until } from './shared.js';

const entry = join(cacheDirectory, '..', 'dist', 'trunkline.js');

/** A directory of one test's own, for TRUNKLINE_DATA. */
export function freshDirectory(name: string): string {
  const path = join(cacheDirectory, 'runs', `${name}-${randomBytes(4).toString('hex')}`);
  mkdirSync(path, { recursive: true });
  return path;
}

export interface Product {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Everything written to standard output and error so far. */
  readonly output: () => string;
  /** Sends the signal and waits for the end; how long it took and the exit code. */
  readonly end: (signal: NodeJS.Signals) => Promise<{ code: number | null; tookMs: number }>;
  /** Milliseconds from the start of the process until /health/ready said yes. */
  readonly readyMs: number;
}

export interface ProductOptions {
  readonly args?: readonly string[];
  readonly data: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly port?: number;
}

/** Starts `trunkline serve` and waits until it is ready. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  if (!existsSync(entry)) throw new Error('dist/ is missing: npm run build');
  const port = options.port ?? (await freePort());
  const begin = Date.now();
  const child = spawn(process.execPath, [entry, 'serve', ...(options.args ?? [])], {
    env: environment({
      ...options.env,
      TRUNKLINE_DATA: options.data,
      TRUNKLINE_PORT: String(port),
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collect(child, join(options.data, 'output.log'));
  const url = `http://127.0.0.1:${port}`;
  await until(
    `trunkline serve (${output().slice(-2000)})`,
    async () => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${output()}`);
      return (await fetch(`${url}/health/ready`)).ok;
    },
    60_000,
  ).catch((thrown: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`trunkline serve did not become ready:\n${output()}`, { cause: thrown });
  });
  return {
    url,
    port,
    pid: child.pid ?? 0,
    output,
    readyMs: Date.now() - begin,
    end: (signal) => endOf(child, signal),
  };
}

/** Runs a command of the product to its end. */
export async function runTrunkline(
  args: readonly string[],
  options: {
    readonly data: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly input?: string;
    /** Kills it (SIGKILL) when aborted. */
    readonly kill?: AbortSignal;
  },
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [entry, ...args], {
    env: environment({ ...options.env, TRUNKLINE_DATA: options.data }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(options.input ?? '');
  // A command that hangs is a fault to be seen, not one to wait for.
  const limit = setTimeout(() => child.kill('SIGKILL'), 30_000);
  options.kill?.addEventListener('abort', () => child.kill('SIGKILL'));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(limit);
  return { code, stdout, stderr };
}

/** Ours alone: nothing of the developer's own settings leaks into a test. */
function environment(own: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) =>
      value !== undefined && !/^(TRUNKLINE_|DATABASE_URL|KAFKA_|SCHEMA_REGISTRY|REDIS_)/.test(name),
  ) as [string, string][];
  return { ...Object.fromEntries(kept), ...own };
}

function collect(child: ChildProcess, file: string): () => string {
  let text = '';
  const take = (chunk: Buffer) => {
    text += chunk.toString();
    appendFileSync(file, chunk);
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return () => text;
}

async function endOf(child: ChildProcess, signal: NodeJS.Signals) {
  const begin = Date.now();
  const closed = new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.on('exit', (code) => resolve(code));
  });
  child.kill(signal);
  return { code: await closed, tookMs: Date.now() - begin };
}
