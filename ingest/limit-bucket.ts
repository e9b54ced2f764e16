// Ingest, the rate limit: one bucket. Comes in: a key, a cost and the time. Goes out: how much of the
// bucket is used. The same arithmetic, to the tick, as the script of limit-script.ts.

/** A tick is 100 ns: costs and times are whole ticks, so that Redis and we never round apart. */
export const ticksPerMs = 10_000;

/** How long a sender may run ahead of its rate: the bucket holds this many ms of it. */
export const burstMs = 10_000;
export const burstTicks = burstMs * ticksPerMs;

/**
 * What one delivery costs at a rate: the ticks until its token is back. Rounded to the sender's favour;
 * a bucket holds one delivery at least.
 */
export function costOf(perSecond: number): number {
  const ticks = Math.floor((1000 * ticksPerMs) / perSecond);
  return Math.min(burstTicks, Math.max(1, ticks));
}

/** Ticks until a delivery of this cost passes; not above 0 when it passes now. */
export const waitOf = (used: number, cost: number): number => used + cost - burstTicks;

/** How many keys are remembered: at most twice `maxKeys`; strangers beyond it share one bucket. */
export interface BucketsOptions {
  readonly maxKeys: number;
}

/**
 * Token buckets by key (GCRA). A key's number is the time at which its bucket is full again. Keys live
 * in two generations of a burst: one that was not used for a whole generation is full again, so that
 * forgetting it changes nothing. A flood of new keys therefore cannot push anybody's bucket out.
 */
export class Buckets {
  #current = new Map<string, number>();
  #previous = new Map<string, number>();
  #turnAt = 0;

  constructor(private readonly options: BucketsOptions) {}

  /** Ticks until the bucket is full again: 0 for one that nobody used. `now` is monotonic ticks. */
  used(key: string, now: number): number {
    if (this.#current.size === 0 && this.#previous.size === 0) return 0;
    const name = this.#nameOf(key);
    const full = this.#current.get(name) ?? this.#previous.get(name) ?? now;
    return Math.min(burstTicks, Math.max(0, full - now));
  }

  /** Sets how much is used; never less than nothing, never more than all. */
  put(key: string, used: number, now: number): void {
    if (now >= this.#turnAt) this.#turn(now);
    const name = this.#nameOf(key);
    this.#current.set(name, now + Math.min(burstTicks, Math.max(0, used)));
  }

  get size(): number {
    return this.#current.size + this.#previous.size;
  }

  #nameOf(key: string): string {
    if (this.#current.size < this.options.maxKeys) return key;
    return this.#current.has(key) || this.#previous.has(key) ? key : '';
  }

  #turn(now: number): void {
    const idleForLong = now >= this.#turnAt + burstTicks;
    this.#previous = idleForLong ? new Map<string, number>() : this.#current;
    this.#current = new Map();
    this.#turnAt = now + burstTicks;
  }
}
