// Ingest: which deliveries go next when more wait than one batch takes. Comes in: the queue of a partition.
// Goes out: a batch in which no tenant has more than its fair part, and the rest. Order holds per tenant.

import { fairQuota } from './admission-rate.js';
import { recordBytes, type FactRecord } from '../log/fact-record.js';

interface Queued {
  readonly record: FactRecord;
}

export interface BatchLimits {
  readonly records: number;
  readonly bytes: number;
}

export interface FairBatch<T> {
  /** At least one. */
  readonly batch: readonly T[];
  readonly rest: T[];
}

/**
 * Splits the queue. A tenant's deliveries stay in their order: whoever's part is used up, or whose next one
 * does not fit, waits with all that are behind it. Linear in what waits; called only when that is too much.
 */
export function takeFairly<T extends Queued>(
  queue: readonly T[],
  limits: BatchLimits,
): FairBatch<T> {
  const quota = quotaOf(queue, limits.records);
  const taken = new Map<string, number>();
  const batch: T[] = [];
  const rest: T[] = [];
  let bytes = 0;
  for (const waiting of queue) {
    const { key } = waiting.record;
    const own = taken.get(key) ?? 0;
    const size = bytes + recordBytes(waiting.record);
    const fits = batch.length === 0 || (batch.length < limits.records && size <= limits.bytes);
    if (fits && own < quota) {
      batch.push(waiting);
      bytes = size;
      taken.set(key, own + 1);
    } else {
      rest.push(waiting);
      taken.set(key, Infinity);
    }
  }
  return { batch, rest };
}

/** Never below one: with more tenants than places those who came first go. */
function quotaOf(queue: readonly Queued[], records: number): number {
  const counts = new Map<string, number>();
  for (const { record } of queue) counts.set(record.key, (counts.get(record.key) ?? 0) + 1);
  if (counts.size === 1) return records;
  return Math.max(1, Math.floor(fairQuota([...counts.values()], records)));
}
