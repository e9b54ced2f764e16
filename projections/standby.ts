// Partitions that another projector leads, and when to take one over: when it has lag and its mark
// has not moved for a while. Taking over too early does no harm: the fence settles it.

import type { Clock } from '../runtime/clock.js';

interface Watched {
  next: number;
  stillSince: number;
}

export class Standby {
  readonly #watched = new Map<number, Watched>();

  constructor(
    readonly takeOverMs: number,
    readonly clock: Clock,
  ) {}

  has(partition: number): boolean {
    return this.#watched.has(partition);
  }

  partitions(): readonly number[] {
    return [...this.#watched.keys()];
  }

  add(partition: number): void {
    this.#watched.set(partition, { next: -1, stillSince: this.clock() });
  }

  /** True when the leader has stood still for too long with work before it; then it is watched no more. */
  observe(partition: number, next: number, head: number): boolean {
    const watched = this.#watched.get(partition);
    if (watched === undefined) return false;
    const now = this.clock();
    if (next !== watched.next || head <= next) {
      watched.next = next;
      watched.stillSince = now;
      return false;
    }
    if (now - watched.stillSince < this.takeOverMs) return false;
    this.#watched.delete(partition);
    return true;
  }
}
