// Station processors: the overlay (design 3.3), states touched by events that the store has not applied
// yet. Comes in: decisions, their acks, the store's mark. Goes out: states newer than the store's rows.
// One per ownership; nothing in it outlives that.

import type { AggregateState } from '../schemas/aggregates.js';
import { eventId, tenantId, type Offset } from '../schemas/ids.js';
import { QueueIndex } from './parking/queue-index.js';
import { queueStateOf } from './parking/state.js';

interface Entry {
  state: AggregateState;
  /** Touching events that are decided but not acknowledged. */
  pending: number;
  /** Offset of the last acknowledged event that touched it; −1 before the first. */
  last: number;
}

/** Queues stay for as long as something waits in them: their absence here means that there is none. */
export const isQueue = (name: string): boolean => name.includes('\0queue\0');

/** What the last call of `decide` did to an entry. */
interface Undo {
  /** Null when the entry was made by it. */
  readonly before: AggregateState | null;
  touches: number;
}

/**
 * States by aggregate. An entry leaves only when its *last* touching event is acknowledged at an offset
 * below the store's mark (which is exclusive: the next offset to apply).
 */
export class Overlay {
  readonly #entries = new Map<string, Entry>();
  /** Acknowledged touches in offset order; from `#head` on not looked at yet. */
  #acknowledged: { readonly offset: Offset; readonly name: string }[] = [];
  #head = 0;
  #undo = new Map<string, Undo>();
  /** The highest mark that was evicted to. */
  #evictedTo = 0;
  /** Every queue of the partition in which something waits. */
  readonly queues = new QueueIndex();

  /** States that wait for the store; what stays whatever the store does is not among them. */
  get size(): number {
    return this.#entries.size - this.queues.size;
  }

  get(name: string): AggregateState | undefined {
    return this.#entries.get(name)?.state;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** From here on `revoke` goes back to. */
  checkpoint(): void {
    if (this.#undo.size > 0) this.#undo = new Map();
  }

  /** A decided event touches the aggregate, whose state after it is `state`. */
  touch(name: string, state: AggregateState): void {
    const entry = this.#entries.get(name);
    const undo = this.#undo.get(name);
    if (undo === undefined) this.#undo.set(name, { before: entry?.state ?? null, touches: 1 });
    else undo.touches += 1;
    this.#noteQueue(name, entry?.state ?? null, state);
    if (entry === undefined) this.#entries.set(name, { state, pending: 1, last: -1 });
    else {
      entry.state = state;
      entry.pending += 1;
    }
  }

  /** At a takeover: a state folded from events of the tail, the last of them at `last`. */
  restore(name: string, state: AggregateState, last: Offset): void {
    this.#noteQueue(name, this.#entries.get(name)?.state ?? null, state);
    this.#entries.set(name, { state, pending: 0, last });
    this.#acknowledged.push({ offset: last, name });
  }

  /** To be called once after all `restore`: the tail's aggregates in the order of their offsets. */
  restored(): void {
    this.#acknowledged.sort((a, b) => a.offset - b.offset);
  }

  /** An event that touched the aggregate stands in the log at `at`. */
  acknowledge(name: string, at: Offset): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.pending -= 1;
    entry.last = at;
    this.#acknowledged.push({ offset: at, name });
  }

  /**
   * Forgets what was decided since the last `checkpoint`; acks that came since then stay. An entry
   * that was kept for the revoked touches alone goes at once: what it leads to (the call behind an
   * alias) may have gone when its own time came.
   */
  revoke(): void {
    for (const [name, { before, touches }] of this.#undo) {
      const entry = this.#entries.get(name);
      if (entry === undefined) continue;
      entry.pending -= touches;
      this.#noteQueue(name, entry.state, before);
      if (before === null) this.#entries.delete(name);
      else {
        entry.state = before;
        if (entry.pending === 0 && entry.last < this.#evictedTo) this.#drop(name, before);
      }
    }
    this.#undo = new Map();
  }

  /** Lets go of what the store has applied: every touch stands below `mark`. */
  evict(mark: Offset): void {
    this.#evictedTo = Math.max(this.#evictedTo, mark);
    const queue = this.#acknowledged;
    let head = this.#head;
    for (let next = queue[head]; next !== undefined && next.offset < mark; next = queue[head]) {
      const entry = this.#entries.get(next.name);
      if (entry?.pending === 0 && entry.last < mark) this.#drop(next.name, entry.state);
      head += 1;
    }
    // Cut off what was looked at once it is the larger half: each touch is moved once at most.
    const isMostlySeen = head > 1024 && head * 2 > queue.length;
    this.#acknowledged = isMostlySeen ? queue.slice(head) : queue;
    this.#head = isMostlySeen ? 0 : head;
  }

  #drop(name: string, state: AggregateState): void {
    if (isQueue(name) && queueStateOf(state).waiting.length > 0) return;
    this.#entries.delete(name);
  }

  #noteQueue(name: string, before: AggregateState | null, after: AggregateState | null): void {
    if (!isQueue(name)) return;
    const [tenant = '', , key = ''] = name.split('\0');
    const had = before === null ? null : queueStateOf(before);
    const has = after === null ? null : queueStateOf(after);
    this.queues.changed(tenantId(tenant), eventId(key), had, has);
  }
}
