// Ingest: append. Comes in: sealed records with their partition. Goes out: durable in the log, durable
// in the spool, or refused. A delivery waits for the log at most `timeoutMs`.

import type { AppendAck, EventLog } from '../log/event-log.js';
import type { FactRecord } from '../log/fact-record.js';
import { isAbort, toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { AppendLane, type AppendOutcome } from './append-lane.js';
import { drainPartition } from './drain.js';
import type { DrainRate } from './drain-rate.js';
import type { IngestMetrics } from './metrics.js';
import type { Spool } from './spool.js';

export interface AppendOptions {
  readonly log: EventLog;
  readonly spool: Spool;
  readonly timeoutMs: number;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  readonly rate: DrainRate;
  readonly onAck: (ack: AppendAck, tookMs: number) => void;
  /** True while the log was never there: then no delivery waits for it. */
  readonly isLogAway: () => boolean;
}

/** The lanes of all partitions, the deadline over them, and the drainers of the spool. */
export class Appends {
  readonly #lanes = new Map<number, AppendLane>();
  readonly #drains = new Map<number, Promise<void>>();
  readonly #stopped = new AbortController();
  readonly #watch: NodeJS.Timeout;

  /** Drains at once what an earlier process left in the spool. */
  constructor(private readonly options: AppendOptions) {
    const everyMs = Math.max(10, options.timeoutMs / 4);
    this.#watch = setInterval(() => this.#spoolOverdue(), everyMs).unref();
    for (const partition of options.spool.partitions()) this.#drain(partition);
  }

  /** Records of one tenant are appended in the order of the calls. */
  append(partition: number, record: FactRecord): Promise<AppendOutcome> {
    return this.#lane(partition).append(record, performance.now());
  }

  /**
   * True while what waits in a lane takes longer than a quarter of what a delivery may wait, although the log
   * acknowledges: more come than it takes. Seen before the spool begins, which is for when the log is away.
   */
  get isBehind(): boolean {
    const now = performance.now();
    const { timeoutMs } = this.options;
    for (const lane of this.#lanes.values()) {
      if (lane.isBehind(timeoutMs / 4, now - timeoutMs / 2)) return true;
    }
    return false;
  }

  /** True when no delivery waits for an answer and the spool is empty. */
  get isSettled(): boolean {
    const lanes = [...this.#lanes.values()];
    return this.options.spool.records === 0 && lanes.every((lane) => lane.isIdle);
  }

  /**
   * Waits for what is in flight until `graceMs` are over, spools the rest and lets go of the log. No
   * new deliveries may come. What is in the spool is drained by the next process.
   */
  async stop(graceMs: number): Promise<void> {
    const deadline = performance.now() + graceMs;
    const lanes = [...this.#lanes.values()];
    while (lanes.some((lane) => !lane.isIdle) && performance.now() < deadline) await turn();
    clearInterval(this.#watch);
    this.#stopped.abort();
    for (const lane of lanes) if (!lane.isIdle) lane.startSpooling('stopping');
    // A connection that hangs must not hold the process: the next one finds all it needs on disk.
    const letGo = [...this.#drains.values(), ...lanes.map((lane) => lane.close())];
    await Promise.race([Promise.all(letGo), after(graceMs)]);
  }

  #lane(partition: number): AppendLane {
    const known = this.#lanes.get(partition);
    if (known !== undefined) return known;
    const { isLogAway } = this.options;
    const onSpooling = (lane: number) => this.#drain(lane);
    const made = new AppendLane({ ...this.options, partition, onSpooling });
    this.#lanes.set(partition, made);
    if (isLogAway() && !made.isSpooling) made.startSpooling('not_there_yet');
    return made;
  }

  #spoolOverdue(): void {
    const deadline = performance.now() - this.options.timeoutMs;
    for (const lane of this.#lanes.values()) {
      if (lane.isOverdue(deadline)) lane.startSpooling('timeout');
    }
  }

  #drain(partition: number): void {
    if (this.#drains.has(partition) || this.#stopped.signal.aborted) return;
    const { spool, logger, log, rate } = this.options;
    const lane = this.#lane(partition);
    const signal = this.#stopped.signal;
    const drained = drainPartition({ partition, lane, spool, logger, log, rate, signal })
      .catch((thrown: unknown) => {
        if (isAbort(thrown)) return;
        const error = toError(thrown).message;
        logger.error({ code: 'spool_drain_failed', partition, error }, 'the spool is not drained');
      })
      .finally(() => {
        this.#drains.delete(partition);
        if (lane.isSpooling) this.#drainLater(partition);
      });
    this.#drains.set(partition, drained);
  }

  /** A drainer that broke down is started again: deliveries must not stay on this disk. */
  #drainLater(partition: number): void {
    if (!this.#stopped.signal.aborted) setTimeout(() => this.#drain(partition), 1000).unref();
  }
}

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
const turn = (): Promise<void> => after(5);
