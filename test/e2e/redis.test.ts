// The product with REDIS_URL, as an operator sees it come and go.

import { afterEach, expect, test } from 'vitest';

import { startRedis } from '../services/redis.js';
import { freshDirectory, startProduct } from '../services/product.js';
import { until } from '../services/shared.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Ready {
  readonly checks: readonly {
    readonly name: string;
    readonly status: string;
    readonly detail?: string;
  }[];
}

test('Redis away is degraded, never not ready; the banner says where limits are counted', async () => {
  const redis = await startRedis();
  ends.push(() => redis.kill());
  const product = await startProduct({
    data: freshDirectory('redis'),
    args: ['--roles', 'ingest'],
    env: { REDIS_URL: redis.url },
  });
  ends.push(() => product.end('SIGTERM'));
  const check = async () => {
    const answer = await fetch(`${product.url}/health/ready`);
    expect(answer.status).toBe(200);
    return ((await answer.json()) as Ready).checks.find(({ name }) => name === 'redis');
  };
  await until('together', async () => (await check())?.status === 'ok');
  expect(product.output()).toContain('limits in Redis');
  await redis.kill();
  await until('away', async () => (await check())?.status === 'degraded');
  expect((await check())?.detail).toMatch(/^Redis is away .*divided by 1$/);
  await redis.restart();
  await until('back', async () => (await check())?.status === 'ok');
  expect((await check())?.detail).toBe('limits are counted together (nodes: 1)');
});
