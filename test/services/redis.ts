// A real Redis for tests: Debian's redis-server, installed once when it is missing. Memory only.

import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';

import {
  alive,
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
  /** Starts a server on the same port: empty, or with what a snapshot holds. */
  restart(snapshot?: string): Promise<void>;
  /** Writes down what it holds now; the path of that snapshot. */
  snapshot(): Promise<string>;
}

/** Starts a server on a free port; resolves when it answers. */
export async function startRedis(): Promise<OwnRedis> {
  await install();
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const directory = join(servicesDirectory, `redis-${randomBytes(4).toString('hex')}`);
  mkdirSync(directory, { recursive: true });
  const dump = join(directory, 'dump.rdb');
  let pid = await launch(port, url, directory);
  return {
    get pid() {
      return pid;
    },
    url,
    async kill() {
      if (alive(pid)) process.kill(pid, 'SIGKILL');
      await until('the end of Redis', () => !alive(pid));
    },
    async restart(snapshot) {
      rmSync(dump, { force: true });
      if (snapshot !== undefined) copyFileSync(snapshot, dump);
      pid = await launch(port, url, directory);
    },
    async snapshot() {
      const client = new Redis(url);
      await client.save();
      client.disconnect();
      const kept = join(directory, `${randomBytes(4).toString('hex')}.rdb`);
      renameSync(dump, kept);
      return kept;
    },
  };
}

async function install(): Promise<void> {
  if (existsSync(executable)) return;
  await runToEnd('apt-get', ['update', '-qq']);
  const options = ['install', '-y', '-qq', '--no-install-recommends'];
  await runToEnd('apt-get', [...options, 'redis-server']);
}

async function launch(port: number, url: string, directory: string): Promise<number> {
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
