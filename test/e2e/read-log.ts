// End to end: everything that a partition of a topic holds, as a reader of the port gets it.

import type { EventLog, StoredRecord, Topic } from '../../log/event-log.js';
import { offset } from '../../schemas/ids.js';

/** All records from the first to what is the end now. */
export async function readAll(
  log: EventLog,
  topic: Topic,
  partition: number,
): Promise<readonly StoredRecord[]> {
  const { first, next } = await log.bounds(topic, partition);
  const fetcher = await log.openFetcher();
  const records: StoredRecord[] = [];
  const limits = { maxWaitMs: 1000, maxBytesPerPartition: 4_000_000 };
  const { signal } = new AbortController();
  for (let from: number = first; from < next;) {
    const position = { topic, partition, from: offset(from) } as const;
    const [fetched] = await fetcher.fetch([position], limits, signal);
    for (const record of fetched?.records ?? []) {
      if (record.offset < from) continue;
      records.push(record);
      from = record.offset + 1;
    }
  }
  await fetcher.close();
  return records;
}
