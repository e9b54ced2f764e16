// Scheduler: the lease. Comes in: a database and a clock that never jumps. Goes out: whether this process is
// the one at work. No wall clock decides: neither ours nor the database's can give it to two or to nobody.

import type { Database } from '../runtime/postgres.js';
import { postgresError } from '../runtime/postgres.js';

export interface LeaseOptions {
  readonly database: Database;
  /** Of this process and this start, never used again. */
  readonly holder: string;
  /** How long a holder may be silent. */
  readonly leaseMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
}

interface LeaseRow {
  readonly holder: string;
  readonly term: number;
  readonly beats: number;
}

const name = 'scheduler';
/** A holder trusts its lease for a shorter time than others wait before they take it. */
const trusted = 0.7;

/**
 * Held while it is renewed. Who stops between a look at it and an append (a process that was stopped) appends as
 * nobody; the facts of a timer carry its id, so that does no harm.
 */
export class Lease {
  /** What was seen of another's lease, and since when it has not changed. */
  #seen: { readonly row: LeaseRow; readonly sinceMs: number } | null = null;
  #held: { readonly term: number; readonly renewedMs: number } | null = null;

  constructor(private readonly options: LeaseOptions) {}

  /** True while nobody else can have taken the lease. */
  get isHeld(): boolean {
    const { leaseMs, now } = this.options;
    return this.#held !== null && now() - this.#held.renewedMs < leaseMs * trusted;
  }

  /** Of the lease that is or was held last. */
  get term(): number | null {
    return this.#held?.term ?? null;
  }

  /** Renews it, or takes it where its holder is silent. True when it is held now. */
  async keep(): Promise<boolean> {
    const { now } = this.options;
    // Before the question: others count from when they see the answer.
    const begunMs = now();
    try {
      const term = (await this.#renewed()) ?? (await this.#taken(begunMs));
      this.#held = term === null ? null : { term, renewedMs: begunMs };
      return this.isHeld;
    } catch (thrown) {
      throw postgresError(thrown);
    }
  }

  /** Lets others have it at once. */
  async giveBack(): Promise<void> {
    const held = this.#held;
    this.#held = null;
    if (held === null) return;
    const { database, holder } = this.options;
    await database.query(
      `update scheduler_lease set holder = '', beats = beats + 1 where name = $1 and holder = $2 and term = $3`,
      [name, holder, held.term],
    );
  }

  async #renewed(): Promise<number | null> {
    if (this.#held === null) return null;
    const { database, holder } = this.options;
    const { rows } = await database.query<{ term: number }>(
      `update scheduler_lease set beats = beats + 1, renewed_at = clock_timestamp()
        where name = $1 and holder = $2 and term = $3 returning term`,
      [name, holder, this.#held.term],
    );
    return rows[0]?.term ?? null;
  }

  async #taken(atMs: number): Promise<number | null> {
    const { database, holder, leaseMs } = this.options;
    const { rows } = await database.query<LeaseRow>(
      'select holder, term, beats from scheduler_lease where name = $1',
      [name],
    );
    const [row] = rows;
    if (row === undefined) return this.#first();
    const isSame = row.term === this.#seen?.row.term && row.beats === this.#seen.row.beats;
    if (!isSame) this.#seen = { row, sinceMs: atMs };
    const silentMs = atMs - (this.#seen?.sinceMs ?? atMs);
    if (row.holder !== '' && silentMs < leaseMs) return null;
    const taken = await database.query<{ term: number }>(
      `update scheduler_lease set holder = $2, term = term + 1, beats = beats + 1,
          renewed_at = clock_timestamp()
        where name = $1 and term = $3 and beats = $4 returning term`,
      [name, holder, row.term, row.beats],
    );
    return taken.rows[0]?.term ?? null;
  }

  async #first(): Promise<number | null> {
    const { database, holder } = this.options;
    const { rows } = await database.query<{ term: number }>(
      `insert into scheduler_lease (name, holder, term, beats) values ($1, $2, 1, 1)
        on conflict do nothing returning term`,
      [name, holder],
    );
    return rows[0]?.term ?? null;
  }
}
