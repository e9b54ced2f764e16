// Station processors: which partitions of this process get nowhere. Comes in: what happens to each. Goes
// out: those that have work and do none, and why, for health and the alert; nothing stops in silence.

import type { Lane } from '../log/lanes.js';
import type { EndReason } from '../log/ownership-end.js';
import { steadyClock, type Clock } from '../runtime/clock.js';
import type { Coverage } from '../schemas/events.js';

/** So long without progress is no takeover and no back-off any more. */
const stalledAfterMs = 30_000;

/** A partition that has stood still for too long. */
export interface Stall {
  readonly partition: number;
  readonly seconds: number;
  /** Why its last ownership ended; null while it is owned and merely does nothing. */
  readonly reason: EndReason | null;
}

interface Tracked {
  /** When something was last decided, or there was nothing to decide. */
  movedAt: number;
  isOwned: boolean;
  reason: EndReason | null;
  covered: Coverage | null;
  readonly lag: Map<Lane, number>;
}

/** Follows every partition that is assigned to this process. */
export class Progress {
  readonly #partitions = new Map<number, Tracked>();

  constructor(private readonly clock: Clock = steadyClock) {}

  assigned(partition: number): void {
    const none = { isOwned: false, reason: null, covered: null, lag: new Map<Lane, number>() };
    this.#partitions.set(partition, { movedAt: this.clock(), ...none });
  }

  revoked(partition: number): void {
    this.#partitions.delete(partition);
  }

  taken(partition: number): void {
    const tracked = this.#partitions.get(partition);
    if (tracked === undefined) return;
    tracked.isOwned = true;
    tracked.lag.clear();
  }

  ended(partition: number, reason: EndReason): void {
    const tracked = this.#partitions.get(partition);
    if (tracked === undefined) return;
    tracked.isOwned = false;
    tracked.reason = reason;
  }

  covered(partition: number, covered: Coverage): void {
    const tracked = this.#partitions.get(partition);
    if (tracked === undefined) return;
    const { realtime, bulk } = tracked.covered ?? { realtime: -1, bulk: -1 };
    // A take that restores what was covered before is no progress: it may be the hundredth of a loop.
    if (covered.realtime > realtime || covered.bulk > bulk) tracked.movedAt = this.clock();
    tracked.covered = covered;
  }

  lag(partition: number, lane: Lane, records: number): void {
    const tracked = this.#partitions.get(partition);
    if (tracked === undefined) return;
    // What has just come may wait from now on.
    if (this.#isIdle(tracked) && records > 0) tracked.movedAt = this.clock();
    tracked.lag.set(lane, records);
  }

  /** Partitions with work, or without an ownership, that have stood still for 30 s. */
  stalls(): readonly Stall[] {
    const now = this.clock();
    return [...this.#partitions].flatMap(([partition, tracked]) => {
      const stillMs = now - tracked.movedAt;
      if (stillMs < stalledAfterMs || this.#isIdle(tracked)) return [];
      const reason = tracked.isOwned ? null : tracked.reason;
      return [{ partition, seconds: Math.round(stillMs / 1000), reason }];
    });
  }

  #isIdle({ isOwned, lag }: Tracked): boolean {
    return isOwned && lag.size > 0 && [...lag.values()].every((records) => records === 0);
  }
}
