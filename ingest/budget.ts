// Ingest: how much may be spent beside the way of deliveries. Comes in: a key and a cost. Goes out: whether
// there is enough left. A token bucket per key; a bounded number of keys.

export interface BudgetOptions {
  /** What may be spent at once. */
  readonly burst: number;
  /** What comes back each second. */
  readonly perSecond: number;
  /** Above it all keys begin anew: better a little more work than memory without a bound. */
  readonly maxKeys: number;
}

export class Budget {
  readonly #spent = new Map<string, { level: number; at: number }>();

  constructor(private readonly options: BudgetOptions) {}

  /** True while anything is left of `key`; `nowMs` is monotonic. */
  has(key: string, nowMs: number): boolean {
    return this.#level(key, nowMs) > 0;
  }

  /** Takes `cost`, into debt if need be. */
  spend(key: string, cost: number, nowMs: number): void {
    const level = this.#level(key, nowMs) - cost;
    if (this.#spent.size >= this.options.maxKeys) this.#spent.clear();
    this.#spent.set(key, { level, at: nowMs });
  }

  #level(key: string, nowMs: number): number {
    const { burst, perSecond } = this.options;
    const known = this.#spent.get(key);
    if (known === undefined) return burst;
    return Math.min(burst, known.level + ((nowMs - known.at) / 1000) * perSecond);
  }
}
