// Topic names and settings, and the partition of a tenant: murmur2 of the tenant id, as Kafka's Java
// client has it.

import type { TenantId } from '../schemas/ids.js';
import type { Topic } from './event-log.js';

/** All topics of a log. */
export const topics: readonly Topic[] = ['deliveries', 'deliveries.bulk', 'events', 'dead-letters'];

/** Kafka name of a topic, e.g. `trunkline.deliveries.bulk`. */
export const topicName = (topic: Topic, prefix = 'trunkline'): string => `${prefix}.${topic}`;

/** Partition of a tenant: positive murmur2 of the UTF-8 bytes modulo P (Java-compatible). */
export function partitionOf(tenant: TenantId, partitions: number): number {
  return (murmur2(Buffer.from(tenant)) & 0x7fffffff) % partitions;
}

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
