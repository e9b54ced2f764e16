// A real Redis for tests: Debian's redis-server, installed once when it is missing. Memory only.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';

import {
  freePort,
  runToEnd,
  servicesDirectory,
  shared,
  spawnDetached,
  until,
  type Running,
} from './shared.js';

const executable = '/usr/bin/redis-server';

/** URL of the shared server. */
export async function sharedRedis(): Promise<string> {
  const server = await shared('redis', async (): Promise<Running> => {
    const own = await startRedis();
    const version = /v=([\d.]+)/.exec(await runToEnd(executable, ['--version']))?.[1] ?? '';
    return { pid: own.pid, address: own.url, what: `Redis ${version} (Debian)` };
  });
  return server.address;
}

/** A server of one test's own, to be killed, hung and started again under traffic. */
export interface OwnRedis {
  readonly pid: number;
  readonly url: string;
  /** SIGKILL, as a machine that loses power; what it held is lost. */
  kill(): Promise<void>;
  /** Starts an empty server on the same port. */
  restart(): Promise<void>;
}

/** Starts a server on a free port; resolves when it answers. */
export async function startRedis(): Promise<OwnRedis> {
  await install();
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let pid = await launch(port, url);
  return {
    get pid() {
      return pid;
    },
    url,
    async kill() {
      process.kill(pid, 'SIGKILL');
      await until('the end of Redis', () => !isAlive(pid));
    },
    async restart() {
      pid = await launch(port, url);
    },
  };
}

async function install(): Promise<void> {
  if (existsSync(executable)) return;
  await runToEnd('apt-get', ['update', '-qq']);
  const options = ['install', '-y', '-qq', '--no-install-recommends'];
  await runToEnd('apt-get', [...options, 'redis-server']);
}

async function launch(port: number, url: string): Promise<number> {
  const directory = join(servicesDirectory, `redis-${randomBytes(4).toString('hex')}`);
  mkdirSync(directory, { recursive: true });
  const settings = ['--save', '', '--appendonly', 'no', '--bind', '127.0.0.1', '--dir', directory];
  const log = join(servicesDirectory, 'redis.log');
  const pid = spawnDetached(executable, ['--port', String(port), ...settings], { log });
  await until('Redis', async () => {
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.ping();
      return true;
    } finally {
      client.disconnect();
    }
  });
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
