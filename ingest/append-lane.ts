// Ingest: the appends of one partition. Comes in: sealed records. Goes out: `appended`, once the log has
// acknowledged the batch the record went in, or what became of it on the way to the spool. One batch
// is in flight; the next one forms meanwhile.

import type { AppendAck, Appender, EventLog } from '../log/event-log.js';
import { recordBytes, type FactRecord } from '../log/fact-record.js';
import { pause } from '../log/pause.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { DrainRate } from './drain-rate.js';
import { takeFairly } from './fair-batch.js';
import type { IngestMetrics } from './metrics.js';
import type { Spool, SpoolOutcome } from './spool.js';

/** `appended` and `spooled` are durable; `full` and `failed` are not. */
export type AppendOutcome = 'appended' | 'spooled' | 'full' | 'failed';

/**
 * `direct`: to the log. `spooling`: the log is away, all to the spool, so that nothing overtakes it.
 * `handover`: the last of the spool is on its way to the log, what comes now waits behind it.
 */
type Mode = 'direct' | 'spooling' | 'handover';

type SpoolingReason = 'timeout' | 'queue_full' | 'still_away' | 'not_there_yet' | 'stopping';

export interface LaneOptions {
  readonly partition: number;
  readonly log: EventLog;
  readonly spool: Spool;
  readonly metrics: IngestMetrics;
  readonly logger: Logger;
  readonly rate: DrainRate;
  /** Called with every acknowledgement of fresh deliveries and how long it took. */
  readonly onAck: (ack: AppendAck, tookMs: number) => void;
  /** Called when the lane starts to spool: somebody must drain it. */
  readonly onSpooling: (partition: number) => void;
}

/** Bounds of one batch, and of what may wait behind it. */
export const batchRecords = 500;
export const batchBytes = 512 * 1024;
/** Of a batch this large each record bears little of its cost: nothing more is waited for. */
const worthwhileRecords = 64;
const queueRecords = 20_000;
const queueBytes = 32 * 1024 * 1024;
interface Waiting {
  readonly record: FactRecord;
  readonly since: number;
  readonly done: (outcome: AppendOutcome) => void;
}

const noBatch: readonly Waiting[] = [];

/** The queue, the batch in flight and the appender of one partition. */
export class AppendLane {
  #mode: Mode;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #flight: readonly Waiting[] = noBatch;
  #isScheduled = false;
  #appender: Promise<Appender> | null = null;
  #acknowledgedAt = -Infinity;
  /** Records the log takes a millisecond: of the last batches, the last one counts for a third. */
  #perMs = 0;
  readonly #stopped = new AbortController();

  constructor(private readonly options: LaneOptions) {
    this.#mode = options.spool.backlog(options.partition) > 0 ? 'spooling' : 'direct';
  }

  /** True until the spool of the partition is drained. */
  get isSpooling(): boolean {
    return this.#mode !== 'direct';
  }

  get isIdle(): boolean {
    return this.#flight.length === 0 && this.#queue.length === 0;
  }

