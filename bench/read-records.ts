// Bench: a stretch of a partition, read into memory before any clock runs.

import type { StoredRecord, Topic } from '../log/event-log.js';
import { openKafkaLog } from '../log/kafka.js';
import { createLogger } from '../runtime/logger.js';
import { offset } from '../schemas/ids.js';

/** Records with a value, from `from` on. */
export interface Stretch {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly partition: number;
  readonly from: number;
  readonly count: number;
}

/** Reads `count` records that have a value: markers and checkpoints do not count. */
export async function readRecords(topic: Topic, stretch: Stretch): Promise<StoredRecord[]> {
  const { brokers, prefix, partition, count } = stretch;
  const log = await openKafkaLog({
    ...{ brokers, clientId: 'bench', prefix, partitions: 8, replication: 1, minIsr: 1 },
    ...{ sessionTimeoutMs: 10_000, rawRetentionMs: 30 * 86_400_000 },
    logger: createLogger({ level: 'error' }),
  });
  const fetcher = await log.openFetcher();
  const found: StoredRecord[] = [];
  const limits = { maxWaitMs: 500, maxBytesPerPartition: 4 << 20 };
  let from = offset(stretch.from);
  while (found.length < count) {
    const position = { topic, partition, from };
    const [answer] = await fetcher.fetch([position], limits, AbortSignal.timeout(10_000));
    for (const record of answer?.records ?? []) {
      if (record.offset < from) continue;
      from = offset(record.offset + 1);
      if (record.value !== null && found.length < count) found.push(record);
    }
  }
  await log.close();
  return found;
}
