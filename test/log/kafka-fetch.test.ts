// The Kafka fetcher over a wire that plays a cluster of several brokers, with what real ones rarely show.

import { describe, expect, test } from 'vitest';
import type { FetchPosition } from '../../log/event-log.js';
import { KafkaFetcher } from '../../log/kafka-fetch.js';
import type { Wire, WireFault, WirePartition, WirePosition } from '../../log/kafka-wire.js';
import { offset } from '../../schemas/ids.js';

const never = new AbortController().signal;
const limits = { maxWaitMs: 400, maxBytesPerPartition: 1000 };
const at = (partition: number, from: number): FetchPosition => ({
  topic: 'events',
  partition,
  from: offset(from),
});

type Answer = (
  asked: readonly WirePosition[],
  maxWaitMs: number,
) => Promise<readonly WirePartition[]>;

const records = (partition: number, from: number, to: number, end = to): WirePartition => ({
  topic: 'events',
  partition,
  highWatermark: String(end),
  records: Array.from({ length: to - from }, (_, i) => ({
    offset: String(from + i),
    timestamp: '1000',
    key: Buffer.from('acme'),
    value: Buffer.from(String(from + i)),
    headers: { t: Buffer.from('h') },
    isControlRecord: false,
  })),
});

const idle: Answer = (asked, maxWaitMs) =>
  new Promise((resolve) => {
    const found = asked.map(({ partition, from }) => records(partition, from, from));
    setTimeout(() => resolve(found), maxWaitMs);
  });

/** Leader of partition p is node p, unless a test moves it. */
class PlayedWire implements Wire {
  readonly asked: { node: number; positions: readonly WirePosition[] }[] = [];
  readonly leaders = new Map<number, number | null>();
  readonly answers = new Map<number, Answer[]>();
  bound = { first: 0, next: 100 };
  fault: WireFault = { kind: 'again', error: new Error('NOT_LEADER_FOR_PARTITION') };
  recovered = 0;
  prepare = (): Promise<void> => Promise.resolve();
  leaderOf = (_topic: string, partition: number): number | null =>
    this.leaders.has(partition) ? (this.leaders.get(partition) ?? null) : partition;
  fetch: Wire['fetch'] = (node, positions, { maxWaitMs }) => {
    this.asked.push({ node, positions });
    return (this.answers.get(node)?.shift() ?? idle)(positions, maxWaitMs);
  };
  bounds = (): Promise<{ first: number; next: number }> => Promise.resolve(this.bound);
  recover = (): Promise<WireFault> => {
    this.recovered += 1;
    return Promise.resolve(this.fault);
  };
  close = (): Promise<void> => Promise.resolve();
}

const open = (wire: Wire): KafkaFetcher => new KafkaFetcher(wire, (topic) => topic);
const offsetsOf = (found: Awaited<ReturnType<KafkaFetcher['fetch']>>): number[][] =>
  found.map((one) => one.records.map((record) => record.offset));

