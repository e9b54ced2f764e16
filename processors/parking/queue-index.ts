// Station processors: which queue a fact has to wait in. Comes in: the queues of an ownership as they change.
// Goes out: the queue behind a name. Derived from the overlay's entries and kept in step with them.

import type { EventId, TenantId } from '../../schemas/ids.js';
import type { QueueState } from './state.js';

/** The queues of one ownership, by the names their facts are about. */
export class QueueIndex {
  readonly #byName = new Map<string, Set<EventId>>();
  #open = 0;

  /** Queues in which something waits. */
  get size(): number {
    return this.#open;
  }

  /** A queue was made, changed, put back or dropped; null stands for none. */
  changed(
    tenant: TenantId,
    queueId: EventId,
    before: QueueState | null,
    after: QueueState | null,
  ): void {
    const had = isOpen(before);
    const has = isOpen(after);
    this.#open += Number(has) - Number(had);
    if (had && has && before?.refs === after?.refs) return;
    if (had) for (const name of before?.refs ?? []) this.#remove(`${tenant}\0${name}`, queueId);
    if (has) for (const name of after?.refs ?? []) this.#add(`${tenant}\0${name}`, queueId);
  }

  /**
   * The queue of facts about any of these names: of several always the last in one fixed order. A fact waits
   * in the last and only ever for earlier ones, so that no two queues wait for each other.
   */
  find(tenant: TenantId, names: readonly string[], before: EventId | null = null): EventId | null {
    let found: EventId | null = null;
    for (const name of names) {
      for (const queueId of this.#byName.get(`${tenant}\0${name}`) ?? []) {
        if (before !== null && queueId >= before) continue;
        if (found === null || queueId > found) found = queueId;
      }
    }
    return found;
  }

  #add(name: string, queueId: EventId): void {
    const known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, new Set([queueId]));
    else known.add(queueId);
  }

  #remove(name: string, queueId: EventId): void {
    const known = this.#byName.get(name);
    known?.delete(queueId);
    if (known?.size === 0) this.#byName.delete(name);
  }
}

const isOpen = (state: QueueState | null): boolean => state !== null && state.waiting.length > 0;
