// Ingest: how fast the spool flows back. Comes in: how many records a batch has, and how many were spooled
// meanwhile. Goes out: the wait before the batch may go.

import { pause } from '../log/pause.js';

/**
 * A bound on how fast the backlog shrinks, over all partitions of the process: what reads behind the log
 * must not be flooded when it comes back. What is spooled while it drains is added to the budget, else a
 * spool that takes as much as the bound would never be empty. One second's worth is saved up at most.
 */
export class DrainRate {
  #budget: number;
  #at: number;
  /** Drainers in debt; what is spooled meanwhile may end their wait. */
  readonly #waiting = new Set<AbortController>();

  /** `perSecond`: records; `now`: monotonic, ms. */
  constructor(
    readonly perSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#budget = 0;
    this.#at = now();
  }

  /** One more record was spooled while the spool drains. */
  arrived(): void {
    const most = this.#waiting.size > 0 ? Infinity : this.perSecond;
    this.#budget = Math.min(most, this.#budget + 1);
    if (this.#budget >= 0) this.#wakeAll();
  }

  /** Resolves when so many records may go; rejects with the signal's reason when it is aborted. */
  async take(records: number, signal: AbortSignal): Promise<void> {
    this.#refill();
    this.#budget -= records;
    // A debt is waited for by whoever made it, so a batch larger than a second's worth goes too.
    while (this.#budget < 0) {
      await this.#wait(Math.max(1, (-this.#budget / this.perSecond) * 1000), signal);
      signal.throwIfAborted();
      this.#refill();
    }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#waiting.add(woken);
    await pause(ms, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(woken);
  }

  #wakeAll(): void {
    for (const waiting of this.#waiting) waiting.abort();
  }

  #refill(): void {
    const now = this.now();
    const earned = ((now - this.#at) / 1000) * this.perSecond;
    this.#budget = Math.min(this.perSecond, this.#budget + earned);
    this.#at = now;
  }
}
