// The source side of an owner: both lanes of one partition, read from after what is covered on
// (design 3.2, rules 2 and 9). Comes in: coverage. Goes out: inputs in order, real time first.

import { TrunklineError } from '../runtime/errors.js';
import type { Coverage } from '../schemas/events.js';
import { offset, type Offset } from '../schemas/ids.js';
import { orAborted } from './abort.js';
import type { EventLog, Fetcher, FetchPosition, StoredRecord, Topic } from './event-log.js';

/** Real time (`deliveries`) or imports and backfills (`deliveries.bulk`). */
export type Lane = 'realtime' | 'bulk';

/** An input: a record of a source topic. */
export interface SourceRecord extends StoredRecord {
  readonly lane: Lane;
}

/** The topic of each lane. */
export const laneTopics = {
  realtime: 'deliveries',
  bulk: 'deliveries.bulk',
} as const satisfies Record<Lane, Topic>;
const laneNames = ['realtime', 'bulk'] as const satisfies readonly Lane[];

/** While both lanes wait, every eighth input is from the bulk lane: its guaranteed share. */
const realtimePerBulk = 7;
const maxBytesPerPartition = 1 << 20;
const maxWaitMs = 500;
/** With one lane full, the other is asked in short waits, so that the full one is not left behind. */
const shortWaitMs = 50;

export interface LanesOptions {
  readonly log: EventLog;
  readonly partition: number;
  /** Reading starts at the next offset of each lane. */
  readonly covered: Coverage;
  /** Reading pauses on a lane while this many of its records wait. */
  readonly queueLimit: number;
  readonly signal: AbortSignal;
  /** Told how many records of a lane are not yet read. */
  readonly onLag?: (lane: Lane, records: number) => void;
}

interface LaneState {
  next: Offset;
  readonly waiting: SourceRecord[];
}

/** Both lanes of a partition. `read` fills the queues, `take` empties them. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes: Readonly<Record<Lane, LaneState>>;
  #sinceBulk = 0;
  #arrived: (() => void) | null = null;
  #roomMade: (() => void) | null = null;

  constructor(options: LanesOptions) {
    this.#options = options;
    const { realtime, bulk } = options.covered;
    this.#lanes = {
      realtime: { next: offset(realtime + 1), waiting: [] },
      bulk: { next: offset(bulk + 1), waiting: [] },
    };
  }

  /**
   * Coverage must lie inside the source: beyond its end, records that were processed are gone;
   * before its start, records that were not are. Both are `log_loss`, neither heals by itself.
   */
  async requireBounds(): Promise<void> {
    for (const lane of laneNames) {
      const { log, partition } = this.#options;
      const { first, next } = await log.bounds(laneTopics[lane], partition);
      const from = this.#lanes[lane].next;
      if (first <= from && from <= next) continue;
      throw loss(lane, partition, `holds ${first} to ${next}, but is to be read from ${from} on`);
    }
  }

  /** Reads until the signal aborts; rejects with its reason, or with what went wrong. */
  async read(fetcher: Fetcher): Promise<never> {
    const { signal } = this.#options;
    for (;;) {
      const positions = this.#positions();
      if (positions.length === 0) {
        await orAborted(this.#room(), signal);
        continue;
      }
      const wait = positions.length < laneNames.length ? shortWaitMs : maxWaitMs;
      const limits = { maxWaitMs: wait, maxBytesPerPartition };
      for (const { topic, records, end } of await fetcher.fetch(positions, limits, signal)) {
        this.#accept(topic === laneTopics.bulk ? 'bulk' : 'realtime', records, end);
      }
    }
  }

  /** At least one input and at most `max`, as soon as there is one. */
  async take(max: number): Promise<readonly SourceRecord[]> {
    while (laneNames.every((lane) => this.#lanes[lane].waiting.length === 0)) {
      await orAborted(this.#arrival(), this.#options.signal);
    }
    const taken: SourceRecord[] = [];
    while (taken.length < max) {
      const input = this.#lanes[this.#nextLane()].waiting.shift();
      if (input === undefined) break;
      taken.push(input);
    }
    this.#roomMade?.();
    return taken;
  }

  #nextLane(): Lane {
    const { realtime, bulk } = this.#lanes;
    const bulkIsDue = this.#sinceBulk >= realtimePerBulk || realtime.waiting.length === 0;
    if (bulk.waiting.length > 0 && bulkIsDue) {
      this.#sinceBulk = 0;
      return 'bulk';
    }
    this.#sinceBulk += 1;
    return 'realtime';
  }

  #positions(): readonly FetchPosition[] {
    const { partition, queueLimit } = this.#options;
    return laneNames
      .filter((lane) => this.#lanes[lane].waiting.length < queueLimit)
      .map((lane) => ({ topic: laneTopics[lane], partition, from: this.#lanes[lane].next }));
  }

  /** Offsets of our topics are dense: an earlier one was fetched before a seek, a later one is a loss. */
  #accept(lane: Lane, records: readonly StoredRecord[], end: Offset): void {
    const state = this.#lanes[lane];
    for (const record of records) {
      if (record.offset < state.next) continue;
      if (record.offset > state.next) {
        const detail = `offset ${record.offset} came where ${state.next} was due`;
        throw loss(lane, this.#options.partition, detail);
      }
      state.next = offset(record.offset + 1);
      state.waiting.push({ ...record, lane });
    }
    this.#options.onLag?.(lane, Math.max(end - state.next, 0) + state.waiting.length);
    if (state.waiting.length > 0) this.#arrived?.();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#roomMade = resolve;
    });
  }
}

const loss = (lane: Lane, partition: number, detail: string): TrunklineError =>
  new TrunklineError('log_loss', `${laneTopics[lane]}[${partition}] ${detail}`);
