// Driver `kafka`: the log on Kafka through kafkajs 2.2.4. Comes in: brokers and settings. Goes out: the
// port of `event-log.ts`; topics are made with the right settings or checked at opening.

import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel, type KafkaConfig } from 'kafkajs';
import { TrunklineError, toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { offset } from '../schemas/ids.js';
import { maxBatchBytes } from './append-order.js';
import type { Bounds, EventLog, Topic } from './event-log.js';
import { kafkaAppender } from './kafka-append.js';
import { KafkaFetcher } from './kafka-fetch.js';
import { joinGroup } from './kafka-join.js';
import { kafkaLogCreator } from './kafka-logger.js';
import { ensureTopics } from './kafka-topics.js';
import { KafkaWire } from './kafka-wire.js';
import { joinWithPeers } from './peers.js';
import { topicName, topics, topicSettings } from './topics.js';

export interface KafkaLogOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** First part of the topic names and of the group's id. Default `trunkline`. */
  readonly prefix?: string;
  readonly partitions: number;
  readonly replication: number;
  readonly minIsr: number;
  readonly sessionTimeoutMs: number;
  /** Retention of the deliveries topics. */
  readonly rawRetentionMs: number;
  readonly logger: Logger;
  /** Where processors see each other, so that one that dies is missed at once; absent: by the group alone. */
  readonly peersUrl?: string;
  /** Deadline of one append; later its outcome is unknown. Default 10 s. */
  readonly appendTimeoutMs?: number;
  readonly security?: Pick<KafkaConfig, 'ssl' | 'sasl'>;
}

/**
 * Opens the log; makes missing topics and fails with `topic_settings` when one has other settings,
 * with `service_unreachable` when no broker answers.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const { partitions, prefix = 'trunkline', appendTimeoutMs = 10_000 } = options;
  const config = clientConfig(options, appendTimeoutMs);
  const kafka = new Kafka(config);
  await prepareTopics(kafka, options);
  const nameOf = (topic: Topic): string => topicName(topic, prefix);
  const openWire = (): KafkaWire => new KafkaWire(config, kafka.logger(), topics.map(nameOf));
  const boundsWire = openWire();
  const open = new Set<{ close(): Promise<void> }>([boundsWire]);
  const kept = <T extends { close(): Promise<void> }>(part: T): T => {
    open.add(part);
    return { ...part, close: () => (open.delete(part), part.close()) };
  };
  return {
    driver: 'kafka',
    partitions,
    maxBatchBytes,
    openAppender: async () => kept(await kafkaAppender(kafka, nameOf, appendTimeoutMs)),
    openFetcher: () => {
      const fetcher = new KafkaFetcher(openWire(), nameOf);
      return Promise.resolve(
        kept({ fetch: fetcher.fetch.bind(fetcher), close: fetcher.close.bind(fetcher) }),
      );
    },
    bounds: (topic, partition) => readBounds(boundsWire, nameOf(topic), partition),
    joinProcessors: (listener, signal) => {
      const group = { ...options, kafka, topic: nameOf('deliveries') };
      const join: EventLog['joinProcessors'] = (to, until) =>
        joinGroup({ ...group, groupId: `${prefix}.processors` }, to, until);
      const { peersUrl: url } = options;
      return url === undefined
        ? join(listener, signal)
        : joinWithPeers({ ...options, url }, join, { listener, signal });
    },
    close: async () => {
      await Promise.all([...open].map((part) => part.close().catch(() => undefined)));
    },
  };
}

function clientConfig(options: KafkaLogOptions, requestTimeout: number): KafkaConfig {
  return {
    brokers: [...options.brokers],
    clientId: options.clientId,
    connectionTimeout: 3000,
    requestTimeout,
    logLevel: logLevel.WARN,
    logCreator: kafkaLogCreator(options.logger),
    retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1000 },
    ...options.security,
  };
}

async function prepareTopics(kafka: Kafka, options: KafkaLogOptions): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await ensureTopics(admin, topicSettings(options));
  } catch (thrown) {
    if (thrown instanceof TrunklineError) throw thrown;
    const cause = toError(thrown);
    throw new TrunklineError(
      'service_unreachable',
      `Kafka at ${options.brokers.join(', ')}: ${cause.message}`,
      { cause },
    );
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

const boundsAttempts = 5;

async function readBounds(wire: KafkaWire, topic: string, partition: number): Promise<Bounds> {
  let last: Error | null = null;
  for (let attempt = 0; attempt < boundsAttempts; attempt += 1) {
    try {
      await wire.prepare();
      if (wire.leaderOf(topic, partition) === null) {
        throw new TrunklineError('log_position', `${topic} has no partition ${partition}`);
      }
      const { first, next } = await wire.bounds(topic, partition);
      return { first: offset(first), next: offset(next) };
    } catch (thrown) {
      if (thrown instanceof TrunklineError) throw thrown;
      last = toError(thrown);
      await wire.recover(thrown);
      await delay(100 * (attempt + 1));
    }
  }
  throw new TrunklineError(
    'service_unreachable',
    `Kafka does not say where ${topic}/${partition} ends: ${last?.message ?? ''}`,
    last === null ? {} : { cause: last },
  );
}
