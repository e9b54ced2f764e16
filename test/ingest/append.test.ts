import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry as PromRegistry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { Appends, type AppendOptions } from '../../ingest/append.js';
import { DrainRate } from '../../ingest/drain-rate.js';
import { IngestMetrics } from '../../ingest/metrics.js';
import { Spool } from '../../ingest/spool.js';
import { createMemoryLog, MemoryStore, type MemorySchedule } from '../../log/memory.js';
import { until } from '../services/shared.js';
import { record, recordingLogger, type LogLine } from './fixtures.js';

let directory: string;
let store: MemoryStore;
let lines: LogLine[];
const opened: { appends: Appends; spool: Spool }[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'append-'));
  store = new MemoryStore({ partitions: 4 });
});
afterEach(async () => {
  for (const { appends, spool } of opened.splice(0)) {
    await appends.stop(20);
    await spool.close();
  }
  await rm(directory, { recursive: true });
});

/** A log that can be switched off: appends then hang (`hangs`), fail (`lost`) or land unseen. */
class Weather {
  state: 'fine' | 'lost' | 'unacked' | 'hangs' = 'fine';
  #release: (() => void)[] = [];
  readonly schedule: MemorySchedule = {
    step: () =>
      this.state === 'hangs'
        ? new Promise((resolve) => this.#release.push(resolve))
        : Promise.resolve(),
    fate: () => (this.state === 'fine' || this.state === 'hangs' ? 'ok' : this.state),
    later: (land) => setImmediate(land),
    timer: (ms, fire) => {
      const timer = setTimeout(fire, ms);
      return () => clearTimeout(timer);
    },
  };
  clear(): void {
    this.state = 'fine';
    for (const release of this.#release.splice(0)) release();
  }
}

interface StartOptions {
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
  readonly drainRate?: number;
  readonly isLogAway?: () => boolean;
  readonly onAck?: AppendOptions['onAck'];
}

async function start(weather: Weather, options: StartOptions = {}) {
  const { logger, lines: written } = recordingLogger();
  lines = written;
  const spool = await Spool.open({
    directory: join(directory, 'spool'),
    maxBytes: options.maxBytes ?? 10_000_000,
    segmentBytes: 2000,
    logger,
    onFault: () => {},
  });
  const metrics = new IngestMetrics(new PromRegistry());
  const log = createMemoryLog(store, weather.schedule);
  const { timeoutMs = 60, drainRate = 100_000, isLogAway = () => false } = options;
  const rate = new DrainRate(drainRate);
  const onAck = options.onAck ?? (() => undefined);
  const parts = { log, spool, timeoutMs, metrics, logger, rate, isLogAway, onAck };
  const appends = new Appends(parts);
  opened.push({ appends, spool });
  return { appends, spool };
}

const values = (partition = 0): string[] =>
  store.records('deliveries', partition).map((one) => one.value?.toString() ?? '');
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `v${from + i}`);

test('deliveries of one turn go as one batch, those that come meanwhile as the next', async () => {
  const weather = new Weather();
  const { appends } = await start(weather);
  const first = numbered(0, 10).map((value) => appends.append(0, record(value)));
  await new Promise(setImmediate);
  const second = numbered(10, 20).map((value) => appends.append(0, record(value)));
  expect(new Set(await Promise.all([...first, ...second]))).toEqual(new Set(['appended']));
  expect(values()).toEqual(numbered(0, 20));
});

test('a batch stays under its bounds of records and bytes', async () => {
  const sizes: number[] = [];
  const land = store.land.bind(store);
  store.land = (topic, partition, records) => {
    sizes.push(records.length);
    return land(topic, partition, records);
  };
  const { appends } = await start(new Weather(), { timeoutMs: 5000 });
  await Promise.all(numbered(0, 1200).map((value) => appends.append(0, record(value))));
  expect(sizes).toEqual([500, 500, 200]);
  sizes.length = 0;
  await Promise.all(numbered(0, 6).map(() => appends.append(1, record('x'.repeat(200_000)))));
  expect(sizes).toEqual([2, 2, 2]);
});

test('an append of unknown outcome is repeated by another appender until it is acknowledged', async () => {
  const weather = new Weather();
  const { appends } = await start(weather, { timeoutMs: 5000 });
  weather.state = 'unacked';
  const outcome = appends.append(0, record('one'));
  await until('a first copy', () => values().length > 0);
  weather.clear();
  expect(await outcome).toBe('appended');
  expect(new Set(values())).toEqual(new Set(['one']));
});

test('when the log is away the delivery is on disk before the answer, and later in the log in order', async () => {
  const weather = new Weather();
  const { appends, spool } = await start(weather);
  weather.state = 'lost';
  const during = await Promise.all(numbered(0, 40).map((v) => appends.append(0, record(v))));
  expect(new Set(during)).toEqual(new Set(['spooled']));
  expect(spool.records).toBe(40);
  expect(await appends.append(1, record('other'))).toBe('spooled');
  // Once a partition spools, a newer delivery queues behind, without a wait for the log.
  expect(await appends.append(0, record('v40'))).toBe('spooled');
  weather.clear();
  await until('the spool to be drained', () => appends.isSettled);
  expect(values()).toEqual(numbered(0, 41));
  expect(values(1)).toEqual(['other']);
  expect(await appends.append(0, record('v41'))).toBe('appended');
  expect(values()).toEqual(numbered(0, 42));
  expect(lines.map((line) => line.fields['code'])).toContain('spool_drained');
});

test('a log that hangs is a log that is away', async () => {
  const weather = new Weather();
  const { appends } = await start(weather);
  weather.state = 'hangs';
  expect(await appends.append(0, record('one'))).toBe('spooled');
  expect(await appends.append(0, record('two'))).toBe('spooled');
  weather.clear();
  await until('the spool to be drained', () => appends.isSettled);
  const all = values();
  expect(all.slice(all.indexOf('two') - 1)).toEqual(['one', 'two']);
});

test('traffic goes back to the log while deliveries keep coming, without a loss or a swap', async () => {
  const weather = new Weather();
  const { appends } = await start(weather);
  weather.state = 'lost';
  const outcomes: string[] = [];
  const sent: Promise<unknown>[] = [];
  let sending = true;
  let count = 0;
  const traffic = (async () => {
    while (sending) {
      const one = appends.append(0, record(`v${count}`));
      sent.push(one.then((outcome) => outcomes.push(outcome)));
      count += 1;
      await new Promise(setImmediate);
    }
  })();
  await until('some to be spooled', () => outcomes.length > 100);
  weather.clear();
  await until('some to be appended again', () => outcomes.at(-1) === 'appended');
  sending = false;
  await traffic;
  await Promise.all(sent);
  await until('all to settle', () => appends.isSettled);
  expect(values()).toEqual(numbered(0, count));
});

test('a full spool refuses, and what was refused is nowhere', async () => {
  const weather = new Weather();
  const { appends } = await start(weather, { maxBytes: 300 });
  weather.state = 'lost';
  const outcomes = await Promise.all(numbered(0, 9).map((v) => appends.append(0, record(v))));
  const kept = outcomes.filter((outcome) => outcome === 'spooled').length;
  expect(kept).toBeGreaterThan(0);
  expect(outcomes.slice(kept)).toEqual(Array(9 - kept).fill('full'));
  weather.clear();
  await until('the spool to be drained', () => appends.isSettled);
  expect(values()).toEqual(numbered(0, kept));
});

test('a stop while the log is away leaves everything for the next process', async () => {
  const weather = new Weather();
  const { appends, spool } = await start(weather, { timeoutMs: 60_000 });
  weather.state = 'hangs';
  const waiting = numbered(0, 5).map((v) => appends.append(0, record(v)));
  await new Promise(setImmediate);
  opened.length = 0;
  await appends.stop(20);
  await spool.close();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['spooled']));

