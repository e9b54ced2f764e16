// Following partitions: batches with marks, one partition's loss is not another's, failed reads are
// tried again.

import { describe, expect, it } from 'vitest';
import { follow, type FollowOptions, type ValidBatch } from '../../log/consume.js';
import type { EventLog } from '../../log/event-log.js';
import { startMark, type Mark } from '../../log/mark.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { formatHeader, noTenant, type OwnedHeader } from '../../log/record-header.js';
import { TrunklineError } from '../../runtime/errors.js';
import { epoch, eventId, offset, ownerId, seq } from '../../schemas/ids.js';

const owner = ownerId('o1');
const names = { owner, epoch: epoch('E') };
const covered = { realtime: offset(-1), bulk: offset(-1) };

function land(store: MemoryStore, partition: number, header: OwnedHeader): void {
  const isEvent = header.kind === 'event';
  const value = isEvent ? Buffer.from(header.eventId) : null;
  const record = { key: isEvent ? 'a' : noTenant, header: formatHeader(header), value };
  store.land('events', partition, [record]);
}

const marker = (term = 1): OwnedHeader => ({ kind: 'marker', term, ...names });
const event = (number: number, by = owner): OwnedHeader => ({
  kind: 'event',
  ...names,
  owner: by,
  seq: seq(number),
  eventId: eventId(`e${number}`),
  covered,
});

/** A store with a marker and events 1 to `count` on each partition. */
function filled(partitions: number, count: number): MemoryStore {
  const store = new MemoryStore({ partitions });
  for (let partition = 0; partition < partitions; partition += 1) {
    land(store, partition, marker());
    for (let i = 1; i <= count; i += 1) land(store, partition, event(i));
  }
  return store;
}

interface Run {
  readonly batches: ValidBatch[];
  readonly losses: string[];
  readonly retries: string[];
}

/** Follows until `isEnough` says so. */
async function run(
  log: EventLog,
  starts: ReadonlyMap<number, Mark>,
  isEnough: (batches: readonly ValidBatch[]) => boolean,
  more: Partial<FollowOptions> = {},
): Promise<Run> {
  const losses: string[] = [];
  const retries: string[] = [];
  const batches: ValidBatch[] = [];
  const stop = new AbortController();
  const options: FollowOptions = {
    log,
    starts,
    signal: stop.signal,
    maxEvents: 100,
    maxWaitMs: 20,
    onLoss: (partition, error) => losses.push(`${partition}: ${error.message}`),
    onRetry: (error) => retries.push(error.message),
    sleep: () => Promise.resolve(),
    ...more,
  };
  for await (const batch of follow(options)) {
    batches.push(batch);
    if (isEnough(batches)) stop.abort();
  }
  return { batches, losses, retries };
}

const eventsOf = (batches: readonly ValidBatch[], partition: number): string[] =>
  batches.filter((b) => b.partition === partition).flatMap((b) => b.events.map((e) => e.eventId));
const count = (batches: readonly ValidBatch[]): number =>
  batches.reduce((sum, batch) => sum + batch.events.length, 0);

