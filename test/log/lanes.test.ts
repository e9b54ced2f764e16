// The source side of an owner: what waits is bounded, whatever the size of a record.

import { afterEach, expect, test } from 'vitest';
import { Lanes } from '../../log/lanes.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { formatHeader } from '../../log/record-header.js';
import { offset } from '../../schemas/ids.js';

const none = { realtime: offset(-1), bulk: offset(-1) };
const stop = new AbortController();
afterEach(() => stop.abort());

test('reading pauses at a number of bytes too, and goes on once inputs were taken', async () => {
  const store = new MemoryStore({ maxBatchBytes: 4 << 20 });
  const large = Buffer.alloc(1 << 20);
  for (let i = 0; i < 12; i += 1) {
    store.land('deliveries', 0, [
      { key: 'a', header: formatHeader({ kind: 'fact' }), value: large },
    ]);
  }
  const lanes = new Lanes({
    log: createMemoryLog(store),
    partition: 0,
    covered: none,
    queueLimit: 1_000,
    queueBytes: 3 << 20,
    signal: stop.signal,
  });
  let reads = 0;
  const fetcher = await createMemoryLog(store).openFetcher();
  const counting = {
    ...fetcher,
    fetch: (...asked: Parameters<typeof fetcher.fetch>) => ((reads += 1), fetcher.fetch(...asked)),
  };
  lanes.read('realtime', counting).catch(() => undefined);
  await expect.poll(() => reads).toBe(3);
  const seen: number[] = [];
  while (seen.length < 12) {
    const taken = await lanes.take(256);
    expect(taken.length).toBeLessThanOrEqual(4);
    seen.push(...taken.map((input) => input.offset));
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});
