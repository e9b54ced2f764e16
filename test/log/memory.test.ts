// The memory driver: the conformance suite with a second process, and each fault it can show.

import { describe, expect, it } from 'vitest';
import type { EventLog, LogRecord } from '../../log/event-log.js';
import { createMemoryLog, MemoryStore, type AppendFate } from '../../log/memory.js';
import { offset } from '../../schemas/ids.js';
import { testEventLog } from '../contracts/event-log.js';

const stores = new WeakMap<EventLog, MemoryStore>();
function connect(store: MemoryStore): Promise<EventLog> {
  const log = createMemoryLog(store);
  stores.set(log, store);
  return Promise.resolve(log);
}

testEventLog({
  name: 'memory, two processes',
  openFresh: () => connect(new MemoryStore({ partitions: 4 })),
  openAgain: (log) => connect(stores.get(log) ?? new MemoryStore({ partitions: 4 })),
  isDurable: false,
  handoverMs: 1000,
});

const record = (text: string): LogRecord => ({ key: 'a', header: text, value: null });

/** A log where the appends meet these fates, in turn, and what is late lands on demand. */
function faulty(...fates: AppendFate[]): {
  readonly store: MemoryStore;
  readonly log: EventLog;
  readonly landLate: () => void;
  readonly stands: () => string;
} {
  const store = new MemoryStore();
  const late: (() => void)[] = [];
  const log = createMemoryLog(store, {
    step: () => Promise.resolve(),
    fate: () => fates.shift() ?? 'ok',
    later: (land) => late.push(land),
    timer: () => () => undefined,
  });
  const landLate = (): void => {
    for (const land of late.splice(0)) land();
  };
  const stands = (): string =>
    store
      .records('events', 0)
      .map((one) => `${one.offset}${one.header}`)
      .join(' ');
  return { store, log, landLate, stands };
}

describe('the memory driver’s faults', () => {
  it.each<[AppendFate, number, string, string]>([
    ['ok', 0, '0x', '0x'],
    ['twice', 1, '0x 1x', '0x 1x'],
    ['copied_later', 0, '0x', '0x 1x'],
  ])('%s: acknowledged at %i, stands as %s, later as %s', async (fate, base, now, later) => {
    const { log, landLate, stands } = faulty(fate);
    const appender = await log.openAppender();
    expect(await appender.append('events', 0, [record('x')])).toEqual({ baseOffset: base });
    expect(stands()).toBe(now);
    landLate();
    expect(stands()).toBe(later);
  });

  it.each<[AppendFate, string, string]>([
    ['lost', '', ''],
    ['unacked', '0x', '0x'],
    ['late', '', '0x'],
  ])('%s: unknown to the caller, stands as "%s", later as "%s"', async (fate, now, later) => {
    const { log, landLate, stands } = faulty(fate);
    const appender = await log.openAppender();
    const appending = appender.append('events', 0, [record('x')]);
    await expect(appending).rejects.toMatchObject({ code: 'append_unknown' });
    expect(stands()).toBe(now);
    landLate();
    expect(stands()).toBe(later);
  });

  it('the appends of one appender land in the order of the calls, whatever becomes of each', async () => {
    const { log, stands } = faulty('ok', 'lost', 'ok');
    const appender = await log.openAppender();
    const calls = ['x', 'y', 'z'].map((text) => appender.append('events', 0, [record(text)]));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(stands()).toBe('0x 1z');
  });

  it('retention forgets from the front, and a position before it is an error', async () => {
    const { store, log } = faulty();
    store.land('events', 0, [record('x'), record('y'), record('z')]);
    store.trim('events', 0, offset(1));
    expect(await log.bounds('events', 0)).toEqual({ first: 1, next: 3 });
    const fetcher = await log.openFetcher();
    const fetch = (from: number): Promise<unknown> =>
      fetcher.fetch(
        [{ topic: 'events', partition: 0, from: offset(from) }],
        { maxWaitMs: 1, maxBytesPerPartition: 1 << 20 },
        new AbortController().signal,
      );
    await expect(fetch(0)).rejects.toMatchObject({ code: 'log_position' });
    await expect(fetch(1)).resolves.toMatchObject([{ end: 3, records: [{}, {}] }]);
  });
});

describe('the memory driver’s group', () => {
  it('gives a partition to whom the test says, and takes it from the one before', async () => {
    const store = new MemoryStore({ partitions: 2 });
    const told: string[] = [];
    const stop = new AbortController();
    const join = (name: string): Promise<void> =>
      createMemoryLog(store).joinProcessors(
        {
          assigned: (partition) => told.push(`${name}+${partition}`),
          revoked: (partition) => told.push(`${name}-${partition}`),
        },
        stop.signal,
      );
    const members = [join('a'), join('b')];
    expect(told).toEqual(['a+0', 'a+1', 'a-1', 'b+1']);
    told.length = 0;
    store.group.assign(0, 1);
    store.group.assign(1, null);
    expect(told).toEqual(['a-0', 'b+0', 'b-1']);
    stop.abort();
    await Promise.all(members);
  });
});