  /** `now` is monotonic, in ms. Outcomes come in the order of the calls of a tenant. */
  append(record: FactRecord, now: number): Promise<AppendOutcome> {
    if (this.#mode === 'spooling') return this.#toSpool(record);
    return new Promise((done) => {
      this.#queue.push({ record, since: now, done });
      this.#queuedBytes += recordBytes(record);
      if (this.#queue.length > queueRecords || this.#queuedBytes > queueBytes) {
        this.startSpooling('queue_full');
      } else if (this.#flight.length === 0) this.#schedule();
    });
  }

  /** True when the oldest delivery has waited since before `deadline`. */
  isOverdue(deadline: number): boolean {
    const oldest = this.#flight[0] ?? this.#queue[0];
    return oldest !== undefined && oldest.since < deadline;
  }

  /**
   * True while the log takes batches, but fewer than come: more than a batch waits, longer than `waitMs` at the
   * pace of late, and something was acknowledged after `alive`. A log that is away is not behind: it is spooled.
   */
  isBehind(waitMs: number, alive: number): boolean {
    if (this.#mode !== 'direct' || this.#acknowledgedAt < alive) return false;
    const isMore = this.#queue.length > batchRecords || this.#queuedBytes > batchBytes;
    return isMore && this.#queue.length > waitMs * this.#perMs;
  }

  /**
   * Everything that waits goes to the spool, in order, the batch in flight too: whether it lands is
   * unknown, and a second copy is a duplicate that the processors know.
   */
  startSpooling(reason: SpoolingReason): void {
    const pending = [...this.#flight, ...this.#queue];
    const { partition, logger, onSpooling } = this.options;
    if (this.#mode !== 'spooling') {
      const fields = { code: 'spooling_started', partition, reason, waiting: pending.length };
      logger.warn(fields, 'the log does not acknowledge in time: deliveries go to the spool');
    }
    this.#mode = 'spooling';
    this.#flight = noBatch;
    this.#queue = [];
    this.#queuedBytes = 0;
    // An append that hangs must not hold up the drainer too.
    if (this.#appender !== null) this.#replace(this.#appender);
    for (const { record, done } of pending) void this.#toSpool(record).then(done);
    onSpooling(partition);
  }

  /** What comes from now on waits for the rest of the spool. */
  holdForHandover(): void {
    this.#mode = 'handover';
  }

  /** Back to the log, unless something was spooled meanwhile. */
  resume(): boolean {
    if (this.options.spool.backlog(this.options.partition) > 0) return false;
    this.#mode = 'direct';
    this.#flush();
    return true;
  }

  /** Appends records of the spool, in the lane's own order; rejects when the outcome is unknown. */
  async appendSpooled(records: readonly FactRecord[]): Promise<void> {
    const opened = this.#open();
    try {
      await (await opened).append('deliveries', this.options.partition, records);
    } catch (thrown) {
      this.#replace(opened);
      throw thrown;
    }
  }

  /** Ends retries and gives the connection back; what still waits was spooled before. */
  async close(): Promise<void> {
    this.#stopped.abort();
    const appender = await this.#appender?.catch(() => null);
    await appender?.close().catch(() => undefined);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#gather();
  }

  // A batch forms while deliveries come in: what the event loop read in one turn goes together, and a turn
  // that brought more is waited for once more. The cost of a batch (a write, a wake-up of the broker, an
  // answer) is the same for one record and for many. A lone delivery waits for no timer.
  #gather(): void {
    const before = this.#queue.length;
    setImmediate(() => {
      if (this.#queue.length > before && before < worthwhileRecords) {
        this.#gather();
        return;
      }
      this.#isScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#mode !== 'direct' || this.#flight.length > 0 || this.#queue.length === 0) return;
    const batch = this.#takeBatch();
    this.#flight = batch;
    void this.#send(batch);
  }

  #takeBatch(): readonly Waiting[] {
    const limit = Math.min(batchBytes, this.options.log.maxBatchBytes);
    if (this.#queue.length <= batchRecords && this.#queuedBytes <= limit) {
      const all = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      return all;
    }
    const { batch, rest } = takeFairly(this.#queue, { records: batchRecords, bytes: limit });
    this.#queue = rest;
    for (const { record } of batch) this.#queuedBytes -= recordBytes(record);
    return batch;
  }

  /** Sends until the log acknowledges, or until the batch was given to the spool. */
  async #send(batch: readonly Waiting[]): Promise<void> {
    const records = batch.map((waiting) => waiting.record);
    for (let attempt = 0; this.#flight === batch; attempt += 1) {
      const opened = this.#open();
      try {
        const startedAt = performance.now();
        const ack = await (await opened).append('deliveries', this.options.partition, records);
        const tookMs = performance.now() - startedAt;
        this.options.metrics.appended(records.length, tookMs);
        this.options.onAck(ack, tookMs);
        this.#perMs += (records.length / Math.max(1, tookMs) - this.#perMs) / 3;
        if (this.#flight === batch) this.#acknowledge(batch);
      } catch (thrown) {
        this.#replace(opened);
        if (this.#flight === batch) await this.#backOff(attempt, thrown);
      }
    }
  }

  #acknowledge(batch: readonly Waiting[]): void {
    this.#acknowledgedAt = performance.now();
    this.#flight = noBatch;
    for (const { done } of batch) done('appended');
    if (this.#queue.length > 0) this.#schedule();
  }

  async #backOff(attempt: number, thrown: unknown): Promise<void> {
    const { partition, logger, metrics } = this.options;
    metrics.appendFailed();
    const error = toError(thrown).message;
    logger.warn({ code: 'append_unknown', partition, attempt, error }, 'append again');
    const ms = Math.min(500, 20 * 2 ** attempt) * (0.5 + Math.random());
    await pause(ms, this.#stopped.signal);
  }

  #open(): Promise<Appender> {
    this.#appender ??= this.options.log.openAppender();
    return this.#appender;
  }

  /** After an unknown outcome the appender's identity is used up. */
  #replace(opened: Promise<Appender>): void {
    if (this.#appender === opened) this.#appender = null;
    opened.then((appender) => appender.close()).catch(() => undefined);
  }

  #toSpool(record: FactRecord): Promise<AppendOutcome> {
    this.options.rate.arrived();
    return this.options.spool.put(this.options.partition, record).then(outcomeOfSpool);
  }
}

const outcomeOfSpool = (outcome: SpoolOutcome): AppendOutcome =>
  outcome === 'kept' ? 'spooled' : outcome;

/** How many of the first records fit in one batch; at least one. */
export function countThatFits(
  waiting: readonly { readonly record: FactRecord }[],
  limit: number,
): number {
  let bytes = 0;
  let count = 0;
  for (const { record } of waiting) {
    bytes += recordBytes(record);
    if (count > 0 && (bytes > limit || count >= batchRecords)) break;
    count += 1;
  }
  return count;
}
