// Scheduler: how far the read model `timers` is. Comes in: its marks and the heads of the log. Goes out: the tenants
// whose timers are those of their calls now. While the model is read in anew (a new version, a restore), it shows what
// was armed weeks ago; nothing of that is told.

import { partitionOf } from '../log/topics.js';
import type { EventLog } from '../log/event-log.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import type { TenantId } from '../schemas/ids.js';

export interface FreshnessOptions {
  readonly database: Database;
  readonly log: Pick<EventLog, 'bounds' | 'partitions'>;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** So many events behind is the lag of a busy partition, not of a model that is read in anew. */
const maxLag = 5_000;
const askEveryMs = 5_000;

/** Looked at every few seconds; a partition that has caught up once is fresh until it lags again. */
export class Freshness {
  #stale: ReadonlySet<number> = new Set();
  #askedMs = -Infinity;

  constructor(private readonly options: FreshnessOptions) {}

  /** Of these tenants those whose timers may be told. */
  async among(tenants: readonly TenantId[]): Promise<readonly TenantId[]> {
    const { log, now } = this.options;
    if (now() - this.#askedMs >= askEveryMs) {
      this.#stale = await this.#stalePartitions();
      this.#askedMs = now();
    }
    if (this.#stale.size === 0) return tenants;
    return tenants.filter((tenant) => !this.#stale.has(partitionOf(tenant, log.partitions)));
  }

  /** Partitions that are not read in yet. */
  get stale(): number {
    return this.#stale.size;
  }

  async #stalePartitions(): Promise<ReadonlySet<number>> {
    const { log } = this.options;
    const marks = await this.#marks();
    const stale = new Set<number>();
    for (let partition = 0; partition < log.partitions; partition += 1) {
      const { next } = await log.bounds('events', partition);
      if (next - (marks.get(partition) ?? 0) > maxLag) stale.add(partition);
    }
    return stale;
  }

  async #marks(): Promise<ReadonlyMap<number, number>> {
    try {
      const { rows } = await this.options.database.query<{ partition: number; next: number }>(
        `select distinct on (partition) partition, next_offset as next from marks
          where projection = 'timers' order by partition, version desc`,
      );
      return new Map(rows.map(({ partition, next }) => [partition, next]));
    } catch (thrown) {
      throw postgresError(thrown);
    }
  }
}
