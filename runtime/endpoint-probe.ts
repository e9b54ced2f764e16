// Asks Postgres whether endpoints exist that the registry in memory does not hold. In: ids, as strangers
// send them. Out: yes or no; however many ask, one statement at a time is under way.

import type { EndpointId } from '../schemas/ids.js';
import { postgresError, type Database } from './postgres.js';

/** Ids of one statement. */
const batchIds = 1000;

/** All that are asked while a statement is under way go together in the next one. */
export class EndpointProbe {
  #waiting = new Map<EndpointId, Promise<boolean>>();
  #running: Promise<ReadonlySet<string>> = Promise.resolve(new Set());

  constructor(private readonly database: Database) {}

  /** True for an endpoint that is there now, and not revoked. Rejects when Postgres does not answer. */
  exists(id: EndpointId): Promise<boolean> {
    const known = this.#waiting.get(id);
    if (known !== undefined) return known;
    if (this.#waiting.size === 0 || this.#waiting.size >= batchIds) this.#begin();
    const asked = this.#running.then((found) => found.has(id));
    this.#waiting.set(id, asked);
    return asked;
  }

  #begin(): void {
    const batch = new Map<EndpointId, Promise<boolean>>();
    this.#waiting = batch;
    this.#running = this.#running
      .catch(() => undefined)
      .then(() => {
        // Whoever asks from now on must not be told what was read before.
        if (this.#waiting === batch) this.#waiting = new Map();
        return this.#read([...batch.keys()]);
      });
    this.#running.catch(() => undefined);
  }

  async #read(ids: readonly EndpointId[]): Promise<ReadonlySet<string>> {
    try {
      const { rows } = await this.database.query<{ id: string }>(
        `select endpoint_id as id from endpoints
         where endpoint_id = any($1::text[]) and revoked_at is null`,
        [ids],
      );
      return new Set(rows.map(({ id }) => id));
    } catch (thrown) {
      throw postgresError(thrown);
    }
  }
}