describe('following partitions of events', () => {
  it('yields every event once, in batches that join without a seam', async () => {
    const store = filled(2, 5);
    const starts = new Map([0, 1].map((p) => [p, startMark]));
    const log = createMemoryLog(store);
    const { batches, losses } = await run(log, starts, (b) => count(b) === 10, { maxEvents: 2 });
    expect(losses).toEqual([]);
    for (const partition of [0, 1]) {
      expect(eventsOf(batches, partition)).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
      const own = batches.filter((batch) => batch.partition === partition);
      expect(own.every((batch) => batch.events.length <= 2)).toBe(true);
      own.slice(1).forEach((batch, i) => expect(batch.before).toEqual(own[i]?.mark));
      expect(own[0]?.before).toEqual(startMark);
    }
  });

  it('goes on from a mark, and the mark moves without events too', async () => {
    const store = filled(1, 3);
    const log = createMemoryLog(store);
    const first = await run(log, new Map([[0, startMark]]), (b) => count(b) === 3);
    const mark = first.batches.at(-1)?.mark ?? startMark;
    land(store, 0, marker(2));
    const second = await run(log, new Map([[0, mark]]), () => true);
    expect(second.batches).toMatchObject([
      { events: [], mark: { next: 5, term: 2 }, before: mark },
    ]);
  });

  it('stops a partition after what stood before the loss; the others go on', async () => {
    const store = filled(2, 2);
    land(store, 0, event(4));
    land(store, 1, event(3));
    const starts = new Map([0, 1].map((p) => [p, startMark]));
    const { batches, losses } = await run(createMemoryLog(store), starts, (b) => count(b) === 5);
    expect(eventsOf(batches, 0)).toEqual(['e1', 'e2']);
    expect(eventsOf(batches, 1)).toEqual(['e1', 'e2', 'e3']);
    expect(losses).toEqual([expect.stringMatching(/^0: .*sequence 4 of a came after 2/)]);
  });

  it('ends by itself when every partition is lost', async () => {
    const store = filled(1, 2);
    land(store, 0, event(4));
    const log = createMemoryLog(store);
    const { losses } = await run(log, new Map([[0, startMark]]), () => false);
    expect(losses).toHaveLength(1);
  });

  it('takes a partition that is not there for a loss, and asks no more', async () => {
    const log = createMemoryLog(filled(1, 3));
    let asked = 0;
    const bounds: EventLog['bounds'] = (topic, partition) => {
      asked += 1;
      if (partition === 0) return log.bounds(topic, partition);
      return Promise.reject(new TrunklineError('log_position', 'no such partition'));
    };
    const starts = new Map([0, 7].map((partition) => [partition, startMark]));
    const { losses } = await run({ ...log, bounds }, starts, (b) => count(b) === 3);
    expect(losses).toEqual([expect.stringMatching(/^7: .*is not there/)]);
    expect(asked).toBe(2);
  });

  it('reads again where one answer says outside and the bounds say inside', async () => {
    const log = createMemoryLog(filled(1, 3));
    let failures = 1;
    const openFetcher: EventLog['openFetcher'] = async () => {
      const fetcher = await log.openFetcher();
      const fetch: typeof fetcher.fetch = (...asked) => {
        failures -= 1;
        if (failures < 0) return fetcher.fetch(...asked);
        return Promise.reject(new TrunklineError('log_position', 'a broker that is behind'));
      };
      return { ...fetcher, fetch };
    };
    const starts = new Map([[0, startMark]]);
    const { losses, retries } = await run({ ...log, openFetcher }, starts, (b) => count(b) === 3);
    expect(losses).toEqual([]);
    expect(retries).toHaveLength(1);
  });

  it('takes a log that is shorter than the mark for a loss', async () => {
    const store = filled(2, 2);
    const ahead = { ...startMark, next: offset(9) };
    const starts = new Map([
      [0, ahead],
      [1, startMark],
    ]);
    const { batches, losses } = await run(createMemoryLog(store), starts, (b) => count(b) === 2);
    expect(eventsOf(batches, 1)).toEqual(['e1', 'e2']);
    expect(losses).toEqual([expect.stringMatching(/^0: .*holds 0 to 3, the mark is 9/)]);
  });

  it('takes a log whose records before the mark are gone for a loss', async () => {
    const store = filled(1, 4);
    store.trim('events', 0, offset(2));
    const { losses } = await run(createMemoryLog(store), new Map([[0, startMark]]), () => false);
    expect(losses).toEqual([expect.stringMatching(/^0: .*holds 2 to 5, the mark is 0/)]);
  });

  it('tries again after a retryable error, and tells of it', async () => {
    const log = createMemoryLog(filled(1, 2));
    let failures = 2;
    const shaky: EventLog = {
      ...log,
      openFetcher: async () => {
        failures -= 1;
        if (failures >= 0) throw new TrunklineError('service_unreachable', 'away');
        return log.openFetcher();
      },
    };
    const { batches, retries } = await run(shaky, new Map([[0, startMark]]), (b) => count(b) === 2);
    expect(retries).toEqual(['away', 'away']);
    expect(eventsOf(batches, 0)).toEqual(['e1', 'e2']);
  });

  it('throws what no second try can mend', async () => {
    const log = createMemoryLog(filled(1, 2));
    const broken = { ...log, openFetcher: () => Promise.reject(new Error('a defect')) };
    await expect(run(broken, new Map([[0, startMark]]), () => false)).rejects.toThrow('a defect');
  });

  it('ends quietly on abort while it waits, and when the caller stops early', async () => {
    const stop = new AbortController();
    const log = createMemoryLog(filled(1, 1));
    const options = {
      log,
      starts: new Map([[0, startMark]]),
      maxEvents: 10,
      maxWaitMs: 60_000,
      onLoss: () => undefined,
    };
    let seen = 0;
    for await (const batch of follow({ ...options, signal: stop.signal })) {
      seen += batch.events.length;
      stop.abort();
    }
    for await (const batch of follow({ ...options, signal: new AbortController().signal })) {
      seen += batch.events.length;
      break;
    }
    expect(seen).toBe(2);
  });
});