describe('several leaders', () => {
  test('positions are asked of their own leaders; the first answer with records returns', async () => {
    const wire = new PlayedWire();
    wire.answers.set(2, [() => Promise.resolve([records(2, 5, 8)])]);
    const found = await open(wire).fetch([at(1, 0), at(2, 5)], limits, never);
    expect(offsetsOf(found)).toEqual([[], [5, 6, 7]]);
    expect(wire.asked.map(({ node }) => node).sort()).toEqual([1, 2]);
  });

  test('a poll still under way serves the next fetch, and is not asked twice', async () => {
    const wire = new PlayedWire();
    let answerOne: ((found: readonly WirePartition[]) => void) | undefined;
    wire.answers.set(1, [() => new Promise((resolve) => (answerOne = resolve))]);
    wire.answers.set(2, [() => Promise.resolve([records(2, 5, 8)])]);
    const fetcher = open(wire);
    await fetcher.fetch([at(1, 0), at(2, 5)], limits, never);
    const second = fetcher.fetch([at(1, 0), at(2, 8)], limits, never);
    answerOne?.([records(1, 0, 2)]);
    expect(offsetsOf(await second)).toEqual([[0, 1], []]);
    expect(wire.asked.filter(({ node }) => node === 1)).toHaveLength(1);
  });

  test('an answer to a later position is asked again rather than leaving a hole', async () => {
    const wire = new PlayedWire();
    wire.answers.set(1, [
      () => new Promise((resolve) => setTimeout(() => resolve([records(1, 10, 12)]), 150)),
      (asked) => Promise.resolve([records(1, asked[0]?.from ?? -1, 12)]),
    ]);
    const fetcher = open(wire);
    const stop = new AbortController();
    const first = fetcher.fetch([at(1, 10)], limits, stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 20);
    await expect(first).rejects.toThrow('enough');
    expect(offsetsOf(await fetcher.fetch([at(1, 7)], limits, never))).toEqual([[7, 8, 9, 10, 11]]);
  });

  test('a hole in the log itself is handed out: the reader must see the loss', async () => {
    const wire = new PlayedWire();
    wire.answers.set(1, [() => Promise.resolve([records(1, 9, 11)])]);
    expect(offsetsOf(await open(wire).fetch([at(1, 7)], limits, never))).toEqual([[9, 10]]);
  });

  test('records before the position, from the start of its batch, are left out', async () => {
    const wire = new PlayedWire();
    wire.answers.set(1, [() => Promise.resolve([records(1, 4, 9)])]);
    expect(offsetsOf(await open(wire).fetch([at(1, 7)], limits, never))).toEqual([[7, 8]]);
  });
});

describe('leaders that change', () => {
  test('a stale leader is found out and the new one asked within the same fetch', async () => {
    const wire = new PlayedWire();
    wire.answers.set(1, [() => Promise.reject(new Error('NOT_LEADER_FOR_PARTITION'))]);
    wire.answers.set(3, [() => Promise.resolve([records(1, 7, 9)])]);
    const recover = wire.recover;
    wire.recover = () => {
      wire.leaders.set(1, 3);
      return recover();
    };
    expect(offsetsOf(await open(wire).fetch([at(1, 7)], limits, never))).toEqual([[7, 8]]);
    expect(wire.recovered).toBe(1);
  });

  test('out of range at a leader whose bounds hold the position is not a loss', async () => {
    const wire = new PlayedWire();
    wire.fault = { kind: 'range', topic: 'events', partition: 1 };
    wire.answers.set(1, [
      () => Promise.reject(new Error('OFFSET_OUT_OF_RANGE')),
      () => Promise.resolve([records(1, 7, 9)]),
    ]);
    expect(offsetsOf(await open(wire).fetch([at(1, 7)], limits, never))).toEqual([[7, 8]]);
  });

  test('out of range and outside the leader’s bounds is a position error', async () => {
    const wire = new PlayedWire();
    wire.fault = { kind: 'range', topic: 'events', partition: 1 };
    wire.bound = { first: 8, next: 20 };
    wire.answers.set(1, [() => Promise.reject(new Error('OFFSET_OUT_OF_RANGE'))]);
    await expect(open(wire).fetch([at(1, 7)], limits, never)).rejects.toMatchObject({
      code: 'log_position',
    });
  });

  test('a high watermark behind what was read never takes the end back', async () => {
    const wire = new PlayedWire();
    wire.answers.set(1, [() => Promise.resolve([records(1, 0, 0, 3)])]);
    const [found] = await open(wire).fetch([at(1, 7)], { ...limits, maxWaitMs: 0 }, never);
    expect(found?.end).toBe(7);
  });

  test('brokers that stay away are said after the deadline, as worth another try', async () => {
    const wire = new PlayedWire();
    wire.prepare = () => Promise.reject(new Error('ECONNREFUSED'));
    await expect(open(wire).fetch([at(1, 7)], limits, never)).rejects.toMatchObject({
      code: 'service_unreachable',
      retryable: true,
    });
    expect(wire.recovered).toBeGreaterThan(2);
  });
});
