// Tells other processes that read models moved: one coalesced NOTIFY, outside the writers' transactions,
// because a transaction that notifies serialises its commit with every other one on the server.

import type { Database } from '../runtime/postgres.js';
import type { Logger } from '../runtime/logger.js';

/** The channel; the payload is the partitions that moved, e.g. `0,3`. Listeners re-read the marks. */
export const projectedChannel = 'trunkline_projected';

// At most 20 per second, however many partitions move.
const intervalMs = 50;

/** Sends what `moved` was told, at most every 50 ms. A lost notice only makes a listener wait for its timer. */
export class Announcer {
  readonly #moved = new Set<number>();
  #timer: NodeJS.Timeout | null = null;
  #lastAt = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    readonly database: Database,
    readonly logger: Logger,
  ) {}

  moved(partition: number): void {
    this.#moved.add(partition);
    if (this.#timer !== null) return;
    const waitMs = Math.max(0, this.#lastAt + intervalMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#sending = this.#send();
    }, waitMs);
  }

  /** Drops what was not sent yet and waits for what is being sent. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#sending;
  }

  async #send(): Promise<void> {
    const payload = [...this.#moved].join(',');
    this.#moved.clear();
    this.#lastAt = performance.now();
    try {
      await this.database.query('select pg_notify($1, $2)', [projectedChannel, payload]);
    } catch {
      this.logger.debug({ code: 'projections_notify_failed' }, 'a notice was not sent');
    } finally {
      this.#timer = null;
      if (this.#moved.size > 0) this.moved([...this.#moved][0] ?? 0);
    }
  }
}
