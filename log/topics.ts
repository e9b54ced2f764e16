// Topic names and settings, and the partition of a tenant: murmur2 of the tenant id, as Kafka's Java
// client has it.

import type { TenantId } from '../schemas/ids.js';
import type { Topic } from './event-log.js';

/** All topics of a log. */
export const topics: readonly Topic[] = ['deliveries', 'deliveries.bulk', 'events', 'dead-letters'];

/** Kafka name of a topic, e.g. `trunkline.deliveries.bulk`. */
export const topicName = (topic: Topic, prefix = 'trunkline'): string => `${prefix}.${topic}`;

/** What a topic must look like; `config` in Kafka's names and words. */
export interface TopicSettings {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly config: Readonly<Record<string, string>>;
}

const dayMs = 86_400_000;

/**
 * Settings of all four topics. Deliveries are kept as long as raw deliveries may be opened, events
 * and dead letters without limit; nothing is ever compacted: offsets of our topics are dense.
 */
export function topicSettings(options: {
  readonly prefix?: string;
  readonly partitions: number;
  readonly replication: number;
  readonly minIsr: number;
  readonly rawRetentionMs: number;
}): readonly TopicSettings[] {
  const { prefix, partitions, replication, minIsr, rawRetentionMs } = options;
  return topics.map((topic) => ({
    name: topicName(topic, prefix),
    partitions,
    replication,
    config: {
      'cleanup.policy': 'delete',
      'min.insync.replicas': String(minIsr),
      'unclean.leader.election.enable': 'false',
      'message.timestamp.type': 'LogAppendTime',
      'max.message.bytes': String(4 << 20),
      'retention.bytes': '-1',
      ...(topic === 'deliveries' || topic === 'deliveries.bulk'
        ? {
            'retention.ms': String(rawRetentionMs),
            // Only closed segments are removed: raw data outlives its policy by at most this.
            'segment.ms': String(Math.min(dayMs, rawRetentionMs)),
          }
        : { 'retention.ms': '-1' }),
    },
  }));
}

/** Partition of a tenant: positive murmur2 of the UTF-8 bytes modulo P (Java-compatible). */
export function partitionOf(tenant: TenantId, partitions: number): number {
  let hash = hashes.get(tenant);
  if (hash === undefined) {
    hash = murmur2(Buffer.from(tenant)) & 0x7fffffff;
    if (hashes.size >= maxHashes) hashes.clear();
    hashes.set(tenant, hash);
  }
  return hash % partitions;
}

/** Every delivery asks for its tenant's. */
const hashes = new Map<TenantId, number>();
const maxHashes = 10_000;

/** Murmur2 with Kafka's seed, as `org.apache.kafka.common.utils.Utils.murmur2`. */
export function murmur2(data: Uint8Array): number {
  const m = 0x5bd1e995;
  const length = data.length;
  const view = new DataView(data.buffer, data.byteOffset, length);
  let h = 0x9747b28c ^ length;
  const words = length >>> 2;
  for (let i = 0; i < words; i += 1) {
    let k = Math.imul(view.getInt32(i * 4, true), m);
    k = Math.imul(k ^ (k >>> 24), m);
    h = Math.imul(h, m) ^ k;
  }
  const tail = words * 4;
  for (let i = length - 1; i >= tail; i -= 1) {
    h ^= (data[i] ?? 0) << ((i - tail) * 8);
  }
  if (tail < length) h = Math.imul(h, m);
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}
