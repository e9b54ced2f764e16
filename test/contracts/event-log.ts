// The conformance suite of the log's port: what every driver must do, whatever it is made of.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type {
  EventLog,
  FetchedRecords,
  FetchPosition,
  LogRecord,
  StoredRecord,
  Topic,
} from '../../log/event-log.js';
import { topics } from '../../log/topics.js';
import { offset } from '../../schemas/ids.js';

/** How the suite gets at a driver. */
export interface LogUnderTest {
  readonly name: string;
  /** A log with nothing in it and at least 3 partitions. */
  readonly openFresh: () => Promise<EventLog>;
  /** Another process on the same log. */
  readonly openAgain: (log: EventLog) => Promise<EventLog>;
  /** A closed log, opened again, still holds its records. */
  readonly isDurable: boolean;
  /** How soon the partitions of a member that left must move on, in ms. */
  readonly handoverMs: number;
}

const never = new AbortController().signal;
const limits = { maxWaitMs: 5000, maxBytesPerPartition: 1 << 20 };
const impatient = { ...limits, maxWaitMs: 50 };

const record = (text: string, key = 'acme'): LogRecord => ({
  key,
  header: JSON.stringify({ h: text }),
  value: Buffer.from(text),
});

const batch = (...texts: string[]): LogRecord[] => texts.map((text) => record(text));
const at = (topic: Topic, partition: number, from: number): FetchPosition => ({
  topic,
  partition,
  from: offset(from),
});
const textOf = ({ value }: StoredRecord): string | null => value?.toString() ?? null;

/** Reads from `from` until `count` records are there, dropping what a batch boundary put before. */
export async function readRecords(
  log: EventLog,
  position: FetchPosition,
  count: number,
): Promise<StoredRecord[]> {
  const fetcher = await log.openFetcher();
  const records: StoredRecord[] = [];
  let from = position.from;
  try {
    while (records.length < count) {
      const [found] = await fetcher.fetch([{ ...position, from }], limits, never);
      if (found === undefined || found.records.length === 0) break;
      for (const one of found.records) {
        if (one.offset < from) continue;
        records.push(one);
        from = offset(one.offset + 1);
      }
    }
  } finally {
    await fetcher.close();
  }
  return records;
}

async function appendAll(
  log: EventLog,
  topic: Topic,
  partition: number,
  batches: readonly (readonly LogRecord[])[],
): Promise<number[]> {
  const appender = await log.openAppender();
  const bases: number[] = [];
  for (const records of batches) {
    bases.push((await appender.append(topic, partition, records)).baseOffset);
  }
  await appender.close();
  return bases;
}

