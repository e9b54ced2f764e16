// The hot tier as its users see it (design 3.3): a cache that may be late, gone or wrong in its age, and
// never in its way. Comes in: reads and changes. Goes out: an answer within the deadline, or null: then
// PostgreSQL is asked. Never rejects, never waits for a store that is known to be away.

import { toError } from '../runtime/errors.js';
import { codeOf } from '../runtime/redis.js';
import type { Offset } from '../schemas/ids.js';
import type { HotMove, HotOutcome, HotPlace, HotRow, HotRows, HotStore } from './hot-store.js';

/** Why the store is not used. */
export const hotAbsences = ['late', 'failed'] as const;
export type HotAbsence = (typeof hotAbsences)[number];

/** What becomes of the tier, for metrics, log and health. */
export interface HotWatch {
  /** It is used from now on; it was not for `afterMs`, null at the start. */
  used(afterMs: number | null): void;
  /** It is not used from now on; `reason` is an error's code, never its text. */
  away(absence: HotAbsence, reason: string): void;
  /** A read: `none` without a generation, `away` when the store was not asked. */
  read(outcome: 'answered' | 'none' | 'away' | HotAbsence, seconds: number): void;
  /** A change, by what asked for it. */
  wrote(what: 'apply' | 'fill', outcome: HotOutcome | 'away' | HotAbsence, rows: number): void;
}

export interface HotTierOptions {
  readonly store: HotStore;
  readonly watch: HotWatch;
  /** How long a read waits for the store. Default 50. */
  readonly deadlineMs?: number;
  /** Monotonic ms. Default: performance.now. */
  readonly now?: () => number;
  /** Calls `fire` once `ms` have passed, unless the returned function was called before. */
  readonly timer?: (ms: number, fire: () => void) => () => void;
}

/** After a failure the store is left alone for so long; one that fails again soon for longer. */
const patienceMs = { first: 1_000, most: 30_000 } as const;
/** How long the first connection may take before the store counts as away. */
const connectMs = 2_000;
/** A connection on which so many calls in turn were late is given up. */
const lateInTurn = 5;

/** The hot tier of one process, for all of its partitions. */
export class HotTier {
  readonly #options: HotTierOptions;
  readonly #now: () => number;
  readonly #timer: NonNullable<HotTierOptions['timer']>;
  /** Null before the store was first reached or given up. */
  #isOn: boolean | null = null;
  /** Since when it is as it is. */
  #sinceMs: number;
  #retryAtMs: number;
  #patienceMs = 0;
  /** One call finds out whether the store is back; the others go on without it. */
  #isTrying = false;
  #late = 0;

  constructor(options: HotTierOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#timer = options.timer ?? realTimer;
    this.#sinceMs = this.#now();
    this.#retryAtMs = this.#sinceMs + connectMs;
    options.store.onReady(() => {
      // A connection that comes and goes is not believed each time.
      if (this.#patienceMs <= patienceMs.first) this.#retryAtMs = this.#now();
    });
  }

  get isOn(): boolean {
    return this.#isOn === true;
  }

  /** States of the names that are known at one mark; null: ask PostgreSQL for all of them. */
  async read(place: HotPlace, names: readonly string[]): Promise<HotRows | null> {
    const { store, watch } = this.#options;
    const startedMs = this.#now();
    const found = await this.#ask(() => store.read(place, names));
    const seconds = (this.#now() - startedMs) / 1000;
    if (typeof found === 'string') {
      watch.read(found, seconds);
      return null;
    }
    watch.read(found.answer === null ? 'none' : 'answered', seconds);
    return found.answer;
  }

  /** Resolves when the store has answered or was given up; what is late may still be done. */
  async apply(place: HotPlace, move: HotMove): Promise<void> {
    const { store, watch } = this.#options;
    const found = await this.#ask(() => store.apply(place, move));
    watch.wrote('apply', typeof found === 'string' ? found : found.answer, move.rows.length);
  }

  /** Rows of PostgreSQL at the mark `at`, of its snapshot. Resolves as `apply` does. */
  async fill(place: HotPlace, at: Offset, rows: readonly HotRow[]): Promise<void> {
    const { store, watch } = this.#options;
    const found = await this.#ask(() => store.fill(place, at, rows));
    watch.wrote('fill', typeof found === 'string' ? found : found.answer, rows.length);
  }

  close(): void {
    this.#isOn = false;
    this.#retryAtMs = Infinity;
    this.#options.store.close();
  }

  async #ask<T>(call: () => Promise<T>): Promise<{ readonly answer: T } | 'away' | HotAbsence> {
    if (!this.#mayAsk()) return 'away';
    const asked = call().then(
      (answer) => ({ answer }),
      (thrown: unknown) => toError(thrown),
    );
    const found = await this.#within(asked);
    if (found === 'late') {
      this.#late += 1;
      if (this.#late % lateInTurn === 0) this.#options.store.reconnect();
      this.#lose('late', `${this.#deadlineMs} ms`);
      return 'late';
    }
    this.#late = 0;
    if (found instanceof Error) {
      this.#lose('failed', codeOf(found));
      return 'failed';
    }
    this.#gain();
    return found;
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? 50;
  }

  #mayAsk(): boolean {
    if (this.#isOn === true) return true;
    if (this.#isTrying || this.#now() < this.#retryAtMs) return false;
    this.#isTrying = true;
    return true;
  }

  #within<T>(asked: Promise<T>): Promise<T | 'late'> {
    return new Promise((resolve) => {
      const cancel = this.#timer(this.#deadlineMs, () => resolve('late'));
      void asked.then((found) => {
        cancel();
        resolve(found);
      });
    });
  }

  #gain(): void {
    this.#isTrying = false;
    if (this.#isOn === true) return;
    const now = this.#now();
    const afterMs = this.#isOn === null ? null : now - this.#sinceMs;
    this.#isOn = true;
    this.#sinceMs = now;
    this.#options.watch.used(afterMs);
  }

  #lose(absence: HotAbsence, reason: string): void {
    this.#isTrying = false;
    const now = this.#now();
    const isSoon = now - this.#sinceMs < patienceMs.most;
    const doubled = isSoon ? 2 * this.#patienceMs : 0;
    // Calls that were under way together fail together: that is one failure.
    if (this.#isOn !== false || now >= this.#retryAtMs) {
      this.#patienceMs = Math.min(patienceMs.most, Math.max(patienceMs.first, doubled));
      this.#retryAtMs = now + this.#patienceMs;
    }
    if (this.#isOn === false) return;
    this.#isOn = false;
    this.#sinceMs = now;
    this.#options.watch.away(absence, reason);
  }
}

/** When our own event loop is late the answer may lie in the socket: that is read first. */
function realTimer(ms: number, fire: () => void): () => void {
  const timer = setTimeout(() => setImmediate(fire), ms);
  return () => clearTimeout(timer);
}
