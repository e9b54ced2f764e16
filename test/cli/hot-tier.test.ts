// The hot tier as a process opens it: for which roles, and what its health says as Redis comes and goes.

import { afterEach, expect, test } from 'vitest';

import { hotPrefix, openHotTier } from '../../cli/hot-tier.js';
import { readConfig } from '../../runtime/config.js';
import { createHealth } from '../../runtime/health.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import { startRedis } from '../services/redis.js';
import { until } from '../services/shared.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function parts(env: Readonly<Record<string, string>>, key = 1) {
  const parsed = readConfig(env);
  if (!parsed.ok) throw new Error('not a configuration');
  const masterKey = { key: Buffer.alloc(32, key), created: false, path: null };
  const installation = { config: parsed.config, masterKey };
  const health = createHealth();
  return { installation, health, logger: silentLogger, metrics: createMetrics() };
}

test('it is opened for those who look states up or keep them, and only with Redis', async () => {
  const server = await startRedis();
  ends.push(() => server.kill());
  const env = { REDIS_URL: server.url };
  expect(openHotTier(parts({}), ['processors'])).toBeNull();
  expect(openHotTier(parts(env), ['ingest', 'gateway'])).toBeNull();
  expect(openHotTier(parts({ ...env, TRUNKLINE_HOT_TIER: 'off' }), ['processors'])).toBeNull();
  const tier = openHotTier(parts(env), ['projections']);
  ends.push(() => tier?.close());
  expect(tier).not.toBeNull();
});

test('Redis away is degraded and never not ready; it is used again once it is back', async () => {
  const server = await startRedis();
  ends.push(() => server.kill());
  const own = parts({ REDIS_URL: server.url });
  const tier = openHotTier(own, ['processors']);
  ends.push(() => tier?.close());
  const look = async (): Promise<string | undefined> => {
    await tier?.read({ partition: 0, lineage: '1.e.0' }, ['a']);
    const report = await own.health.report();
    expect(report.ready).toBe(true);
    return report.checks.find(({ name }) => name === 'hot_tier')?.status;
  };
  await until('in use', async () => (await look()) === 'ok' && tier?.isOn === true);
  await server.kill();
  await until('away', async () => (await look()) === 'degraded');
  await server.restart();
  await until('back', async () => (await look()) === 'ok');
});

test('installations on one server have keys of their own', () => {
  expect(hotPrefix(parts({}).installation)).toMatch(/^trunkline:[0-9a-f]{8}$/);
  expect(hotPrefix(parts({}, 2).installation)).not.toBe(hotPrefix(parts({}).installation));
});
