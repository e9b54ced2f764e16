// Ingest: the last deliveries before a stop. Comes in: each arrival. Goes out: when no more is taken.

import { setTimeout as pause } from 'node:timers/promises';

/** So long without an arrival, nobody is left who has not heard. */
const stillMs = 150;
const lookMs = 15;

/**
 * A sender with an open connection learns of the stop by the answer that ends it. Until then it sends:
 * to refuse that would be an error to somebody who did nothing wrong, and some never send again.
 */
export class Arrivals {
  #lastMs = 0;
  #isOver = false;

  /** True once nothing new is taken. */
  get isOver(): boolean {
    return this.#isOver;
  }

  note(): void {
    this.#lastMs = performance.now();
  }

  /** Resolves when it is still, after `mostMs` at the latest; nothing is taken from then on. */
  async end(mostMs: number): Promise<void> {
    const begin = performance.now();
    const isStill = (): boolean => performance.now() - Math.max(this.#lastMs, begin) >= stillMs;
    while (!isStill() && performance.now() - begin < mostMs) await pause(lookMs);
    this.#isOver = true;
  }
}
