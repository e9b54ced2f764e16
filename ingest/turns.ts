// Ingest: who is worked on next. Comes in: whose delivery was read off the wire. Goes out: its turn, at once
// while there is time, otherwise in turn with the other tenants. Order holds per tenant.

import type { TenantId } from '../schemas/ids.js';

/**
 * How long deliveries are worked on before the event loop goes round, in ms: some twenty deliveries. What
 * waits for the loop (another tenant's request, an answer of the log) waits about this long, whoever floods.
 */
const sliceMs = 1;

interface Waiting {
  readonly sinceMs: number;
  readonly go: () => void;
}

/**
 * Turns of one process. The event loop hands over all requests that have arrived, in no order that tells
 * tenants apart: a flood of a thousand would hold up everybody else's for as long as a thousand take. So
 * past the slice requests are only read, and tenants take turns, one delivery each.
 */
export class Turns {
  /** In the order of their turns; a tenant with nothing to do is not in it. */
  readonly #queues = new Map<TenantId, Waiting[]>();
  readonly #nowMs: () => number;
  /** Until when this round of the event loop may work; null before its first delivery. */
  #untilMs: number | null = null;
  #waiting = 0;

  /** `nowMs` is monotonic. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** How long the delivery that has waited longest has waited, in ms. */
  get oldestMs(): number {
    let since = Infinity;
    for (const [first] of this.#queues.values()) since = Math.min(since, first?.sinceMs ?? since);
    return since === Infinity ? 0 : this.#nowMs() - since;
  }

  /** Null: it is this delivery's turn now; otherwise resolves when it is. */
  take(tenant: TenantId): Promise<void> | null {
    const now = this.#nowMs();
    if (this.#untilMs === null) {
      this.#untilMs = now + sliceMs;
      setImmediate(this.#round);
    }
    if (this.#waiting === 0 && now < this.#untilMs) return null;
    return new Promise((go) => this.#push(tenant, { sinceMs: now, go }));
  }

  #push(tenant: TenantId, waiting: Waiting): void {
    this.#waiting += 1;
    const queue = this.#queues.get(tenant);
    if (queue === undefined) this.#queues.set(tenant, [waiting]);
    else queue.push(waiting);
  }

  /** One round of the event loop, after everything that had arrived was read. */
  readonly #round = (): void => {
    this.#untilMs = null;
    if (this.#waiting > 0) void this.#work();
  };

  async #work(): Promise<void> {
    const untilMs = this.#nowMs() + sliceMs;
    // What comes while these are worked on queues behind them.
    this.#untilMs = -Infinity;
    do {
      this.#next()?.go();
      // The delivery goes on in a microtask: this one comes after it, and so sees what it took.
      await Promise.resolve();
    } while (this.#waiting > 0 && this.#nowMs() < untilMs);
    setImmediate(this.#round);
  }

  /** The first delivery of the tenant whose turn it is, which goes to the end. */
  #next(): Waiting | undefined {
    const [entry] = this.#queues;
    if (entry === undefined) return undefined;
    const [tenant, queue] = entry;
    const next = queue.shift();
    this.#waiting -= 1;
    this.#queues.delete(tenant);
    if (queue.length > 0) this.#queues.set(tenant, queue);
    return next;
  }
}
