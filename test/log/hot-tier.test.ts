// The hot tier in nobody's way: late, gone, back, gone again.

import { expect, test } from 'vitest';

import { HotMetrics } from '../../log/hot-metrics.js';
import type { HotRows, HotStore } from '../../log/hot-store.js';
import { HotTier } from '../../log/hot-tier.js';
import type { Logger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import { offset } from '../../schemas/ids.js';

const place = { partition: 0, lineage: '1.e.0' };
const rows: HotRows = { mark: offset(7), states: new Map([['a', '{}']]) };

/** A store whose answers come when the test says so, and a clock that stands still until it is moved. */
class Bench {
  readonly lines: string[] = [];
  readonly timers = new Set<() => void>();
  nowMs = 0;
  calls = 0;
  reconnects = 0;
  closed = false;
  answer: () => Promise<HotRows | null> = () => Promise.resolve(rows);
  #ready: () => void = () => undefined;
  readonly metrics = createMetrics();
  readonly watch: HotMetrics;
  readonly tier: HotTier;

  constructor() {
    const line = (fields: object): void => {
      const { code, reason = '' } = fields as { code: string; reason?: string };
      this.lines.push(`${code} ${reason}`.trim());
    };
    const logger: Logger = {
      debug: line,
      info: line,
      warn: line,
      error: line,
      child: () => logger,
    };
    this.watch = new HotMetrics(this.metrics, logger);
    const asked = async (): Promise<HotRows | null> => {
      this.calls += 1;
      return this.answer();
    };
    const store: HotStore = {
      read: asked,
      apply: () => asked().then(() => 'written' as const),
      fill: () => asked().then(() => 'past' as const),
      onReady: (listener) => void (this.#ready = listener),
      reconnect: () => void (this.reconnects += 1),
      close: () => void (this.closed = true),
    };
    this.tier = new HotTier({
      ...{ store, watch: this.watch, now: () => this.nowMs },
      timer: (_ms, fire) => {
        this.timers.add(fire);
        return () => this.timers.delete(fire);
      },
    });
  }

  ready(): void {
    this.#ready();
  }

  read(): Promise<HotRows | null> {
    return this.tier.read(place, ['a']);
  }

  /** The deadline of everything that is under way. */
  late(): void {
    for (const fire of this.timers) fire();
    this.timers.clear();
  }

  async count(name: string, labels: Readonly<Record<string, string>>): Promise<number> {
    const metric = await this.metrics.getSingleMetric(`trunkline_hot_tier_${name}`)?.get();
    const found = metric?.values.find((value) =>
      Object.entries(labels).every(([label, text]) => value.labels[label] === text),
    );
    return found?.value ?? -1;
  }
}

const never = new Promise<never>(() => undefined);

test('before Redis was reached nobody asks it or waits for it; from then on it answers', async () => {
  const bench = new Bench();
  expect(await bench.read()).toBeNull();
  expect(bench.calls).toBe(0);
  bench.ready();
  expect(await bench.read()).toEqual(rows);
  expect(bench.tier.isOn).toBe(true);
  expect(bench.lines).toEqual(['hot_tier_used']);
  expect(bench.watch.health.status).toBe('ok');
  expect(await bench.count('used', {})).toBe(1);
});

test('a Redis that is never reached is told once, by the code of the error alone', async () => {
  const bench = new Bench();
  bench.answer = () =>
    Promise.reject(Object.assign(new Error('at 192.0.2.1'), { code: 'ECONNREFUSED' }));
  bench.nowMs = 2_000;
  for (let i = 0; i < 4; i += 1) expect(await bench.read()).toBeNull();
  expect(bench.calls).toBe(1);
  expect(bench.lines).toEqual(['hot_tier_away ECONNREFUSED']);
  expect(bench.watch.health).toMatchObject({ status: 'degraded' });
  expect(bench.watch.health.detail).not.toContain('192.0.2.1');
});

test('what is late is given up at the deadline and then not asked for a second; one call finds out', async () => {
  const bench = new Bench();
  bench.ready();
  await bench.read();
  bench.answer = () => never;
  const waiting = [bench.read(), bench.read()];
  bench.late();
  expect(await Promise.all(waiting)).toEqual([null, null]);
  expect(bench.lines).toEqual(['hot_tier_used', 'hot_tier_away 50 ms']);
  expect(await bench.read()).toBeNull();
  expect(bench.calls).toBe(3);
  bench.nowMs = 1_000;
  bench.answer = () => Promise.resolve(rows);
  expect(await Promise.all([bench.read(), bench.read()])).toEqual([rows, null]);
  expect(bench.lines.at(-1)).toBe('hot_tier_used');
  expect(await bench.count('reads_total', { outcome: 'late' })).toBe(2);
  expect(await bench.count('reads_total', { outcome: 'away' })).toBe(2);
});

test('a Redis that is lost again and again is asked less often', async () => {
  const bench = new Bench();
  bench.ready();
  const waits: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    bench.answer = () => Promise.resolve(rows);
    expect(await bench.read()).toEqual(rows);
    bench.answer = () => Promise.reject(new Error('gone'));
    await bench.read();
    const lostMs = bench.nowMs;
    bench.answer = () => Promise.resolve(null);
    while (!bench.tier.isOn) {
      bench.nowMs += 500;
      await bench.read();
    }
    waits.push(bench.nowMs - lostMs);
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
});

test('a connection on which five calls in turn are late is made anew', async () => {
  const bench = new Bench();
  bench.ready();
  bench.answer = () => never;
  const waiting = Array.from({ length: 5 }, () => bench.read());
  // The first of them finds out, the others do not ask.
  bench.late();
  await Promise.all(waiting);
  for (let i = 0; i < 4; i += 1) {
    bench.nowMs += 60_000;
    const one = bench.read();
    bench.late();
    await one;
  }
  expect(bench.reconnects).toBe(1);
  expect(bench.lines).toEqual(['hot_tier_away 50 ms']);
});

test('writes are counted by what came of them; after the end nothing is asked', async () => {
  const bench = new Bench();
  bench.ready();
  const move = { from: offset(1), to: offset(2), rows: [] };
  await bench.tier.apply(place, move);
  await bench.tier.fill(place, offset(1), [{ name: 'a', state: '{}', leadsTo: '', ttlMs: 1 }]);
  bench.tier.close();
  await bench.tier.apply(place, move);
  expect(bench.closed).toBe(true);
  expect(await bench.count('writes_total', { what: 'apply', outcome: 'written' })).toBe(1);
  expect(await bench.count('writes_total', { what: 'fill', outcome: 'past' })).toBe(1);
  expect(await bench.count('writes_total', { what: 'apply', outcome: 'away' })).toBe(1);
  expect(await bench.count('written_rows_total', { what: 'fill' })).toBe(0);
  expect(bench.lines).toEqual(['hot_tier_used']);
});