/** Waits for a condition; says what was waited for. */
async function until(what: string, isSo: () => boolean, ms: number): Promise<void> {
  const deadline = Date.now() + ms;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Runs the suite against one driver. */
export function testEventLog(underTest: LogUnderTest): void {
  describe(`the log on ${underTest.name}`, () => {
    let log: EventLog;
    beforeAll(async () => {
      log = await underTest.openFresh();
    });
    afterAll(() => log.close());
    const current = (): EventLog => log;
    appending(current);
    reading(current);
    waiting(current, underTest);
    ending(current);
    sharing(current, underTest);
    if (underTest.isDurable) keeping(underTest);
  });
}

function appending(log: () => EventLog): void {
  describe('appending', () => {
    test('offsets are dense from 0 in every topic and partition', async () => {
      for (const topic of topics) {
        expect(await log().bounds(topic, 1)).toEqual({ first: 0, next: 0 });
        const bases = await appendAll(log(), topic, 1, [batch('a'), batch('b', 'c'), batch('d')]);
        expect(bases).toEqual([0, 1, 3]);
        expect(await log().bounds(topic, 1)).toEqual({ first: 0, next: 4 });
        const records = await readRecords(log(), at(topic, 1, 0), 4);
        expect(records.map((one) => one.offset)).toEqual([0, 1, 2, 3]);
        expect(records.map(textOf)).toEqual(['a', 'b', 'c', 'd']);
      }
    });

    test('key, header and value come back as they were, an empty and an absent value too', async () => {
      const strange = 'ünï "quoted" \\back\\ {braces},\n\tNULL 🚀';
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const records: LogRecord[] = [
        { key: 'tenant-1', header: '{"m":1}', value: null },
        { key: 'tenant-1', header: '', value: Buffer.alloc(0) },
        { key: 'tenant-2', header: strange, value: every },
      ];
      const [base = 0] = await appendAll(log(), 'dead-letters', 0, [records]);
      const stored = await readRecords(log(), at('dead-letters', 0, base), 3);
      expect(stored.map(({ key, header, value }) => ({ key, header, value }))).toEqual(records);
    });

    test('values of a megabyte and batches near the limit stand whole', async () => {
      const big = Buffer.alloc(1_400_000, 7);
      const half = Buffer.alloc(Math.floor(log().maxBatchBytes / 2) - 1000, 8);
      const records = [record('small'), { ...record('x'), value: big }];
      if (log().maxBatchBytes < 3_000_000) records.pop();
      const halves = [half, half].map((value) => ({ ...record('x'), value }));
      const [base = 0] = await appendAll(log(), 'deliveries', 2, [records, halves]);
      const count = records.length + 2;
      const stored = await readRecords(log(), at('deliveries', 2, base), count);
      const sizes = [...records, ...halves].map(({ value }) => value?.length);
      expect(stored.map(({ value }) => value?.length)).toEqual(sizes);
    });

    test('a batch over the limit is refused and leaves nothing', async () => {
      const before = await log().bounds('deliveries', 0);
      const appender = await log().openAppender();
      const value = Buffer.alloc(log().maxBatchBytes + 1);
      await expect(
        appender.append('deliveries', 0, [record('first'), { ...record('x'), value }]),
      ).rejects.toThrow();
      await appender.close();
      expect(await log().bounds('deliveries', 0)).toEqual(before);
    });

    test('the time of a record is the log’s own and never goes back in a partition', async () => {
      const started = Date.now();
      const [base = 0] = await appendAll(log(), 'deliveries', 0, [
        batch('a'),
        batch('b'),
        batch('c'),
      ]);
      const times = (await readRecords(log(), at('deliveries', 0, base), 3)).map(
        (r) => r.appendedAt,
      );
      expect([...times].sort((a, b) => a - b)).toEqual(times);
      expect(Math.abs((times[0] ?? 0) - started)).toBeLessThan(60_000);
    });

    test('appends of one appender stand in the order of the calls', async () => {
      const appender = await log().openAppender();
      const texts = Array.from({ length: 40 }, (_, i) => `o${i}`);
      const acks = await Promise.all(texts.map((t) => appender.append('events', 0, batch(t, t))));
      await appender.close();
      const base = acks[0]?.baseOffset ?? 0;
      expect(acks.map((ack) => ack.baseOffset)).toEqual(texts.map((_, i) => base + 2 * i));
      const stored = await readRecords(log(), at('events', 0, base), 80);
      expect(stored.map(textOf)).toEqual(texts.flatMap((t) => [t, t]));
    });

    test('batches of many appenders at once are never mixed and leave no hole', async () => {
      const { next } = await log().bounds('events', 2);
      const writers = Array.from({ length: 6 }, async (_, w) => {
        const appender = await log().openAppender();
        for (let i = 0; i < 10; i += 1) {
          const texts = [0, 1, 2].map((n) => `${w}.${i}.${n}`);
          const { baseOffset } = await appender.append('events', 2, batch(...texts));
          expect(baseOffset).toBeGreaterThanOrEqual(next);
        }
        await appender.close();
      });
      await Promise.all(writers);
      const stored = await readRecords(log(), at('events', 2, next), 180);
      expect(stored.map((one) => one.offset)).toEqual(stored.map((_, i) => next + i));
      const texts = stored.map((one) => textOf(one) ?? '');
      for (let i = 0; i < texts.length; i += 3) {
        const stem = texts[i]?.replace(/\.0$/, '');
        expect(texts.slice(i, i + 3)).toEqual([`${stem}.0`, `${stem}.1`, `${stem}.2`]);
      }
      for (let w = 0; w < 6; w += 1) {
        const own = texts.filter((t) => t.startsWith(`${w}.`));
        expect(own).toEqual(
          Array.from({ length: 30 }, (_, i) => `${w}.${Math.floor(i / 3)}.${i % 3}`),
        );
      }
    });
  });
}

function reading(log: () => EventLog): void {
  describe('reading', () => {
    test('one fetch reads several topics and partitions', async () => {
      const [a = 0] = await appendAll(log(), 'deliveries', 0, [batch('lane1')]);
      const [b = 0] = await appendAll(log(), 'deliveries.bulk', 2, [batch('lane2')]);
      const positions = [at('deliveries', 0, a), at('deliveries.bulk', 2, b)];
      const seen = new Map<string, string | null>();
      const fetcher = await log().openFetcher();
      while (seen.size < 2) {
        const open = positions.filter((p) => !seen.has(p.topic));
        for (const { topic, records } of await fetcher.fetch(open, limits, never)) {
          for (const one of records) seen.set(topic, textOf(one));
        }
      }
      await fetcher.close();
      expect(Object.fromEntries(seen)).toEqual({ deliveries: 'lane1', 'deliveries.bulk': 'lane2' });
    });

    test('records come from the position on; the end is the offset of the next one', async () => {
      const [base = 0] = await appendAll(log(), 'deliveries.bulk', 0, [batch('a', 'b', 'c', 'd')]);
      const fetcher = await log().openFetcher();
      const from = base + 2;
      const [found] = await fetcher.fetch([at('deliveries.bulk', 0, from)], limits, never);
      await fetcher.close();
      const records = found?.records.filter((one) => one.offset >= from) ?? [];
      expect(records.map(textOf)).toEqual(['c', 'd']);
      expect(found?.end).toBe(base + 4);
    });

    test('the byte limit bounds one answer, and the next one goes on from there', async () => {
      const value = Buffer.alloc(10_000, 1);
      const batches = Array.from({ length: 20 }, () => [{ ...record('x'), value }]);
      const [base = 0] = await appendAll(log(), 'deliveries.bulk', 0, batches);
      const fetcher = await log().openFetcher();
      const small = { ...limits, maxBytesPerPartition: 30_000 };
      let from = base;
      let answers = 0;
      while (from < base + 20) {
        const [found] = await fetcher.fetch([at('deliveries.bulk', 0, from)], small, never);
        answers += 1;
        expect(found?.records.length).toBeGreaterThan(0);
        expect(found?.records.length).toBeLessThan(10);
        for (const one of found?.records ?? []) {
          if (one.offset < from) continue;
          expect(one.offset).toBe(from);
          from += 1;
        }
      }
      await fetcher.close();
      expect(answers).toBeGreaterThan(2);
    });

    test('a position outside the log is an error, never a jump', async () => {
      const { next } = await log().bounds('events', 0);
      const fetcher = await log().openFetcher();
      const error = { code: 'log_position' };
      await expect(
        fetcher.fetch([at('events', 0, next + 1)], impatient, never),
      ).rejects.toMatchObject(error);
      await expect(fetcher.fetch([at('events', 0, -5)], impatient, never)).rejects.toMatchObject(
        error,
      );
      await fetcher.close();
    });
  });
}

function waiting(log: () => EventLog, underTest: LogUnderTest): void {
  describe('waiting', () => {
    const fetchAtEnd = async (from: EventLog): Promise<FetchPosition> => {
      const { next } = await from.bounds('events', 0);
      return at('events', 0, next);
    };

    test('a fetch at the end gives up after its time, with no records', async () => {
      const fetcher = await log().openFetcher();
      const position = await fetchAtEnd(log());
      const started = performance.now();
      const found = await fetcher.fetch([position], { ...limits, maxWaitMs: 120 }, never);
      const took = performance.now() - started;
      await fetcher.close();
      expect(found.flatMap((one) => one.records.filter((r) => r.offset >= position.from))).toEqual(
        [],
      );
      expect(took).toBeGreaterThan(90);
      expect(took).toBeLessThan(2000);
    });

    const wakeTimes = async (reader: EventLog, rounds: number): Promise<number[]> => {
      const fetcher = await reader.openFetcher();
      const appender = await log().openAppender();
      const times: number[] = [];
      let { next } = await log().bounds('events', 0);
      for (let i = 0; i < rounds; i += 1) {
        const waiting = fetcher.fetch([at('events', 0, next)], limits, never);
        let got: readonly FetchedRecords[] | null = null;
        void waiting.then((found) => (got = found));
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(got).toBeNull();
        await appender.append('events', 0, batch(`wake${i}`));
        const acked = performance.now();
        const [found] = await waiting;
        times.push(performance.now() - acked);
        expect(found?.records.map(textOf)).toContain(`wake${i}`);
        next = offset(next + 1);
      }
      await fetcher.close();
      await appender.close();
      return times.sort((a, b) => a - b);
    };

    test('a waiting fetch wakes within milliseconds of an append', async () => {
      const times = await wakeTimes(log(), 15);
      expect(times[7]).toBeLessThan(50);
    });

    test('a waiting fetch of another process wakes too', async () => {
      const other = await underTest.openAgain(log());
      const times = await wakeTimes(other, 15);
      await other.close();
      expect(times[7]).toBeLessThan(150);
    });

    test('a long poll of one fetcher does not delay another', async () => {
      const [slow, fast] = [await log().openFetcher(), await log().openFetcher()];
      const stop = new AbortController();
      const position = await fetchAtEnd(log());
      const polling = slow.fetch([position], limits, stop.signal).catch(() => null);
      const started = performance.now();
      await fast.fetch([at('events', 0, 0)], limits, never);
      expect(performance.now() - started).toBeLessThan(1000);
      stop.abort();
      await polling;
      await Promise.all([slow.close(), fast.close()]);
    });
  });
}

function ending(log: () => EventLog): void {
  describe('ending', () => {
    test('an aborted fetch rejects at once with the reason of the signal', async () => {
      const fetcher = await log().openFetcher();
      const { next } = await log().bounds('events', 0);
      const stop = new AbortController();
      const polling = fetcher.fetch([at('events', 0, next)], limits, stop.signal);
      const reason = new Error('enough');
      setTimeout(() => stop.abort(reason), 30);
      const started = performance.now();
      await expect(polling).rejects.toBe(reason);
      expect(performance.now() - started).toBeLessThan(1500);
      await expect(fetcher.fetch([at('events', 0, next)], limits, stop.signal)).rejects.toBe(
        reason,
      );
      await fetcher.close();
    });

    test('a fetcher reads on after an abort', async () => {
      const fetcher = await log().openFetcher();
      const { next } = await log().bounds('events', 0);
      const stop = new AbortController();
      const polling = fetcher.fetch([at('events', 0, next)], limits, stop.signal);
      stop.abort();
      await expect(polling).rejects.toThrow();
      await appendAll(log(), 'events', 0, [batch('after')]);
      const [found] = await fetcher.fetch([at('events', 0, next)], limits, never);
      await fetcher.close();
      expect(found?.records.map(textOf)).toContain('after');
    });

    test('an append after close is unknown and leaves nothing', async () => {
      const before = await log().bounds('events', 0);
      const appender = await log().openAppender();
      await appender.append('events', 0, batch('last'));
      await appender.close();
      await expect(appender.append('events', 0, batch('too late'))).rejects.toMatchObject({
        code: 'append_unknown',
      });
      expect((await log().bounds('events', 0)).next).toBe(before.next + 1);
    });

    test('an append to a partition that is not there is not acknowledged', async () => {
      const appender = await log().openAppender();
      await expect(appender.append('events', 999, batch('nowhere'))).rejects.toThrow();
      await appender.close();
    });
  });
}

function sharing(log: () => EventLog, { openAgain, handoverMs }: LogUnderTest): void {
  const member = (on: EventLog) => {
    const held = new Set<number>();
    const stop = new AbortController();
    const listener = {
      assigned: (partition: number) => void held.add(partition),
      revoked: (partition: number) => void held.delete(partition),
    };
    const joined = on.joinProcessors(listener, stop.signal);
    return { held, leave: () => (stop.abort(), joined) };
  };

  describe('sharing', () => {
    test('one member gets every partition; two split them; who stays gets all back', async () => {
      const all = Array.from({ length: log().partitions }, (_, p) => p);
      const first = member(log());
      await until('the only member has all', () => first.held.size === all.length, 20_000);

      const again = await openAgain(log());
      const second = member(again);
      const isSplit = (): boolean =>
        second.held.size > 0 &&
        first.held.size > 0 &&
        [...first.held, ...second.held].sort((a, b) => a - b).join() === all.join();
      await until('two members split them', isSplit, 30_000);

      await second.leave();
      await again.close();
      await until('who stays has all', () => first.held.size === all.length, handoverMs);
      await first.leave();
    });
  });
}

function keeping(underTest: LogUnderTest): void {
  const { openFresh, openAgain } = underTest;
  test('what was acknowledged is there after a restart, and offsets go on', async () => {
    const first = await openFresh();
    await appendAll(first, 'events', 1, [batch('one', 'two')]);
    const second = await openAgain(first);
    await first.close();
    const stored = await readRecords(second, at('events', 1, 0), 2);
    expect(stored.map(textOf)).toEqual(['one', 'two']);
    expect(await appendAll(second, 'events', 1, [batch('three')])).toEqual([2]);
    await second.close();
  });
}
