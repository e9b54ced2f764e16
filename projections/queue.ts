// The bounded queue between the one reader and the lane of a partition. What piles up while a commit
// is under way becomes one batch: group commit.

import type { ValidBatch } from '../log/consume.js';

/** Batches of one partition, in order. One pusher, one taker. */
export class BatchQueue {
  readonly #batches: ValidBatch[] = [];
  #events = 0;
  #closed = false;
  #ended = false;
  #wakeTaker: (() => void) | null = null;
  #wakePusher: (() => void) | null = null;

  /** `maxEvents`: most events of one taken batch; twice as many may wait. */
  constructor(readonly maxEvents: number) {}

  /** Waits for room. A closed queue takes nothing more and never waits. */
  async push(batch: ValidBatch): Promise<void> {
    while (!this.#closed && this.#events >= 2 * this.maxEvents) {
      await new Promise<void>((resolve) => {
        this.#wakePusher = resolve;
      });
    }
    if (this.#closed) return;
    this.#batches.push(batch);
    this.#events += batch.events.length;
    this.#wakeTaker?.();
  }

  /**
   * All that waits, up to `maxEvents`, as one batch; null once the queue is closed, or ended and empty.
   * Not before `notBeforeMs` (monotonic) unless half a batch waits already: what comes until then goes
   * into the same batch.
   */
  async take(notBeforeMs = 0): Promise<ValidBatch | null> {
    while (!this.#closed && !this.#ended && this.#batches.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve;
      });
    }
    await this.#gather(notBeforeMs);
    if (this.#closed) return null;
    const batch = this.#merged();
    this.#events -= batch?.events.length ?? 0;
    this.#wakePusher?.();
    return batch;
  }

  /** Nothing more will come; what waits is still taken. */
  end(): void {
    this.#ended = true;
    this.#wakeTaker?.();
  }

  /** What waits is dropped: whoever goes on reads it again from the mark. */
  close(): void {
    this.#closed = true;
    this.#wakeTaker?.();
    this.#wakePusher?.();
  }

  async #gather(untilMs: number): Promise<void> {
    for (;;) {
      const leftMs = untilMs - performance.now();
      const isEnough = this.#events >= this.maxEvents / 2;
      if (leftMs <= 0 || isEnough || this.#closed || this.#ended) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wakeTaker = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #merged(): ValidBatch | null {
    const first = this.#batches.shift();
    if (first === undefined) return null;
    const parts = [first];
    let count = first.events.length;
    for (let next = this.#batches[0]; next !== undefined; next = this.#batches[0]) {
      if (count + next.events.length > this.maxEvents) break;
      count += next.events.length;
      parts.push(next);
      this.#batches.shift();
    }
    const last = parts.at(-1) ?? first;
    if (last === first) return first;
    return { ...last, before: first.before, events: parts.flatMap((part) => part.events) };
  }
}