  store = new MemoryStore({ partitions: 4 });
  const next = await start(new Weather());
  await until('the spool to be drained', () => next.appends.isSettled);
  expect(values()).toEqual(numbered(0, 5));
});

test('whatever the weather, everything acknowledged ends up in the log', async () => {
  const weather = new Weather();
  const { appends } = await start(weather, { timeoutMs: 30 });
  const states = ['lost', 'fine', 'unacked', 'fine', 'hangs', 'fine'] as const;
  const acknowledged: string[] = [];
  const sent: Promise<unknown>[] = [];
  for (let i = 0; i < 3000; i += 1) {
    if (i % 250 === 0) {
      weather.clear();
      weather.state = states[(i / 250) % states.length] ?? 'fine';
    }
    const value = `v${i}`;
    sent.push(
      appends.append(i % 3, record(value)).then((outcome) => {
        if (outcome === 'appended' || outcome === 'spooled') acknowledged.push(value);
      }),
    );
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  weather.clear();
  await Promise.all(sent);
  await until('all to settle', () => appends.isSettled);
  expect(acknowledged).toHaveLength(3000);
  const inLog = new Set([0, 1, 2].flatMap((partition) => values(partition)));
  expect(acknowledged.filter((value) => !inLog.has(value))).toEqual([]);
});

test('a log that was never there costs no delivery a wait', async () => {
  const weather = new Weather();
  weather.state = 'lost';
  const { appends } = await start(weather, { timeoutMs: 60_000, isLogAway: () => true });
  expect(await appends.append(0, record('one'))).toBe('spooled');
  weather.clear();
  await until('the spool to be drained', () => appends.isSettled);
  expect(values()).toEqual(['one']);
});

test('the backlog shrinks by the rate, not faster, and new deliveries are taken meanwhile', async () => {
  const weather = new Weather();
  const drainRate = 1_000;
  const { appends, spool } = await start(weather, { drainRate });
  weather.state = 'lost';
  await Promise.all(numbered(0, 3_000).map((value) => appends.append(0, record(value))));
  expect(spool.records).toBe(3_000);
  weather.clear();
  const begin = performance.now();
  let count = 3_000;
  const outcomes = new Set<string>();
  while (!appends.isSettled) {
    outcomes.add(await appends.append(0, record(`v${count}`)));
    count += 1;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  // The last second's worth goes at once, and one second's worth may have been saved up.
  expect(performance.now() - begin).toBeGreaterThan(900);
  expect(outcomes).toContain('spooled');
  expect(values()).toEqual(numbered(0, count));
});

test('a spool that takes more than the rate meanwhile is drained all the same', async () => {
  const weather = new Weather();
  const { appends } = await start(weather, { drainRate: 100 });
  weather.state = 'lost';
  await Promise.all(numbered(0, 150).map((value) => appends.append(0, record(value))));
  weather.clear();
  let count = 150;
  while (!appends.isSettled) {
    const some = numbered(count, count + 5).map((value) => appends.append(0, record(value)));
    count += 5;
    await Promise.all(some);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(values()).toEqual(numbered(0, count));
});
