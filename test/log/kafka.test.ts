// The Kafka driver beyond the port, on real brokers (test/services/): topics, membership, outages.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EventLog, LogRecord } from '../../log/event-log.js';
import { kafkaAppender } from '../../log/kafka-append.js';
import { openKafkaLog, type KafkaLogOptions } from '../../log/kafka.js';
import { topicSettings } from '../../log/topics.js';
import { silentLogger } from '../../runtime/logger.js';
import { packageRoot } from '../../runtime/package-root.js';
import { offset } from '../../schemas/ids.js';
import { readRecords } from '../contracts/event-log.js';
import { startKafka, type OwnKafka } from '../services/kafka.js';
import { kafkaBrokers } from '../services/services.js';

const never = new AbortController().signal;
const sessionTimeoutMs = 6000;
const record = (text: string): LogRecord => ({
  key: 'acme',
  header: 'h',
  value: Buffer.from(text),
});
const freshPrefix = (): string => `t${randomBytes(5).toString('hex')}`;

const openAt = (
  brokers: readonly string[],
  options: Partial<KafkaLogOptions> = {},
): Promise<EventLog> =>
  openKafkaLog({
    brokers,
    clientId: 'test',
    prefix: freshPrefix(),
    partitions: 4,
    replication: 1,
    minIsr: 1,
    sessionTimeoutMs,
    rawRetentionMs: 86_400_000,
    logger: silentLogger,
    ...options,
  });

async function until(what: string, isSo: () => boolean | Promise<boolean>, ms: number) {
  const deadline = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await delay(20);
  }
}

async function withAdmin<T>(brokers: string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

describe('topics', () => {
  test('opening again finds the topics as they were made', async () => {
    const prefix = freshPrefix();
    const brokers = await kafkaBrokers();
    for (let i = 0; i < 2; i += 1) await (await openAt(brokers, { prefix })).close();
    const names = await withAdmin(brokers, (admin) => admin.listTopics());
    expect(names.filter((name) => name.startsWith(`${prefix}.`)).sort()).toEqual([
      `${prefix}.dead-letters`,
      `${prefix}.deliveries`,
      `${prefix}.deliveries.bulk`,
      `${prefix}.events`,
    ]);
  });

  test('a topic with other settings is an error that names topic, setting, both values and the cure', async () => {
    const prefix = freshPrefix();
    const brokers = await kafkaBrokers();
    await withAdmin(brokers, (admin) =>
      admin.createTopics({
        topics: [
          {
            topic: `${prefix}.events`,
            numPartitions: 4,
            configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
          },
        ],
      }),
    );
    const error = await openAt(brokers, { prefix }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'topic_settings' });
    expect(String(error)).toContain(
      `topic ${prefix}.events has cleanup.policy=compact, wanted delete`,
    );
    expect(String(error)).toContain('message.timestamp.type=CreateTime, wanted LogAppendTime');
    expect(String(error)).toContain(`kafka-configs.sh --alter`);
  });

  test('another number of partitions is an error that says which number it is', async () => {
    const prefix = freshPrefix();
    const brokers = await kafkaBrokers();
    await (await openAt(brokers, { prefix })).close();
    await expect(openAt(brokers, { prefix, partitions: 5 })).rejects.toThrow(
      /has 4 partitions, wanted 5.*TRUNKLINE_PARTITIONS=4/,
    );
  });

  test('only deliveries have an end, and nothing is compacted', () => {
    const all = topicSettings({ partitions: 1, replication: 1, minIsr: 1, rawRetentionMs: 1000 });
    const retention = all.map(({ config }) => config['retention.ms']);
    expect(retention).toEqual(['1000', '1000', '-1', '-1']);
    expect(new Set(all.map(({ config }) => config['cleanup.policy']))).toEqual(new Set(['delete']));
  });

  test('no broker is said as such', async () => {
    await expect(openAt(['127.0.0.1:1'])).rejects.toMatchObject({ code: 'service_unreachable' });
  });
});

describe('positions', () => {
  test('what retention has removed is a position error, for a waiting reader too', async () => {
    const prefix = freshPrefix();
    const brokers = await kafkaBrokers();
    const log = await openAt(brokers, { prefix });
    const appender = await log.openAppender();
    for (const text of ['a', 'b', 'c', 'd']) await appender.append('events', 0, [record(text)]);
    await appender.close();
    await withAdmin(brokers, async (admin) => {
      const topic = `${prefix}.events`;
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] });
    });
    expect(await log.bounds('events', 0)).toEqual({ first: 3, next: 4 });
    const fetcher = await log.openFetcher();
    const limits = { maxWaitMs: 1000, maxBytesPerPartition: 1 << 20 };
    const at = (from: number) => [{ topic: 'events' as const, partition: 0, from: offset(from) }];
    await expect(fetcher.fetch(at(1), limits, never)).rejects.toMatchObject({
      code: 'log_position',
    });
    const [found] = await fetcher.fetch(at(3), limits, never);
    expect(found?.records.map(({ value }) => value?.toString())).toEqual(['d']);
    await fetcher.close();
    await log.close();
  });
});

