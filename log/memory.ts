// Driver `memory` of the log: the same contract without durability, for tests and for one process.
// Comes in: appends. Goes out: records; and, by a schedule, every fault a real log may show.

import { randomUUID } from 'node:crypto';
import { TrunklineError } from '../runtime/errors.js';
import { offset, type Offset } from '../schemas/ids.js';
import type {
  AppendAck,
  Appender,
  AssignmentListener,
  Bounds,
  EventLog,
  FetchedRecords,
  Fetcher,
  FetchLimits,
  FetchPosition,
  LogRecord,
  StoredRecord,
  Topic,
} from './event-log.js';

/**
 * What becomes of an append. Acknowledged: `ok`; `twice` (both copies stand before the ack, which
 * names the second, as a driver that repeats an insert does); `copied_later`. Unknown to the caller:
 * `lost`; `unacked` (it stands); `late` (it lands at some later time).
 */
export type AppendFate = 'ok' | 'twice' | 'copied_later' | 'lost' | 'unacked' | 'late';

/** Where the driver lets others go first, and what goes wrong. The default runs without faults. */
export interface MemorySchedule {
  /** Resolves when the operation may go on. That of a crashed process never does. */
  readonly step: (at: 'append' | 'ack' | 'fetch' | 'fetched') => Promise<void>;
  readonly fate: (topic: Topic) => AppendFate;
  /** Runs `land` at some later time, even when its process has crashed by then. */
  readonly later: (land: () => void) => void;
  /** Calls `fire` once `ms` have passed, unless the returned function was called before. */
  readonly timer: (ms: number, fire: () => void) => () => void;
}

