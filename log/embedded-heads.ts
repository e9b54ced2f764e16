// The embedded log, wake-ups: how far each partition is known to go, and who waits for more. Comes in:
// own appends right after commit, other processes' by NOTIFY, a slow poll as the net. Goes out: wake-ups.

import pgListen from 'pg-listen';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Database } from '../runtime/postgres.js';
import type { FetchPosition, Topic } from './event-log.js';

/** Several appends within this time make one NOTIFY: its commits are serial on the whole server. */
const notifyGapMs = 20;
const channel = 'trunkline_log';
/** Payloads end at 8000 bytes; with more heads than this the listeners read the heads themselves. */
const maxHeadsPerNotify = 150;

type Head = readonly [topic: Topic, partition: number, next: number];

interface Payload {
  readonly from: string;
  readonly heads: readonly Head[] | null;
}

export interface HeadsOptions {
  readonly database: Database;
  readonly url: string;
  readonly logger: Logger;
  /** The slow poll: how late news of another process may be when its NOTIFY was lost, in ms. */
  readonly pollMs: number;
}

const keyOf = (topic: Topic, partition: number): string => `${topic}/${partition}`;

/** What one process knows of the ends of all partitions; shared by its fetchers and appenders. */
export class Heads {
  readonly #options: HeadsOptions;
  readonly #known = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #unsaid = new Map<string, Head>();
  readonly #processId = crypto.randomUUID();
  readonly #subscriber;
  #pollTimer: NodeJS.Timeout | undefined;
  #notifyTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: HeadsOptions) {
    this.#options = options;
    this.#subscriber = pgListen.default<Record<typeof channel, Payload>>(
      { connectionString: options.url, application_name: 'trunkline-log-listen' },
      { retryInterval: 500, retryTimeout: Number.MAX_SAFE_INTEGER, retryLimit: Infinity },
    );
  }

  /** Reads all heads and starts listening. */
  async open(): Promise<void> {
    const { events, notifications } = this.#subscriber;
    events.on('error', (error) => this.#warn('log_listen', error));
    // What was said while the connection was away is read by hand.
    events.on('connected', () => void this.#poll());
    notifications.on(channel, (payload) => this.#heard(payload));
    await this.#subscriber.connect();
    await this.#subscriber.listenTo(channel);
    await this.refresh();
    this.#pollLater();
  }

  /** The next offset of the partition as far as this process knows; 0 when it never heard of it. */
  known(topic: Topic, partition: number): number {
    return this.#known.get(keyOf(topic, partition)) ?? 0;
  }

  /** An own append is committed: wakes this process now and the others soon. */
  appended(topic: Topic, partition: number, next: number): void {
    this.#advance(topic, partition, next);
    this.#unsaid.set(keyOf(topic, partition), [topic, partition, next]);
    this.#notifyTimer ??= setTimeout(() => void this.#notify(), 0);
  }

  /** A read has found the partition to go this far. */
  saw(topic: Topic, partition: number, next: number): void {
    this.#advance(topic, partition, next);
  }

  /** Reads every head from the database. */
  async refresh(): Promise<void> {
    const { rows } = await this.#options.database.query<{
      topic: Topic;
      partition: number;
      next_offset: number;
    }>('select topic, partition, next_offset from log_heads');
    for (const row of rows) this.#advance(row.topic, row.partition, row.next_offset);
  }

  /** Resolves when a partition of `positions` moves, or after `ms`, or when the signal aborts. */
  wait(positions: readonly FetchPosition[], ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sets = positions.map((position) => this.#waitersOf(position));
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        for (const set of sets) set.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done, { once: true });
      for (const set of sets) set.add(done);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#notifyTimer);
    await this.#subscriber.close();
    for (const set of this.#waiting.values()) for (const wake of [...set]) wake();
  }

  #waitersOf({ topic, partition }: FetchPosition): Set<() => void> {
    const key = keyOf(topic, partition);
    const present = this.#waiting.get(key);
    if (present !== undefined) return present;
    const made = new Set<() => void>();
    this.#waiting.set(key, made);
    return made;
  }

  #advance(topic: Topic, partition: number, next: number): void {
    const key = keyOf(topic, partition);
    if (next <= (this.#known.get(key) ?? -1)) return;
    this.#known.set(key, next);
    for (const wake of [...(this.#waiting.get(key) ?? [])]) wake();
  }

  #heard(payload: Payload): void {
    if (payload.from === this.#processId) return;
    if (payload.heads === null) void this.#poll();
    else for (const head of payload.heads) this.#advance(...head);
  }

  async #notify(): Promise<void> {
    const heads = [...this.#unsaid.values()];
    this.#unsaid.clear();
    const payload: Payload = {
      from: this.#processId,
      heads: heads.length > maxHeadsPerNotify ? null : heads,
    };
    try {
      // No need to be durable: a lost wake-up costs one poll interval.
      await this.#options.database.query({
        name: 'log_notify',
        text: `select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`,
        values: [channel, JSON.stringify(payload)],
      });
    } catch (thrown) {
      this.#warn('log_notify', thrown);
    }
    this.#notifyTimer = this.#closed
      ? undefined
      : setTimeout(() => {
          this.#notifyTimer = undefined;
          if (this.#unsaid.size > 0) void this.#notify();
        }, notifyGapMs);
  }

  #pollLater(): void {
    if (this.#closed) return;
    this.#pollTimer = setTimeout(() => {
      void this.#poll().finally(() => this.#pollLater());
    }, this.#options.pollMs);
  }

  async #poll(): Promise<void> {
    try {
      await this.refresh();
    } catch (thrown) {
      this.#warn('log_poll', thrown);
    }
  }

  #warn(code: string, thrown: unknown): void {
    if (this.#closed) return;
    this.#options.logger.warn({ code, error: toError(thrown).message }, 'the embedded log is away');
  }
}
