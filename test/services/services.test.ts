import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { expect, test } from 'vitest';

import { kafkaBrokers, postgresUrl, redisUrl, registryUrl } from './services.js';
import { redisFacts } from '../../runtime/redis.js';

test('a fresh database is empty and real', async () => {
  const client = new pg.Client({ connectionString: await postgresUrl() });
  await client.connect();
  const tables = await client.query(`select 1 from pg_tables where schemaname = 'public'`);
  expect(tables.rowCount).toBe(0);
  await client.end();
});

test('the broker answers as one cluster', async () => {
  const kafka = new Kafka({ brokers: await kafkaBrokers(), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  expect((await admin.describeCluster()).brokers).toHaveLength(1);
  await admin.disconnect();
});

test('the registry speaks the Confluent API', async () => {
  const answer = await fetch(`${await registryUrl()}/subjects`);
  expect(answer.status).toBe(200);
});

test('Redis says which it is', async () => {
  expect((await redisFacts(await redisUrl())).version).toMatch(/^\d+\.\d+/);
});
