// The Kafka log, reading: one long poll per leader, on the fetcher's own connections. Comes in: positions.
// Goes out: records, or a `log_position` error; brokers that are away are tried again up to the deadline.

import { setTimeout as delay } from 'node:timers/promises';
import { TrunklineError, toError } from '../runtime/errors.js';
import { offset } from '../schemas/ids.js';
import { orAborted } from './abort.js';
import type {
  FetchedRecords,
  Fetcher,
  FetchLimits,
  FetchPosition,
  StoredRecord,
} from './event-log.js';
import type { Wire, WirePartition, WirePosition, WireRecord } from './kafka-wire.js';
import { headerName } from './record-header.js';

/** Longest single request: bounds how long a poll that nobody waits for any more holds a connection. */
const maxPollMs = 500;
/** A broker answers at the end of its wait: what it takes to get here is not the caller's. */
const graceMs = 250;
const backOffMs = { first: 50, most: 1000 } as const;

/** A request to one leader that is under way or answered. */
interface Poll {
  readonly asked: readonly WirePosition[];
  readonly done: Promise<void>;
  outcome: { readonly partitions: readonly WirePartition[] } | { readonly error: Error } | null;
}

interface Answer extends WirePartition {
  readonly askedFrom: number;
}

interface Want extends WirePosition {
  readonly position: FetchPosition;
}

/** A fetcher over its own wire; a poll under way survives an abort and serves the next fetch. */
export class KafkaFetcher implements Fetcher {
  readonly #wire: Wire;
  readonly #nameOf: (topic: FetchPosition['topic']) => string;
  readonly #polls = new Map<number, Poll>();
  #closed = false;

  constructor(wire: Wire, nameOf: (topic: FetchPosition['topic']) => string) {
    this.#wire = wire;
    this.#nameOf = nameOf;
  }

  async fetch(
    positions: readonly FetchPosition[],
    limits: FetchLimits,
    signal: AbortSignal,
  ): Promise<readonly FetchedRecords[]> {
    signal.throwIfAborted();
    const deadline = performance.now() + limits.maxWaitMs;
    const ends = new Map<Want, number>();
    const wants = positions.map((position) => this.#want(position));
    let failures = 0;
    let lastError: Error | null = null;
    for (;;) {
      const left = Math.max(0, deadline - performance.now());
      try {
        const found = await orAborted(
          this.#round(wants, ends, { ...limits, maxWaitMs: left }),
          signal,
        );
        if (found !== null) return found;
        lastError = null;
        failures = 0;
      } catch (thrown) {
        signal.throwIfAborted();
        lastError = await orAborted(this.#recover(thrown, wants), signal);
        const pauseMs = Math.min(backOffMs.first * 2 ** failures, backOffMs.most);
        failures += 1;
        if (performance.now() + pauseMs < deadline) {
          await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
          continue;
        }
      }
      if (performance.now() < deadline) continue;
      if (lastError !== null) throw unreachable(lastError);
      return wants.map((want) => answer(want, [], ends.get(want) ?? want.from));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#wire.close();
  }

  #want(position: FetchPosition): Want {
    const topic = this.#nameOf(position.topic);
    return { position, topic, partition: position.partition, from: position.from };
  }

  /** Asks every leader without a poll under way, waits for one answer; null when it holds no news. */
  async #round(
    wants: readonly Want[],
    ends: Map<Want, number>,
    limits: FetchLimits,
  ): Promise<readonly FetchedRecords[] | null> {
    if (this.#closed) throw new TrunklineError('log_position', 'the fetcher is closed');
    if (wants.some(({ from }) => from < 0)) {
      throw new TrunklineError('log_position', 'no log holds an offset below 0');
    }
    await this.#wire.prepare();
    const groups = this.#byLeader(wants);
    const polls = [...groups].map(
      ([node, group]) => this.#polls.get(node) ?? this.#ask(node, group, limits),
    );
    await firstOf(polls, limits.maxWaitMs + graceMs);
    const answers = this.#takeAnswers(groups);
    const found = wants.map((want) => match(want, answers, ends));
    return found.some(({ records }) => records.length > 0) ? found : null;
  }

  #byLeader(wants: readonly Want[]): Map<number, Want[]> {
    const groups = new Map<number, Want[]>();
    for (const want of wants) {
      const leader = this.#wire.leaderOf(want.topic, want.partition);
      if (leader === null) {
        throw new TrunklineError(
          'log_position',
          `${want.topic} has no partition ${want.partition}`,
        );
      }
      const group = groups.get(leader) ?? [];
      group.push(want);
      groups.set(leader, group);
    }
    return groups;
  }

  #ask(node: number, asked: readonly WirePosition[], limits: FetchLimits): Poll {
    const maxWaitMs = Math.min(limits.maxWaitMs, maxPollMs);
    const request = this.#wire.fetch(node, asked, { ...limits, maxWaitMs });
    const poll: Poll = {
      asked,
      outcome: null,
      done: request.then(
        (partitions) => void (poll.outcome = { partitions }),
        (thrown: unknown) => void (poll.outcome = { error: toError(thrown) }),
      ),
    };
    this.#polls.set(node, poll);
    return poll;
  }

