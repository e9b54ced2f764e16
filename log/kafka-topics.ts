// The Kafka log, topics: makes those that are missing and checks those that are there. Comes in: the
// wanted settings. Goes out: nothing, or a `topic_settings` error that says what to do.

import { setTimeout as delay } from 'node:timers/promises';
import kafkajs, { type Admin } from 'kafkajs';
import { TrunklineError } from '../runtime/errors.js';
import type { TopicSettings } from './topics.js';

// Node finds only some of kafkajs's CommonJS exports by name.
const { ConfigResourceTypes } = kafkajs;

/** Creates the missing topics, then fails unless every topic has the wanted settings. */
export async function ensureTopics(admin: Admin, wanted: readonly TopicSettings[]): Promise<void> {
  const present = new Set(await admin.listTopics());
  const missing = wanted.filter(({ name }) => !present.has(name));
  if (missing.length > 0) {
    await admin.createTopics({
      waitForLeaders: false,
      timeout: 15_000,
      topics: missing.map(({ name, partitions, replication, config }) => ({
        topic: name,
        numPartitions: partitions,
        replicationFactor: replication,
        configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
      })),
    });
    await untilLed(
      admin,
      missing.map(({ name }) => name),
    );
  }
  const faults = await findFaults(admin, wanted);
  if (faults.length > 0) throw new TrunklineError('topic_settings', faults.join('\n'));
}

const leadersWithinMs = 15_000;

/**
 * Waits until the broker knows the topics and each partition has a leader. kafkajs's own wait gives up
 * at once when the broker that is asked has not heard of a topic that the controller has just made.
 */
async function untilLed(admin: Admin, names: readonly string[]): Promise<void> {
  const deadline = performance.now() + leadersWithinMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await admin.fetchTopicMetadata({ topics: [...names] });
      return;
    } catch (thrown) {
      if (!isRetriable(thrown) || performance.now() > deadline) throw thrown;
      await delay(Math.min(1000, 25 * 2 ** attempt));
    }
  }
}

/** As kafkajs marks protocol errors that pass by themselves (UNKNOWN_TOPIC_OR_PARTITION, no leader yet). */
const isRetriable = (thrown: unknown): boolean =>
  thrown instanceof Error && 'retriable' in thrown && thrown.retriable === true;

async function findFaults(admin: Admin, wanted: readonly TopicSettings[]): Promise<string[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: wanted.map(({ name }) => name) });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: wanted.map(({ name, config }) => ({
      type: ConfigResourceTypes.TOPIC,
      name,
      configNames: Object.keys(config),
    })),
  });
  return wanted.flatMap((topic) => {
    const metadata = topics.find(({ name }) => name === topic.name);
    const entries = resources.find(
      ({ resourceName }) => resourceName === topic.name,
    )?.configEntries;
    const found = new Map(entries?.map((entry) => [entry.configName, entry.configValue]));
    return [
      ...partitionFault(topic, metadata?.partitions.length ?? 0),
      ...replicationFault(topic, metadata?.partitions[0]?.replicas.length ?? 0),
      ...Object.entries(topic.config).flatMap(([key, value]) => {
        const actual = found.get(key) ?? 'nothing';
        return actual === value ? [] : [settingFault(topic.name, key, actual, value)];
      }),
    ];
  });
}

function partitionFault({ name, partitions }: TopicSettings, found: number): string[] {
  if (found === partitions) return [];
  return [
    `topic ${name} has ${found} partitions, wanted ${partitions}: P is fixed when the log is made ` +
      `(a tenant's partition follows from it); set TRUNKLINE_PARTITIONS=${found}`,
  ];
}

function replicationFault({ name, replication }: TopicSettings, found: number): string[] {
  if (found === replication) return [];
  return [
    `topic ${name} has replication factor ${found}, wanted ${replication}: set ` +
      `TRUNKLINE_KAFKA_REPLICATION=${found}, or move it with kafka-reassign-partitions.sh`,
  ];
}

const settingFault = (name: string, key: string, found: string, wanted: string): string =>
  `topic ${name} has ${key}=${found}, wanted ${wanted}: run kafka-configs.sh --alter ` +
  `--entity-type topics --entity-name ${name} --add-config ${key}=${wanted}` +
  (variables[key] === undefined ? '' : `, or set ${variables[key]} to match`);

const variables: Readonly<Record<string, string>> = {
  'retention.ms': 'TRUNKLINE_RAW_RETENTION',
  'min.insync.replicas': 'TRUNKLINE_KAFKA_MIN_ISR',
};
