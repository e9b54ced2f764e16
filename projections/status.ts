// How the projections are doing: lag against the log's head, and whether a partition that has lag
// moves at all. Two checks, because a reader that no longer sees the head looks healthy to the first.

import type { EventLog } from '../log/event-log.js';
import type { Mark } from '../log/mark.js';
import type { Clock } from '../runtime/clock.js';
import type { ProjectionMetrics } from './metrics.js';

export type PartitionState = 'starting' | 'leading' | 'standby' | 'stopped';

export interface PartitionStatus {
  readonly partition: number;
  readonly state: PartitionState;
  /** The next offset to apply. */
  readonly next: number;
  /** The log's head, asked of the log itself; null until it was. */
  readonly head: number | null;
  readonly lagRecords: number;
  /** How long there has been lag without a break; 0 without lag. */
  readonly lagSeconds: number;
  /** Lag and no movement for longer than the tolerance. */
  readonly stuck: boolean;
  /** Why it stopped; holds no content of events. */
  readonly error: string | null;
}

export interface ProjectionHealth {
  /** False when a partition stopped or is stuck. */
  readonly ok: boolean;
  readonly partitions: readonly PartitionStatus[];
}

interface Tracked {
  state: PartitionState;
  next: number;
  head: number | null;
  movedAt: number;
  /** Since when there has been lag; null without lag. */
  behindSince: number | null;
  error: string | null;
}

const stuckAfterMs = 30_000;

/** Tracks every partition of a log; one per station run. */
export class ProjectionStatus {
  readonly #partitions: Tracked[] = [];

  constructor(readonly clock: Clock) {}

  /** Called once the number of partitions is known. */
  begin(partitions: number): void {
    for (let i = this.#partitions.length; i < partitions; i += 1) {
      const movedAt = this.clock();
      const start = { next: 0, head: null, movedAt, behindSince: null, error: null };
      this.#partitions.push({ state: 'starting', ...start });
    }
  }

  state(partition: number, state: PartitionState, error: string | null = null): void {
    const tracked = this.#partitions[partition];
    if (tracked === undefined) return;
    tracked.state = state;
    tracked.error = error;
  }

  moved(partition: number, mark: Mark): void {
    const tracked = this.#partitions[partition];
    if (tracked === undefined || tracked.next === mark.next) return;
    tracked.next = mark.next;
    tracked.movedAt = this.clock();
    this.#judge(tracked);
  }

  seen(partition: number, head: number): void {
    const tracked = this.#partitions[partition];
    if (tracked === undefined) return;
    tracked.head = Math.max(head, tracked.head ?? 0);
    this.#judge(tracked);
  }

  health(): ProjectionHealth {
    const partitions = this.#partitions.map((tracked, partition) =>
      this.#report(tracked, partition),
    );
    return {
      ok: partitions.every(({ state, stuck }) => state !== 'stopped' && !stuck),
      partitions,
    };
  }

  /** Asks the log for its heads and sets the gauges. */
  async sample(log: EventLog, metrics: ProjectionMetrics): Promise<void> {
    for (const partition of this.#partitions.keys()) {
      this.seen(partition, (await log.bounds('events', partition)).next);
    }
    const { partitions } = this.health();
    for (const { partition, lagRecords, lagSeconds } of partitions) {
      metrics.lagRecords.set({ partition }, lagRecords);
      metrics.lagSeconds.set({ partition }, lagSeconds);
    }
    const count = (state: PartitionState): number =>
      partitions.filter((status) => status.state === state).length;
    metrics.stoppedPartitions.set(count('stopped'));
    metrics.standbyPartitions.set(count('standby'));
    metrics.stuckPartitions.set(partitions.filter(({ stuck }) => stuck).length);
  }

  #judge(tracked: Tracked): void {
    if ((tracked.head ?? 0) <= tracked.next) tracked.behindSince = null;
    else tracked.behindSince ??= this.clock();
  }

  #report(tracked: Tracked, partition: number): PartitionStatus {
    const { state, next, head, behindSince, movedAt, error } = tracked;
    const now = this.clock();
    const still = behindSince === null ? 0 : now - Math.max(behindSince, movedAt);
    return {
      partition,
      state,
      next,
      head,
      lagRecords: Math.max(0, (head ?? 0) - next),
      lagSeconds: behindSince === null ? 0 : (now - behindSince) / 1000,
      stuck: still > stuckAfterMs,
      error,
    };
  }
}
