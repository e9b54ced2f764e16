// The log (design section 3): the port that the drivers `kafka`, `embedded` and `memory` implement.
// A partition of a topic is a dense sequence of records; a batch is appended whole or not at all.

import type { Offset } from '../schemas/ids.js';

/** The topics by role; names and settings are in `topics.ts`. */
export type Topic = 'deliveries' | 'deliveries.bulk' | 'events' | 'dead-letters';

export interface LogRecord {
  /** The tenant id; never anything personal. */
  readonly key: string;
  /** The protocol header of `record-header.ts`: readable when the value is not. */
  readonly header: string;
  /** Avro in the Confluent wire format; null for markers and checkpoints. */
  readonly value: Buffer | null;
}

export interface StoredRecord extends LogRecord {
  readonly offset: Offset;
  /** The log's own clock (LogAppendTime), ms since 1970. */
  readonly appendedAt: number;
}

export interface FetchPosition {
  readonly topic: Topic;
  readonly partition: number;
  readonly from: Offset;
}

export interface FetchedRecords {
  readonly topic: Topic;
  readonly partition: number;
  /** In offset order, from `from` on or (a batch boundary) a little earlier; may be empty. */
  readonly records: readonly StoredRecord[];
  /** The offset the next appended record would get, as far as this read knows. */
  readonly end: Offset;
}

export interface FetchLimits {
  /** Longest wait for a first record, in ms. */
  readonly maxWaitMs: number;
  readonly maxBytesPerPartition: number;
}

/** Reads on its own connection, so that one long poll never delays another. Not for concurrent use. */
export interface Fetcher {
  /**
   * Waits until one of the positions has records or `maxWaitMs` is over. Positions are the
   * caller's; nothing is committed. A position before the first kept or after the next offset is a
   * `LogPositionError`, never a silent jump. Rejects with the signal's reason when aborted.
   */
  fetch(
    positions: readonly FetchPosition[],
    limits: FetchLimits,
    signal: AbortSignal,
  ): Promise<readonly FetchedRecords[]>;
  close(): Promise<void>;
}

/** The batch is durable on every in-sync replica; its first record stands at `baseOffset`. */
export interface AppendAck {
  readonly baseOffset: Offset;
  /** The log's own clock (LogAppendTime), ms since 1970; absent where an ack does not tell. */
  readonly appendedAt?: number;
}

/**
 * Appends one batch at a time in the order of the calls. Everything but an ack rejects with
 * `AppendUnknownError`: the batch may or may not be in the log, now or later (rule 7).
 */
export interface Appender {
  append(topic: Topic, partition: number, records: readonly LogRecord[]): Promise<AppendAck>;
  close(): Promise<void>;
}

export interface Bounds {
  /** The first offset still kept. */
  readonly first: Offset;
  /** The offset the next record will get. */
  readonly next: Offset;
}

/** Which partitions of `deliveries` this process is to own, as the group says. */
export interface AssignmentListener {
  assigned(partition: number): void;
  revoked(partition: number): void;
  /** Told once an assignment is complete: every partition is with somebody who is alive. */
  joined?(): void;
  /** Told when the process is no member any more, before its partitions are revoked. */
  lost?(): void;
}

export interface EventLog {
  readonly driver: 'kafka' | 'embedded' | 'memory';
  /** P, fixed when the topics were created. */
  readonly partitions: number;
  /** Records of one batch together must stay below this many bytes. */
  readonly maxBatchBytes: number;
  /** A new producer with a new identity for this one use (design 3.2, rule 1). */
  openAppender(): Promise<Appender>;
  openFetcher(): Promise<Fetcher>;
  bounds(topic: Topic, partition: number): Promise<Bounds>;
  /**
   * Joins the group of processors and reports assignments until the signal aborts. Assignment is a
   * hint for who should own a partition; safety rests on the markers alone.
   */
  joinProcessors(listener: AssignmentListener, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
