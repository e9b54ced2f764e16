// How partitions of `events` are read: density check, owner test, sequence test, in that order
// (design 3.1, 3.2 rule 3). Comes in: marks. Goes out: valid events with the mark after them.

import { toError, TrunklineError } from '../runtime/errors.js';
import type { Offset } from '../schemas/ids.js';
import { Opened, orAborted } from './abort.js';
import type { Clauses } from './clauses.js';
import type { Bounds, EventLog, FetchedRecords, Fetcher, StoredRecord } from './event-log.js';
import type { Mark } from './mark.js';
import { pause, type Sleep } from './pause.js';
import { PartitionReader, type ValidEvent } from './sequence.js';

export type { ValidEvent } from './sequence.js';

/** What a reader has to apply in one step: rows of `events`, and the mark from `before` to `mark`. */
export interface ValidBatch {
  readonly partition: number;
  readonly before: Mark;
  /** May be empty: markers, checkpoints and dropped records move the mark too. */
  readonly events: readonly ValidEvent[];
  readonly mark: Mark;
  /** End of the partition as far as this read knows, for lag. */
  readonly end: Offset;
}

export interface FollowOptions {
  readonly log: EventLog;
  /** A partition without a stored mark starts at `startMark`, the beginning. */
  readonly starts: ReadonlyMap<number, Mark>;
  readonly signal: AbortSignal;
  /** Most events of one batch. */
  readonly maxEvents: number;
  /** Longest wait for new records in ms; bounds how late an abort is noticed by the driver. */
  readonly maxWaitMs: number;
  /** A loss stops the reading of that whole partition for good; the others go on. */
  readonly onLoss: (partition: number, error: Error) => void;
  /** Told of each failed read that is tried again, e.g. while the brokers are away. */
  readonly onRetry?: (error: Error) => void;
  /** Default: a real timer. */
  readonly sleep?: Sleep;
  /** Test only, see `clauses.ts`. */
  readonly clauses?: Clauses;
}

const maxBytesPerPartition = 1 << 20;
const retryMs = { first: 100, most: 5_000 } as const;

/**
 * Follows the partitions of `starts` from their marks on, with one fetcher, until the signal aborts
 * or every partition has stopped on a loss. The next read is under way while a batch is worked on;
 * nothing is skipped when the caller is slow. Ends quietly on abort. A failed read is tried again
 * if its error is retryable, otherwise thrown.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<ValidBatch, void, void> {
  const readers = new Map<number, PartitionReader>();
  for (const [partition, mark] of options.starts) {
    readers.set(partition, new PartitionReader(mark, `events[${partition}]`, options.clauses));
  }
  const reads = new PartitionReads(options, readers);
  try {
    await reads.requireBounds();
    let coming = reads.next();
    while (readers.size > 0) {
      const fetched = await coming;
      if (fetched === 'aborted') return;
      const batches = fetched.flatMap((records) => judge(options, readers, records));
      coming = reads.next();
      yield* batches;
    }
  } finally {
    await reads.close();
  }
}

/** Cuts what was read into batches; a loss ends the partition after what stood before it. */
function judge(
  { maxEvents, onLoss }: FollowOptions,
  readers: Map<number, PartitionReader>,
  { partition, records, end }: FetchedRecords,
): readonly ValidBatch[] {
  const reader = readers.get(partition);
  if (reader === undefined) return [];
  const batches: ValidBatch[] = [];
  let before = reader.mark();
  let events: ValidEvent[] = [];
  const cut = (): void => {
    if (reader.next === before.next) return;
    const mark = reader.mark();
    batches.push({ partition, before, events, mark, end });
    before = mark;
    events = [];
  };
  try {
    requireNotShorter(reader, end, partition);
    for (const record of records) {
      readOne(reader, record, events);
      if (events.length >= maxEvents) cut();
    }
    cut();
  } catch (thrown) {
    cut();
    readers.delete(partition);
    onLoss(partition, toError(thrown));
  }
  return batches;
}

function readOne(reader: PartitionReader, record: StoredRecord, events: ValidEvent[]): void {
  const verdict = reader.read(record);
  if (verdict.kind === 'event') events.push(verdict.event);
}

