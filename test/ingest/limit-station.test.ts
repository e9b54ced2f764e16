// Two stations that take deliveries over HTTP and share a Redis, as an operator sees them.

import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import type { SharingReport } from '../../ingest/limit-metrics.js';
import { startRedis, type OwnRedis } from '../services/redis.js';
import { until } from '../services/shared.js';
import {
  completedCall,
  deliver,
  endpoints,
  startStation,
  telnyxJson,
  twilioForm,
  type Station,
} from './station.js';

let server: OwnRedis;
const stations: Station[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const station of stations.splice(0)) await station.stop();
});
afterAll(() => server.kill());

/** Stations of one installation; `reports` are the first one's. */
async function start(count: number, ratePerSecond: number, deadlineMs = 50) {
  const prefix = `test-${randomBytes(6).toString('hex')}`;
  const reports: SharingReport[] = [];
  for (let i = 0; i < count; i += 1) {
    const sharing = {
      ...{ redisUrl: server.url, prefix, addressKey: Buffer.alloc(32, 3), deadlineMs },
      ...(i === 0 ? { onReport: (report: SharingReport) => reports.push(report) } : {}),
    };
    stations.push(
      await startStation({ endpoints: endpoints({ ratePerSecond }), settings: { sharing } }),
    );
  }
  return { reports, of: (i: number): Station => stations[i % count] ?? failed() };
}

const failed = (): never => {
  throw new Error('no station');
};

async function gauge(station: Station, name: string): Promise<number | undefined> {
  const metric = await station.metrics.getSingleMetric(name)?.get();
  return metric?.values[0]?.value;
}

test('a provider that is spread over two nodes gets one limit, and is told of it by both', async () => {
  // However busy the machine is: what is late would be decided alone.
  const { of } = await start(2, 1, 20_000);
  const begin = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => deliver(of(i), twilioForm(completedCall(i)))),
  );
  const taken = answers.filter(({ status }) => status === 204).length;
  expect(taken).toBeGreaterThanOrEqual(10);
  expect(taken).toBeLessThanOrEqual(10 + Math.floor((performance.now() - begin) / 1000));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(40 - taken);
  for (const { headers } of refused) {
    expect(headers.get('retry-after')).toBe('1');
    expect(headers.get('ratelimit')).toMatch(/^"endpoint";r=0;t=\d+/);
  }
  // Another tenant is not concerned.
  expect((await deliver(of(0), telnyxJson('{}'))).status).toBe(204);
  const kept = stations.reduce((sum, station) => sum + station.facts().length, 0);
  expect(kept).toBe(taken + 1);
});

test('without Redis deliveries are taken as before; metrics, one log line and the report say so', async () => {
  const { reports, of } = await start(2, 1_000, 2_000);
  const station = of(0);
  await until(
    'two nodes',
    async () => (await gauge(station, 'trunkline_ingest_limit_nodes')) === 2,
  );
  expect((await deliver(station, twilioForm(completedCall()))).status).toBe(204);
  await server.kill();
  const begin = performance.now();
  for (let i = 0; i < 20; i += 1) {
    const answer = await deliver(station, twilioForm(completedCall(i)));
    expect(answer.status).toBe(204);
  }
  expect(performance.now() - begin).toBeLessThan(10_000);
  expect(await gauge(station, 'trunkline_ingest_limit_shared')).toBe(0);
  expect(reports.at(-1)).toMatchObject({ isTogether: false });
  expect(reports.at(-1)?.detail).toMatch(/divided by 2$/);
  const text = await station.metrics.metrics();
  expect(text).toMatch(/limit_decisions_total\{by="away"\} (1\d|20)/);
  expect(text).toMatch(/limit_redis_lost_total\{reason="(failed|not_reached)"\} 1/);
  const codes = () =>
    station.lines
      .map(({ fields }) => fields['code'])
      .filter((code) => String(code).startsWith('limits'));
  expect(codes()).toEqual(['limits_shared', 'limits_local']);

  await server.restart();
  await until(
    'together',
    async () => (await gauge(station, 'trunkline_ingest_limit_shared')) === 1,
  );
  expect(codes()).toEqual(['limits_shared', 'limits_local', 'limits_shared']);
  expect(reports.at(-1)).toMatchObject({ isTogether: true });
  expect(JSON.stringify(station.lines)).not.toMatch(/127\.0\.0\.1|redis:\/\//);
});

test('a station starts and serves although Redis was never there', async () => {
  await server.kill();
  const { reports, of } = await start(1, 10);
  expect((await deliver(of(0), twilioForm(completedCall()))).status).toBe(204);
  expect(reports).toMatchObject([{ isTogether: false }]);
  await server.restart();
  await until('together', () => reports.at(-1)?.isTogether === true);
});
