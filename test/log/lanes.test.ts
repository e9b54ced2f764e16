// The source side of an owner: what waits is bounded, whatever the size of a record.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { Lanes } from '../../log/lanes.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { formatHeader } from '../../log/record-header.js';
import { offset } from '../../schemas/ids.js';

const none = { realtime: offset(-1), bulk: offset(-1) };
let stop = new AbortController();
beforeEach(() => (stop = new AbortController()));
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

/** Both lanes with so many small records waiting. */
async function lanesWith(waiting: { readonly realtime: number; readonly bulk: number }) {
  const store = new MemoryStore({});
  const topics = { realtime: 'deliveries', bulk: 'deliveries.bulk' } as const;
  const log = createMemoryLog(store);
  const heard = { realtime: -1, bulk: -1 };
  const lanes = new Lanes({
    ...{ log, partition: 0, covered: none, queueLimit: 10_000, signal: stop.signal },
    onLag: (lane, records) => (heard[lane] = records),
  });
  const put = (lane: 'realtime' | 'bulk', count: number): void => {
    const record = { key: 'a', header: formatHeader({ kind: 'fact' }), value: Buffer.alloc(8) };
    if (count > 0) store.land(topics[lane], 0, Array<typeof record>(count).fill(record));
  };
  for (const lane of ['realtime', 'bulk'] as const) {
    put(lane, waiting[lane]);
    lanes.read(lane, await log.openFetcher()).catch(() => undefined);
  }
  await expect.poll(() => heard).toEqual(expect.objectContaining({ bulk: waiting.bulk }));
  if (waiting.realtime > 0) await expect.poll(() => heard.realtime).toBe(waiting.realtime);
  return { lanes, put, heard };
}

const countOf = (taken: readonly { readonly lane: string }[]) => ({
  realtime: taken.filter(({ lane }) => lane === 'realtime').length,
  bulk: taken.filter(({ lane }) => lane === 'bulk').length,
});

test('an input in real time never waits for more than a small batch of the bulk lane', async () => {
  const { lanes } = await lanesWith({ realtime: 0, bulk: 1_000 });
  expect(countOf(await lanes.take(256))).toEqual({ realtime: 0, bulk: 16 });
});

test('beside inputs in real time the bulk lane has an eighth, however much of it waits', async () => {
  const { lanes } = await lanesWith({ realtime: 700, bulk: 1_000 });
  const sum = { realtime: 0, bulk: 0 };
  while (sum.realtime < 700) {
    const taken = countOf(await lanes.take(256));
    sum.realtime += taken.realtime;
    sum.bulk += taken.bulk;
  }
  expect(sum).toEqual({ realtime: 700, bulk: 100 });
});

test('real time that comes one by one does not carry the bulk lane with it, nor starve it', async () => {
  const { lanes, put, heard } = await lanesWith({ realtime: 1, bulk: 1_000 });
  const seen: { realtime: number; bulk: number }[] = [];
  for (let n = 0; n < 16; n += 1) {
    seen.push(countOf(await lanes.take(256)));
    put('realtime', 1);
    await expect.poll(() => heard.realtime).toBe(1);
  }
  expect(seen.every(({ realtime, bulk }) => realtime === 1 && bulk <= 1)).toBe(true);
  expect(seen.reduce((sum, { bulk }) => sum + bulk, 0)).toBe(2);
});