function requireNotShorter(reader: PartitionReader, end: Offset, partition: number): void {
  if (end < reader.next) {
    throw new TrunklineError(
      'log_loss',
      `events[${partition}] ends at ${end}, before ${reader.next} that was applied: records are gone`,
    );
  }
}

/** The reads behind `follow`: one at a time, retried, stopped by the signal or by `close`. */
class PartitionReads {
  readonly #options: FollowOptions;
  readonly #readers: Map<number, PartitionReader>;
  /** Ends a read that is under way when the caller stops early. */
  readonly #stop = new AbortController();
  readonly #forward = (): void => {
    this.#stop.abort(this.#options.signal.reason);
  };
  readonly #opened = new Opened();
  #fetcher: Fetcher | null = null;
  #failures = 0;

  constructor(options: FollowOptions, readers: Map<number, PartitionReader>) {
    this.#options = options;
    this.#readers = readers;
    if (options.signal.aborted) this.#forward();
    options.signal.addEventListener('abort', this.#forward);
  }

  /** The next records of any partition. Its failure is seen by whoever awaits it, never unhandled. */
  next(): Promise<readonly FetchedRecords[] | 'aborted'> {
    const coming = this.#retried(() => this.#fetch());
    coming.catch(() => undefined);
    return coming;
  }

  /** A log that does not hold a mark's next offset has lost records: that partition stops. */
  async requireBounds(): Promise<boolean> {
    let lost = false;
    for (const [partition, reader] of [...this.#readers]) {
      const bounds = await this.#retried(() => this.#bounds(partition));
      if (bounds === 'aborted') return lost;
      if (bounds !== null && bounds.first <= reader.next && reader.next <= bounds.next) continue;
      lost = true;
      this.#readers.delete(partition);
      const held = bounds === null ? 'is not there' : `holds ${bounds.first} to ${bounds.next}`;
      this.#options.onLoss(
        partition,
        new TrunklineError('log_loss', `events[${partition}] ${held}, the mark is ${reader.next}`),
      );
    }
    return lost;
  }

  /** Null when there is no such partition: asking again would not make one. */
  async #bounds(partition: number): Promise<Bounds | null> {
    try {
      const asked = this.#options.log.bounds('events', partition);
      return await orAborted(asked, this.#stop.signal);
    } catch (thrown) {
      if (thrown instanceof TrunklineError && thrown.code === 'log_position') return null;
      throw thrown;
    }
  }

  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#forward);
    this.#stop.abort();
    await this.#opened.close();
  }

  async #fetch(): Promise<readonly FetchedRecords[]> {
    if (this.#readers.size === 0) return [];
    const { signal } = this.#stop;
    this.#fetcher ??= await this.#opened.add(this.#options.log.openFetcher(), signal);
    const positions = [...this.#readers].map(([partition, reader]) => ({
      topic: 'events' as const,
      partition,
      from: reader.next,
    }));
    const { maxWaitMs } = this.#options;
    return this.#fetcher.fetch(positions, { maxWaitMs, maxBytesPerPartition }, signal);
  }

  async #retried<T>(attempt: () => Promise<T>): Promise<T | 'aborted'> {
    for (;;) {
      try {
        if (this.#stop.signal.aborted) return 'aborted';
        const result = await attempt();
        this.#failures = 0;
        return result;
      } catch (thrown) {
        if (this.#stop.signal.aborted) return 'aborted';
        await this.#recover(toError(thrown));
      }
    }
  }

  /** Returns when another attempt may help; throws when it cannot. */
  async #recover(error: Error): Promise<void> {
    const code = error instanceof TrunklineError ? error.code : null;
    const isOutside = code === 'log_position';
    if (isOutside && (await this.requireBounds())) return;
    // Outside for one broker and inside for the next one: the leader has changed in between.
    const isPassing = isOutside || (error instanceof TrunklineError && error.retryable);
    if (!isPassing) throw error;
    this.#options.onRetry?.(error);
    await this.#opened.reset();
    this.#fetcher = null;
    const waitMs = Math.min(retryMs.first * 2 ** this.#failures, retryMs.most);
    this.#failures += 1;
    await (this.#options.sleep ?? pause)(waitMs, this.#stop.signal);
  }
}