const noFaults: MemorySchedule = {
  step: () => Promise.resolve(),
  fate: () => 'ok',
  later: (land) => setImmediate(land),
  timer: (ms, fire) => {
    const timer = setTimeout(fire, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

export interface MemoryLogOptions {
  /** Default 1. */
  readonly partitions?: number;
  /** Default 1 MB less what a batch costs, as Kafka's brokers have it. */
  readonly maxBatchBytes?: number;
  /** The log's clock in ms since 1970. */
  readonly clock?: () => number;
}

/** The records, shared by every process that is connected to them. */
export class MemoryStore {
  readonly partitions: number;
  readonly maxBatchBytes: number;
  readonly group: MemoryGroup;
  readonly #clock: () => number;
  readonly #logs = new Map<string, PartitionLog>();
  readonly #waiting = new Set<() => void>();

  constructor(options: MemoryLogOptions = {}) {
    this.partitions = options.partitions ?? 1;
    this.maxBatchBytes = options.maxBatchBytes ?? 1_000_000;
    this.#clock = options.clock ?? Date.now;
    this.group = new MemoryGroup(this.partitions);
  }

  /** Puts a batch at the end, whole, and wakes who waits for records. */
  land(topic: Topic, partition: number, records: readonly LogRecord[]): Offset {
    const log = this.#log(topic, partition);
    const base = log.next;
    const appendedAt = this.#clock();
    const batch = records.map((record, i) => ({ ...record, appendedAt, offset: offset(base + i) }));
    log.batches.push(batch);
    log.next = offset(base + records.length);
    for (const wake of [...this.#waiting]) wake();
    return base;
  }

  bounds(topic: Topic, partition: number): Bounds {
    const { first, next } = this.#log(topic, partition);
    return { first, next };
  }

  /** Forgets what stands before `first`, as retention does. */
  trim(topic: Topic, partition: number, first: Offset): void {
    const log = this.#log(topic, partition);
    log.first = offset(Math.min(Math.max(first, log.first), log.next));
    log.batches = log.batches.filter((batch) => lastOf(batch) >= log.first);
  }

  /** Every record still kept, for tests that judge the log as a whole. */
  records(topic: Topic, partition: number): readonly StoredRecord[] {
    return this.#log(topic, partition).batches.flat();
  }

  /** Whole batches from the one that holds `from` on, as a broker hands them out. */
  read(position: FetchPosition, maxBytes: number): FetchedRecords {
    const { topic, partition, from } = position;
    const log = this.#log(topic, partition);
    if (from < log.first || from > log.next) {
      throw new TrunklineError(
        'log_position',
        `${topic}[${partition}] holds ${log.first} to ${log.next}, not ${from}`,
      );
    }
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (let i = log.batchAt(from); i < log.batches.length && bytes < maxBytes; i += 1) {
      for (const record of log.batches[i] ?? []) {
        if (record.offset < log.first) continue;
        records.push(record);
        bytes += record.header.length + (record.value?.length ?? 0);
      }
    }
    return { topic, partition, records, end: log.next };
  }

  /** Calls `wake` at the next append anywhere, until the returned function is called. */
  onLanding(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  #log(topic: Topic, partition: number): PartitionLog {
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitions) {
      throw new TrunklineError('log_position', `${topic} has no partition ${partition}`);
    }
    const name = `${topic}[${partition}]`;
    const found = this.#logs.get(name) ?? new PartitionLog();
    this.#logs.set(name, found);
    return found;
  }
}

const lastOf = (batch: readonly StoredRecord[]): number => batch[batch.length - 1]?.offset ?? -1;

class PartitionLog {
  first = offset(0);
  next = offset(0);
  batches: (readonly StoredRecord[])[] = [];

  /** Index of the batch that holds the offset, by bisection; the number of batches at the end. */
  batchAt(from: Offset): number {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lastOf(this.batches[middle] ?? []) < from) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * A process's connection to the store. Without a schedule nothing goes wrong and real timers are
 * used; `createMemoryLog()` alone is a log of its own.
 */
export function createMemoryLog(
  store: MemoryStore = new MemoryStore(),
  schedule: MemorySchedule = noFaults,
): EventLog {
  return {
    driver: 'memory',
    partitions: store.partitions,
    maxBatchBytes: store.maxBatchBytes,
    openAppender: () => Promise.resolve(openAppender(store, schedule)),
    openFetcher: () => Promise.resolve(openFetcher(store, schedule)),
    bounds: async (topic, partition) => {
      await schedule.step('fetch');
      return store.bounds(topic, partition);
    },
    joinProcessors: (listener, signal) => store.group.join(listener, signal),
    close: () => Promise.resolve(),
  };
}

function openAppender(store: MemoryStore, schedule: MemorySchedule): Appender {
  // The appends of one appender reach the log in the order of the calls, as from one connection.
  let previous: Promise<unknown> = Promise.resolve();
  let closed = false;
  return {
    append(topic, partition, records) {
      if (closed) return Promise.reject(unknownOutcome('the appender is closed'));
      const one = previous.then(() => appendOnce(store, schedule, { topic, partition, records }));
      previous = one.catch(() => undefined);
      return one;
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

interface Append {
  readonly topic: Topic;
  readonly partition: number;
  readonly records: readonly LogRecord[];
}

const unknownOutcome = (detail: string): TrunklineError =>
  new TrunklineError('append_unknown', detail);

async function appendOnce(
  store: MemoryStore,
  schedule: MemorySchedule,
  { topic, partition, records }: Append,
): Promise<AppendAck> {
  const bytes = records.reduce((sum, r) => sum + r.header.length + (r.value?.length ?? 0), 0);
  if (bytes > store.maxBatchBytes) throw unknownOutcome(`a batch of ${bytes} bytes is too large`);
  if (records.length === 0) throw unknownOutcome('a batch holds at least one record');
  await schedule.step('append');
  const land = (): Offset => store.land(topic, partition, records);
  const fate = schedule.fate(topic);
  switch (fate) {
    case 'ok':
      return acknowledge(schedule, land());
    case 'twice':
      land();
      return acknowledge(schedule, land());
    case 'copied_later': {
      const base = land();
      schedule.later(land);
      return acknowledge(schedule, base);
    }
    case 'unacked':
      land();
      break;
    case 'late':
      schedule.later(land);
      break;
    case 'lost':
      break;
  }
  await schedule.step('ack');
  throw unknownOutcome(`no acknowledgement from ${topic}[${partition}]`);
}

async function acknowledge(schedule: MemorySchedule, baseOffset: Offset): Promise<AppendAck> {
  await schedule.step('ack');
  return { baseOffset };
}

function openFetcher(store: MemoryStore, schedule: MemorySchedule): Fetcher {
  return {
    async fetch(positions, limits, signal) {
      signal.throwIfAborted();
      await schedule.step('fetch');
      const read = (): readonly FetchedRecords[] =>
        positions.map((position) => store.read(position, limits.maxBytesPerPartition));
      let found = read();
      if (isEmpty(found, positions)) {
        signal.throwIfAborted();
        await someRecords(store, schedule, { positions, limits, signal });
        found = read();
      }
      await schedule.step('fetched');
      signal.throwIfAborted();
      return found;
    },
    close: () => Promise.resolve(),
  };
}

/** Nothing at or after the positions; earlier records of a batch do not count. */
function isEmpty(found: readonly FetchedRecords[], positions: readonly FetchPosition[]): boolean {
  return found.every(({ end }, i) => end <= (positions[i]?.from ?? 0));
}

interface Wait {
  readonly positions: readonly FetchPosition[];
  readonly limits: FetchLimits;
  readonly signal: AbortSignal;
}

/** Waits for a record at one of the positions, at most `maxWaitMs`; rejects when aborted. */
function someRecords(store: MemoryStore, schedule: MemorySchedule, wait: Wait): Promise<void> {
  const { positions, limits, signal } = wait;
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => () => {
      stopListening();
      cancelTimer();
      signal.removeEventListener('abort', abort);
      finish();
    };
    const abort = settle(() => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    });
    const done = settle(resolve);
    const stopListening = store.onLanding(() => {
      const has = positions.some((p) => store.bounds(p.topic, p.partition).next > p.from);
      if (has) done();
    });
    const cancelTimer = schedule.timer(limits.maxWaitMs, done);
    signal.addEventListener('abort', abort);
  });
}

/**
 * The group of processors: partitions are spread over the members in turn, as kafkajs does it; a
 * test may instead say who has a partition.
 */
export class MemoryGroup {
  readonly #partitions: number;
  readonly #members = new Map<string, AssignmentListener>();
  readonly #holders = new Map<number, string>();

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  /** Stays until the signal aborts. */
  join(listener: AssignmentListener, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const member = randomUUID();
    this.#members.set(member, listener);
    this.#spread();
    return new Promise((resolve) => {
      signal.addEventListener(
        'abort',
        () => {
          this.#leave(member);
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Gives the partition to the n-th member (in order of joining), or to nobody. */
  assign(partition: number, memberIndex: number | null): void {
    const member = memberIndex === null ? undefined : [...this.#members.keys()][memberIndex];
    this.#hand(partition, member);
  }

  #leave(member: string): void {
    for (const [partition, holder] of [...this.#holders]) {
      if (holder === member) this.#hand(partition, undefined);
    }
    this.#members.delete(member);
    this.#spread();
  }

  #spread(): void {
    const members = [...this.#members.keys()];
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      this.#hand(partition, members[partition % Math.max(members.length, 1)]);
    }
  }

  #hand(partition: number, member: string | undefined): void {
    const holder = this.#holders.get(partition);
    if (holder === member) return;
    this.#holders.delete(partition);
    if (holder !== undefined) this.#members.get(holder)?.revoked(partition);
    if (member === undefined) return;
    this.#holders.set(partition, member);
    this.#members.get(member)?.assigned(partition);
  }
}