  /** The answers that are in. An error counts only if it may be about a position of now. */
  #takeAnswers(groups: ReadonlyMap<number, readonly Want[]>): readonly Answer[] {
    const answers: Answer[] = [];
    for (const [node, { asked, outcome }] of [...this.#polls]) {
      if (outcome === null) continue;
      this.#polls.delete(node);
      if ('error' in outcome) {
        if (groups.has(node)) throw outcome.error;
        continue;
      }
      for (const found of outcome.partitions) {
        const { topic, partition } = found;
        const position = asked.find((p) => p.topic === topic && p.partition === partition);
        if (position !== undefined) answers.push({ ...found, askedFrom: position.from });
      }
    }
    return answers;
  }

  /** The error that another round may cure; throws when none can. */
  async #recover(thrown: unknown, wants: readonly Want[]): Promise<Error> {
    if (thrown instanceof TrunklineError) throw thrown;
    const fault = await this.#wire.recover(thrown);
    if (fault.kind === 'again') return fault.error;
    // The poll may be an old one, or the leader a former one: only the leader's bounds count.
    const suspects = wants.filter(
      (w) => w.topic === fault.topic && w.partition === fault.partition,
    );
    for (const want of suspects) {
      const error = await this.#outside(want);
      if (error !== null) throw error;
    }
    return toError(thrown);
  }

  async #outside({ topic, partition, from }: WirePosition): Promise<TrunklineError | null> {
    try {
      await this.#wire.prepare();
      const { first, next } = await this.#wire.bounds(topic, partition);
      if (from >= first && from <= next) return null;
      return new TrunklineError(
        'log_position',
        `${topic}/${partition} holds ${first} to ${next}, asked for ${from}`,
      );
    } catch (thrown) {
      return unreachable(toError(thrown));
    }
  }
}

const unreachable = (cause: Error): TrunklineError =>
  new TrunklineError('service_unreachable', `Kafka does not answer: ${cause.message}`, { cause });

async function firstOf(polls: readonly Poll[], ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([...polls.map(({ done }) => done), limit]);
  clearTimeout(timer);
}

/** What the answers hold for one position; notes the partition's end. */
function match(want: Want, answers: readonly Answer[], ends: Map<Want, number>): FetchedRecords {
  const found = answers.find((a) => a.topic === want.topic && a.partition === want.partition);
  // After a change of leader the high watermark may lag behind what was already handed out.
  const end = Math.max(ends.get(want) ?? want.from, Number(found?.highWatermark ?? 0));
  ends.set(want, end);
  // An answer to a later position of an earlier fetch would leave a hole: it is asked again.
  if (found === undefined || found.askedFrom > want.from) return answer(want, [], end);
  const records = found.records.filter((r) => Number(r.offset) >= want.from && !r.isControlRecord);
  return answer(want, records.map(toStored), end);
}

const answer = (
  { position: { topic, partition } }: Want,
  records: readonly StoredRecord[],
  end: number,
): FetchedRecords => ({ topic, partition, records, end: offset(end) });

function toStored({ offset: at, timestamp, key, value, headers }: WireRecord): StoredRecord {
  const header = headers[headerName];
  const bytes = Array.isArray(header) ? header[0] : header;
  return {
    offset: offset(Number(at)),
    appendedAt: Number(timestamp),
    key: key?.toString() ?? '',
    header: bytes?.toString() ?? '',
    value,
  };
}