describe('membership', () => {
  test('paused members keep their heartbeat and their partitions beyond the session timeout', async () => {
    const log = await openAt(await kafkaBrokers());
    const stop = new AbortController();
    const calls: string[] = [];
    const joined = log.joinProcessors(
      {
        assigned: (partition) => void calls.push(`+${partition}`),
        revoked: (partition) => void calls.push(`-${partition}`),
      },
      stop.signal,
    );
    await until('all assigned', () => calls.length === 4, 15_000);
    const end = Date.now() + 1.6 * sessionTimeoutMs;
    await until('a session timeout and a half', () => Date.now() > end, 2 * sessionTimeoutMs);
    stop.abort();
    await joined;
    await log.close();
    expect(calls).toEqual(['+0', '+1', '+2', '+3']);
  });

  test('the partitions of a killed member move within the session timeout', async () => {
    const brokers = await kafkaBrokers();
    const prefix = freshPrefix();
    const log = await openAt(brokers, { prefix });
    const held = new Set<number>();
    const stop = new AbortController();
    const joined = log.joinProcessors(
      { assigned: (p) => void held.add(p), revoked: (p) => void held.delete(p) },
      stop.signal,
    );
    await until('all assigned', () => held.size === 4, 15_000);
    const member = await startMember(brokers, prefix);
    await until('two split them', () => held.size === 2 && member.held.size === 2, 20_000);
    member.child.kill('SIGKILL');
    const killed = Date.now();
    await until('all back', () => held.size === 4, 3 * sessionTimeoutMs);
    expect(Date.now() - killed).toBeLessThan(sessionTimeoutMs + 5000);
    stop.abort();
    await joined;
    await log.close();
  });
});

interface Member {
  readonly child: ChildProcess;
  readonly held: ReadonlySet<number>;
}

async function startMember(brokers: readonly string[], prefix: string): Promise<Member> {
  const outfile = join(packageRoot(), 'node_modules/.cache/trunkline-test/kafka-member.mjs');
  await build({
    entryPoints: [join(packageRoot(), 'test/log/kafka-member.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  const held = new Set<number>();
  const args = [outfile, brokers.join(','), prefix, String(sessionTimeoutMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { what, partition } = JSON.parse(line) as { what: string; partition: number };
    if (what === 'assigned') held.add(partition);
    else held.delete(partition);
  });
  return { child, held };
}

describe('outages', () => {
  let kafka: OwnKafka;
  let log: EventLog;
  beforeAll(async () => {
    kafka = await startKafka();
    log = await openAt([kafka.broker], { appendTimeoutMs: 3000 });
  });
  afterAll(async () => {
    await log.close();
    await kafka.stop();
  });

  test('an append without an ack is unknown within its deadline, and ends the appender', async () => {
    const appender = await log.openAppender();
    await appender.append('events', 0, [record('before')]);
    process.kill(kafka.pid, 'SIGSTOP');
    const unknown = { code: 'append_unknown' };
    const started = Date.now();
    await expect(appender.append('events', 0, [record('during')])).rejects.toMatchObject(unknown);
    expect(Date.now() - started).toBeLessThan(4000);
    process.kill(kafka.pid, 'SIGCONT');
    await expect(appender.append('events', 0, [record('after')])).rejects.toMatchObject(unknown);
    await appender.close();
  });

  test('after a kill and a restart a waiting reader goes on without a gap, and new appenders work', async () => {
    const { next } = await log.bounds('events', 1);
    const fetcher = await log.openFetcher();
    const position = { topic: 'events' as const, partition: 1, from: next };
    await fetcher.fetch([position], { maxWaitMs: 50, maxBytesPerPartition: 1000 }, never);
    await kafka.kill();
    const limits = { maxWaitMs: 300, maxBytesPerPartition: 1 << 20 };
    await expect(fetcher.fetch([position], limits, never)).rejects.toMatchObject({
      code: 'service_unreachable',
    });
    await expect(log.openAppender()).rejects.toMatchObject({ code: 'service_unreachable' });
    await kafka.restart();
    const patient = { ...limits, maxWaitMs: 20_000 };
    const waiting = fetcher.fetch([position], patient, never);
    const appender = await log.openAppender();
    await appender.append('events', 1, [record('again')]);
    const [found] = await waiting;
    expect(found?.records.map(({ value }) => value?.toString())).toEqual(['again']);
    const first = await readRecords(log, { topic: 'events', partition: 0, from: offset(0) }, 1);
    expect(first[0]?.value?.toString()).toBe('before');
    await appender.close();
    await fetcher.close();
  });
});

describe('closing', () => {
  /** Sockets of this process that keep it alive. */
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

  test('a fetcher that is closed while it connects leaves no connection behind', async () => {
    const log = await openAt(await kafkaBrokers());
    await until('the admin is gone', () => sockets() === 0, 5_000);
    for (const waits of [0, 1, 2, 4, 8, 16]) {
      const fetcher = await log.openFetcher();
      const stop = new AbortController();
      const position = { topic: 'events', partition: 0, from: offset(0) } as const;
      const limits = { maxWaitMs: 500, maxBytesPerPartition: 1000 };
      const fetching = fetcher.fetch([position], limits, stop.signal);
      await delay(waits);
      stop.abort();
      await expect(fetching).rejects.toThrow();
      await fetcher.close();
    }
    await log.close();
    await until('every connection is gone', () => sockets() === 0, 5_000);
  });

  test('an appender whose batch the client sends again is closed again after it', async () => {
    let ended = 0;
    let fail: (error: Error) => void = () => undefined;
    const producer = {
      connect: () => Promise.resolve(),
      send: () => new Promise((_, reject) => (fail = reject)),
      disconnect: () => Promise.resolve(void (ended += 1)),
    };
    const kafka = { producer: () => producer } as unknown as Kafka;
    const appender = await kafkaAppender(kafka, (topic) => topic, 20);
    await expect(appender.append('events', 0, [record('a')])).rejects.toMatchObject({
      code: 'append_unknown',
    });
    await appender.close();
    expect(ended).toBe(1);
    fail(new Error('the last of its retries'));
    await until('disconnected again', () => ended === 2, 1_000);
  });
});
