// Bench: installations of the product, each with its own database, topics, tenant, endpoint and API key.
// Comes in: services. Goes out: processes of some roles, as a user starts them, and what they cost.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

import { freePort } from '../test/services/shared.js';
import { cpuSeconds, profileFlags, residentMb } from './measure.js';
import type { Target } from './traffic.js';

const run = promisify(execFile);
const entry = join('.cache', 'bench', 'trunkline.js');
/** The base URL that requests are signed for. */
const publicBase = 'https://hooks.example.com';
const authToken = randomBytes(16).toString('hex');

export const tenant = 'bench';

/** An installation: what its processes are started with. */
export interface Site {
  readonly env: Readonly<Record<string, string>>;
  readonly data: string;
  /** First part of its topics on Kafka. */
  readonly prefix: string;
  readonly databaseUrl: string | null;
  readonly masterKey: Buffer;
}

/** How requests reach a site and how its frames are seen. */
export interface Door {
  readonly target: Target;
  readonly apiKey: string;
}

/** A new installation on real services, or on the embedded ones when `kafka` is null. */
export function newSite(
  kafka: { readonly broker: string; readonly databaseUrl: string } | null,
): Site {
  const name = `bench-${randomBytes(4).toString('hex')}`;
  const data = join('.cache', 'bench', name);
  mkdirSync(data, { recursive: true });
  const masterKey = randomBytes(32);
  const services =
    kafka === null
      ? {}
      : {
          DATABASE_URL: kafka.databaseUrl,
          KAFKA_BROKERS: kafka.broker,
          TRUNKLINE_TOPIC_PREFIX: name,
        };
  return {
    data,
    prefix: name,
    databaseUrl: kafka?.databaseUrl ?? null,
    masterKey,
    env: {
      ...services,
      TRUNKLINE_DATA: data,
      TRUNKLINE_MASTER_KEY: masterKey.toString('base64'),
      TRUNKLINE_LOG_LEVEL: 'warn',
      // One endpoint stands for a provider's many.
      TRUNKLINE_ENDPOINT_RATE: '1000000',
      TRUNKLINE_TENANT_RATE: '1000000',
      TRUNKLINE_ADDRESS_RATE: '1000000',
    },
  };
}

/** Adds a tenant, a Twilio endpoint and a viewer's key through the command line. */
export async function openDoor(site: Site, name = tenant): Promise<Door> {
  await command(site, ['tenant', 'add', name, '--json']);
  const credentials = ['--credential', `authToken=${authToken}`];
  const options = ['--tenant', name, '--provider', 'twilio', '--url', publicBase];
  const endpoint = await command(site, ['endpoint', 'add', ...options, ...credentials, '--json']);
  const made = await command(site, ['key', 'add', '--tenant', name, '--role', 'viewer', '--json']);
  const path = `/v1/webhooks/${String(endpoint['id'])}`;
  return {
    target: { path, publicUrl: publicBase + path, authToken },
    apiKey: String(made['key']),
  };
}

/** Nothing of the developer's own settings leaks into a figure. */
function environment(site: Site): Record<string, string | undefined> {
  const others = Object.entries(process.env).filter(
    ([name]) => !/^(TRUNKLINE_|DATABASE_URL|KAFKA_|SCHEMA_REGISTRY|REDIS_)/.test(name),
  );
  return { ...Object.fromEntries(others), ...site.env };
}

/** Runs a command of the product that answers in JSON. */
async function command(site: Site, args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = await run(process.execPath, [entry, ...args], {
    env: environment(site),
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Starts a command of the product that takes its time; what it says is kept with the site. */
export function startCommand(site: Site, args: readonly string[]): { stop(): Promise<void> } {
  const output = openSync(join(site.data, 'output.txt'), 'a');
  const child = spawn(process.execPath, [entry, ...args], {
    env: environment(site),
    stdio: ['ignore', output, output],
  });
  return { stop: () => stopped(child) };
}

/** A process of the product. */
export interface Roles {
  readonly pid: number;
  readonly port: number;
  readonly cpu: () => number;
  readonly residentMb: () => number;
  stop(): Promise<void>;
}

/** Starts `serve --roles …` and resolves when it says that it is ready. */
export async function startRoles(site: Site, roles: string): Promise<Roles> {
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [...nodeFlags(roles), entry, 'serve', '--roles', roles, '--port', String(port)],
    {
      env: environment(site),
      stdio: ['ignore', 'ignore', openSync(join(site.data, 'output.txt'), 'a')],
    },
  );
  const pid = child.pid ?? 0;
  await ready(child, port, roles);
  return {
    pid,
    port,
    cpu: () => cpuSeconds(pid),
    residentMb: () => residentMb(pid),
    stop: () => stopped(child),
  };
}

/** Flags of Node for every process of the product: BENCH_NODE, and those of a profile. */
function nodeFlags(roles: string): readonly string[] {
  const flags = (process.env['BENCH_NODE'] ?? '').split(' ').filter((flag) => flag !== '');
  return [...flags, ...profileFlags(roles)];
}

async function ready(child: ChildProcess, port: number, roles: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline && child.exitCode === null) {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    await pause(50);
  }
  child.kill('SIGKILL');
  throw new Error(`serve --roles ${roles} did not become ready`);
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(timer);
}

/** Deletes what the site left on disk. */
export function removeSite(site: Site): void {
  rmSync(site.data, { recursive: true, force: true });
}
