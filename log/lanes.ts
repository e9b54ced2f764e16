// The source side of an owner: both lanes of one partition, read from after what is covered on
// (design 3.2, rules 2 and 9). Comes in: coverage. Goes out: inputs in order, real time first.

import { TrunklineError } from '../runtime/errors.js';
import type { Coverage } from '../schemas/events.js';
import { offset, type Offset } from '../schemas/ids.js';
import { orAborted } from './abort.js';
import type { EventLog, FetchedRecords, Fetcher, StoredRecord, Topic } from './event-log.js';

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
export const laneNames = ['realtime', 'bulk'] as const satisfies readonly Lane[];

/** While both lanes wait, every eighth input is from the bulk lane: its guaranteed share. */
const realtimePerBulk = 7;
/**
 * Most inputs of a micro-batch of the bulk lane alone: what comes in real time meanwhile waits for it to be decided
 * and appended. More would not be faster: a batch of this many already takes as long as an append.
 */
const bulkBatch = 16;
const maxBytesPerPartition = 1 << 20;
const maxWaitMs = 500;
const defaultQueueBytes = 8 << 20;
/** Most bytes of values in one micro-batch; one input is taken whatever its size. */
const maxTakenBytes = 4 << 20;

export interface LanesOptions {
  readonly log: EventLog;
  readonly partition: number;
  /** Reading starts at the next offset of each lane. */
  readonly covered: Coverage;
  /** Reading pauses on a lane while this many of its records, or `queueBytes` of values, wait. */
  readonly queueLimit: number;
  /** Default 8 MiB: few records may be large. */
  readonly queueBytes?: number;
  readonly signal: AbortSignal;
  /** Told how many records of a lane are not yet read. */
  readonly onLag?: (lane: Lane, records: number) => void;
}

interface LaneState {
  next: Offset;
  readonly waiting: SourceRecord[];
  /** Of the values in `waiting`. */
  bytes: number;
  /** Wakes the reading of this lane once inputs were taken. */
  roomMade: (() => void) | null;
}

/** Both lanes of a partition. `read` fills their queues, `take` empties them. */
export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes: Readonly<Record<Lane, LaneState>>;
  #sinceBulk = 0;
  #arrived: (() => void) | null = null;

  constructor(options: LanesOptions) {
    this.#options = options;
    const { realtime, bulk } = options.covered;
    this.#lanes = {
      realtime: { next: offset(realtime + 1), waiting: [], bytes: 0, roomMade: null },
      bulk: { next: offset(bulk + 1), waiting: [], bytes: 0, roomMade: null },
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

  /**
   * Reads one lane until the signal aborts; rejects with its reason, or with what went wrong. Each
   * lane has a fetcher of its own: a full lane waits for room without delaying the other one.
   */
  async read(lane: Lane, fetcher: Fetcher): Promise<never> {
    const { partition, queueLimit, queueBytes = defaultQueueBytes, signal } = this.#options;
    const state = this.#lanes[lane];
    const isFull = (): boolean => state.waiting.length >= queueLimit || state.bytes >= queueBytes;
    for (;;) {
      while (isFull()) await orAborted(roomIn(state), signal);
      const position = { topic: laneTopics[lane], partition, from: state.next };
      const limits = { maxWaitMs, maxBytesPerPartition };
      const [fetched] = await fetcher.fetch([position], limits, signal);
      if (fetched !== undefined) this.#accept(lane, fetched);
    }
  }

  /** At least one input, at most `max` and some megabytes, as soon as there is one. */
  async take(max: number): Promise<readonly SourceRecord[]> {
    while (laneNames.every((lane) => this.#lanes[lane].waiting.length === 0)) {
      await orAborted(this.#arrival(), this.#options.signal);
    }
    const taken: SourceRecord[] = [];
    let bytes = 0;
    const isBulkAlone = this.#lanes.realtime.waiting.length === 0;
    const most = isBulkAlone ? Math.min(max, bulkBatch) : max;
    while (taken.length < most && bytes < maxTakenBytes) {
      const lane = this.#nextLane(isBulkAlone);
      if (lane === null) break;
      const state = this.#lanes[lane];
      const input = state.waiting.shift();
      if (input === undefined) break;
      taken.push(input);
      const size = sizeOf(input);
      state.bytes -= size;
      bytes += size;
    }
    for (const lane of laneNames) this.#lanes[lane].roomMade?.();
    return taken;
  }

  /**
   * Null ends a micro-batch: beside inputs in real time the bulk lane has its share and no more, for what goes
   * together is appended together.
   */
  #nextLane(isBulkAlone: boolean): Lane | null {
    const { realtime, bulk } = this.#lanes;
    const bulkIsDue = this.#sinceBulk >= realtimePerBulk || isBulkAlone;
    if (bulk.waiting.length > 0 && bulkIsDue) {
      this.#sinceBulk = 0;
      return 'bulk';
    }
    if (realtime.waiting.length === 0) return null;
    this.#sinceBulk += 1;
    return 'realtime';
  }

  /** Offsets of our topics are dense: an earlier one was fetched before a seek, a later one is a loss. */
  #accept(lane: Lane, { records, end }: FetchedRecords): void {
    const state = this.#lanes[lane];
    for (const record of records) {
      if (record.offset < state.next) continue;
      if (record.offset > state.next) {
        const detail = `offset ${record.offset} came where ${state.next} was due`;
        throw loss(lane, this.#options.partition, detail);
      }
      state.next = offset(record.offset + 1);
      state.waiting.push({ ...record, lane });
      state.bytes += sizeOf(record);
    }
    this.#options.onLag?.(lane, Math.max(end - state.next, 0) + state.waiting.length);
    if (state.waiting.length > 0) this.#arrived?.();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }
}

const sizeOf = ({ value }: StoredRecord): number => value?.length ?? 0;

const roomIn = (state: LaneState): Promise<void> =>
  new Promise((resolve) => {
    state.roomMade = resolve;
  });

const loss = (lane: Lane, partition: number, detail: string): TrunklineError =>
  new TrunklineError('log_loss', `${laneTopics[lane]}[${partition}] ${detail}`);
