// Station processors: one record of a source topic, for a parked fact too large to be carried in its event.
// Comes in: where it stands. Goes out: the record, or that retention has removed it.

import type { EventLog } from '../../log/event-log.js';
import { laneNames, laneTopics, type SourceRecord } from '../../log/lanes.js';
import { offset } from '../../schemas/ids.js';

/** Reads with a connection of its own: the lanes' fetchers stand elsewhere, and this is rare. */
export async function readSource(
  log: EventLog,
  at: { readonly topic: string; readonly partition: number; readonly offset: number },
  signal: AbortSignal,
): Promise<SourceRecord | null> {
  const lane = laneNames.find((name) => laneTopics[name] === at.topic);
  if (lane === undefined) return null;
  const topic = laneTopics[lane];
  const { first, next } = await log.bounds(topic, at.partition);
  if (at.offset < first || at.offset >= next) return null;
  const fetcher = await log.openFetcher();
  try {
    const position = { topic, partition: at.partition, from: offset(at.offset) };
    const limits = { maxWaitMs: 1_000, maxBytesPerPartition: 1 };
    const [fetched] = await fetcher.fetch([position], limits, signal);
    const record = fetched?.records.find((one) => one.offset === at.offset);
    return record === undefined ? null : { ...record, lane };
  } finally {
    await fetcher.close();
  }
}
