// What doctor says of Redis; the other findings have their services' tests.

import { Redis } from 'ioredis';
import { afterEach, expect, test, vi } from 'vitest';

import { createProgram } from '../../cli/program.js';
import { startRedis } from '../services/redis.js';
import { freePort } from '../services/shared.js';
import { redisUrl } from '../services/services.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

interface Finding {
  readonly what: string;
  readonly state: string;
  readonly detail: string;
}

async function ofRedis(url: string): Promise<Finding | undefined> {
  vi.stubEnv('REDIS_URL', url);
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += String(part);
    return true;
  });
  try {
    await createProgram()
      .exitOverride()
      .parseAsync(['node', 'trunkline', 'doctor', '--json'])
      .catch(() => undefined);
  } finally {
    write.mockRestore();
  }
  return (JSON.parse(text) as Finding[]).find(({ what }) => what === 'Redis');
}

test('a Redis that answers is told by its version', async () => {
  expect(await ofRedis(await redisUrl())).toMatchObject({
    state: 'ok',
    detail: expect.stringMatching(/^\d+\.\d+/),
  });
});

test('one that refuses writes when it is full is a warning that says what to set', async () => {
  const server = await startRedis();
  const client = new Redis(server.url);
  try {
    await client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'noeviction');
    expect(await ofRedis(server.url)).toMatchObject({
      state: 'warn',
      detail: expect.stringContaining('maxmemory-policy allkeys-lru'),
    });
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await ofRedis(server.url)).toMatchObject({ state: 'ok' });
  } finally {
    client.disconnect();
    await server.kill();
  }
});

test('one that does not answer is a warning, since ingest serves without it; its password is not shown', async () => {
  const found = await ofRedis(`redis://:not-to-be-seen@127.0.0.1:${await freePort()}`);
  expect(found).toMatchObject({ state: 'warn' });
  expect(found?.detail).toContain('ECONNREFUSED');
  expect(found?.detail).not.toMatch(/not-to-be-seen|127\.0\.0\.1/);
});

test('without REDIS_URL each process counts by itself, and doctor says so', async () => {
  expect(await ofRedis('')).toMatchObject({
    state: 'ok',
    detail: expect.stringContaining('REDIS_URL is not set'),
  });
});
