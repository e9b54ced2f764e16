// An ownership at work (design 3.2, rules 4, 7, 8): inputs are decided ahead while at most one
// append is in flight, and every ack is checked. Comes in: what was restored. Goes out: batches on
// `events[p]`, until the first thing that is not an ack.

import { toError, TrunklineError } from '../runtime/errors.js';
import { offset, type Offset, type OwnerId } from '../schemas/ids.js';
import { linkedController, orAborted } from './abort.js';
import { Planner, type Batch } from './batch.js';
import type { Decider } from './decider.js';
import type { Fetcher, LogRecord } from './event-log.js';
import { laneNames, Lanes, type Lane } from './lanes.js';
import type { OwnerOptions } from './owner-options.js';
import { OwnershipEnd } from './ownership-end.js';
import type { Restoration } from './restore.js';
import type { PartitionReader } from './sequence.js';
import { readUntil, type Attempt } from './take.js';

export interface OwnershipParts {
  readonly options: OwnerOptions;
  readonly attempt: Attempt;
  readonly restoration: Restoration;
  readonly decider: Decider;
}

/** Works once. Everything it knows came from the restoration and goes with it. */
export class Ownership {
  readonly #options: OwnerOptions;
  readonly #attempt: Attempt;
  readonly #decider: Decider;
  readonly #reader: PartitionReader;
  readonly #owner: OwnerId | null;
  readonly #planner: Planner;
  readonly #lanes: Lanes;
  /** Aborted by the first failure of the reading, the deciding or the append in flight. */
  readonly #life: AbortController;
  readonly #unlink: () => void;
  #inFlight: Promise<void> = Promise.resolve();

  constructor({ options, attempt, restoration, decider }: OwnershipParts) {
    const { log, partition, observe, maxInputs, encode } = options;
    const { clauses } = attempt;
    const { after } = restoration.restored;
    const { controller, unlink } = linkedController(attempt.signal);
    this.#options = options;
    this.#attempt = attempt;
    this.#decider = decider;
    this.#reader = restoration.reader;
    this.#owner = after.owner;
    this.#life = controller;
    this.#unlink = unlink;
    this.#planner = new Planner({
      decider,
      encode,
      from: after,
      maxBatchBytes: log.maxBatchBytes,
      clauses,
      onParked: () => observe?.parked?.({ partition }),
    });
    const { realtime, bulk } = after.covered;
    this.#lanes = new Lanes({
      log,
      partition,
      covered: clauses.resumeAfterCovered
        ? after.covered
        : { realtime: oneEarlier(realtime), bulk: oneEarlier(bulk) },
      queueLimit: Math.max(4 * maxInputs, leastQueue),
      signal: controller.signal,
      onLag: (lane, records) => observe?.lag?.({ partition, lane, records }),
    });
  }

  /** Works until something ends it, and resolves with that. */
  async work(sources: Readonly<Record<Lane, Fetcher>>): Promise<Error> {
    try {
      await this.#lanes.requireBounds();
      for (const lane of laneNames) {
        this.#lanes.read(lane, sources[lane]).catch((thrown: unknown) => {
          this.#end(thrown);
        });
      }
      return await this.#appendInputs();
    } catch (thrown) {
      return toError(thrown);
    } finally {
      this.#unlink();
      this.#end(new OwnershipEnd('stopped', 'the ownership is over'));
    }
  }

  /**
   * While one append is in flight the next inputs are taken, decided and encoded; they are sent
   * when its ack was checked, or never.
   */
  async #appendInputs(): Promise<never> {
    const { signal } = this.#life;
    for (;;) {
      const inputs = await this.#lanes.take(this.#options.maxInputs);
      for (const batch of await orAborted(this.#planner.plan(inputs), signal)) {
        if (this.#attempt.clauses.oneInFlight) await orAborted(this.#inFlight, signal);
        signal.throwIfAborted();
        this.#inFlight = this.#send(batch);
      }
    }
  }

  /** Never rejects: a failure ends the ownership, whatever else it is waiting for. */
  async #send(batch: Batch): Promise<void> {
    try {
      const base = await this.#append(batch.records);
      await this.#check(batch, base);
      this.#acknowledge(batch, base);
    } catch (thrown) {
      this.#end(thrown);
    }
  }

  async #append(records: readonly LogRecord[]): Promise<Offset> {
    const { appender, partition, clauses } = this.#attempt;
    for (;;) {
      try {
        return (await appender.append('events', partition, records)).baseOffset;
      } catch (thrown) {
        // Unknown is everything but an ack; the other answers are for tests only.
        if (!(thrown instanceof TrunklineError) || thrown.code !== 'append_unknown') throw thrown;
        if (clauses.afterUnknown === 'take_for_success') return this.#reader.next;
        if (clauses.afterUnknown !== 'resend' || this.#life.signal.aborted) throw thrown;
      }
    }
  }

  /**
   * The ack must name the offset after the last one known. If it does not, others have appended in
   * between, and what they appended is read first: a marker may have ended this ownership.
   */
  async #check(batch: Batch, base: Offset): Promise<void> {
    if (!this.#attempt.clauses.ackGapCheck) return;
    const { partition } = this.#options;
    if (base < this.#reader.next) {
      throw new TrunklineError('log_loss', `events[${partition}]: offset ${base} was given twice`);
    }
    await readUntil({ ...this.#attempt, signal: this.#life.signal }, this.#reader, base);
    if (this.#reader.owner !== this.#owner) {
      throw new OwnershipEnd('deposed', `events[${partition}] was taken by another owner`);
    }
    batch.records.forEach((record, i) => {
      this.#reader.read({ ...record, offset: offset(base + i), appendedAt: 0 });
    });
  }

  #acknowledge({ drafts, inputs, bytes }: Batch, base: Offset): void {
    const { partition, observe } = this.#options;
    if (drafts.length > 0) {
      const place = (index: number): Offset => offset(base + index);
      this.#decider.acknowledged(
        drafts.map(({ draft, seq, index }) => ({ draft, seq, offset: place(index) })),
      );
    }
    observe?.appended?.({ partition, inputs, events: drafts.length, bytes });
    observe?.covered?.({ partition, covered: this.#reader.covered });
  }

  #end(thrown: unknown): void {
    this.#life.abort(toError(thrown));
  }
}

/** Inputs kept read ahead per lane: enough for the time that a read takes to come back. */
const leastQueue = 1_000;

const oneEarlier = (covered: Offset): Offset => offset(Math.max(covered - 1, -1));
