// Scheduler: the gate before one account at a provider: rate, Retry-After, circuit breaker. Comes in: questions and
// how they were answered. Goes out: whether the next may be asked now, or when.

import type { ApiAnswer } from './call-api.js';

export interface GateOptions {
  readonly ratePerSecond: number;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** So many failures one after the other open the breaker. */
const opensAfter = 5;
const openMs = { first: 15_000, most: 300_000 } as const;

/**
 * Open: nobody is asked. After a while one question is let through; it closes the breaker, or opens it for twice as long.
 */
export class AccountGate {
  #tokens: number;
  #filledMs: number;
  #failures = 0;
  #openedTimes = 0;
  #closedUntilMs = -Infinity;
  #isTrial = false;

  constructor(private readonly options: GateOptions) {
    this.#tokens = options.ratePerSecond;
    this.#filledMs = options.now();
  }

  /** 0: ask now, and report what became of it. Else the ms after which it is worth trying. */
  waitMs(): number {
    const { now, ratePerSecond } = this.options;
    const atMs = now();
    if (atMs < this.#closedUntilMs) return this.#closedUntilMs - atMs;
    if (this.isOpen) {
      if (this.#isTrial) return 1_000;
      this.#isTrial = true;
      return 0;
    }
    const filled = ((atMs - this.#filledMs) * ratePerSecond) / 1000;
    this.#tokens = Math.min(Math.max(1, ratePerSecond), this.#tokens + filled);
    this.#filledMs = atMs;
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / ratePerSecond) * 1000);
    this.#tokens -= 1;
    return 0;
  }

  get isOpen(): boolean {
    return this.#failures >= opensAfter;
  }

  /** Null: the question was given up, nothing is known of the account. */
  report(answer: ApiAnswer | null): void {
    this.#isTrial = false;
    if (answer === null) return;
    if (answer.kind === 'busy') {
      this.#closedUntilMs = this.options.now() + answer.afterMs;
      return;
    }
    if (answer.kind !== 'unreachable') {
      this.#failures = 0;
      this.#openedTimes = 0;
      return;
    }
    this.#failures += 1;
    if (!this.isOpen) return;
    this.#openedTimes += 1;
    const ms = Math.min(openMs.most, openMs.first * 2 ** (this.#openedTimes - 1));
    this.#closedUntilMs = this.options.now() + ms;
  }
}
