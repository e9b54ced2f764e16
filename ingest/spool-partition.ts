// Ingest: one partition's queue of spool segments. Comes in: frames. Goes out: `true` once they are on
// disk (all frames that wait share one write and one fdatasync), and closed segments, oldest first.

import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { syncDirectory } from '../runtime/durable-file.js';
import type { FactRecord } from '../log/fact-record.js';
import { encodeFrames } from './spool-record.js';

/** A segment file. `bytes` are those that were acknowledged. */
export interface Segment {
  readonly path: string;
  bytes: number;
  records: number;
  /** When its first record came, ms since 1970. */
  readonly begunAt: number;
  /** Set once its damage was reported. */
  isQuarantined?: boolean;
}

interface PartitionOptions {
  readonly partition: number;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly onError: (thrown: unknown) => void;
}

interface OpenSegment extends Segment {
  readonly file: FileHandle;
}

interface WaitingRecord {
  readonly record: FactRecord;
  readonly done: (isKept: boolean) => void;
}

/** Appends frames in order; one write at a time. */
export class SpoolPartition {
  readonly #closed: Segment[] = [];
  #open: OpenSegment | null = null;
  #waiting: WaitingRecord[] = [];
  #isWriting = false;
  /** Who waits for the segment under the pen to be closed. */
  #takers: (() => void)[] = [];
  #backlog = 0;
  #sequence = 0;
  #segmentNumber = 0;

  constructor(private readonly options: PartitionOptions) {}

  /** Records kept or being written. */
  get backlog(): number {
    return this.#backlog;
  }

  /** When the oldest record came, ms since 1970; null when there is none. */
  get oldestAt(): number | null {
    return (this.#closed[0] ?? this.#open)?.begunAt ?? null;
  }

  /** True once the record is on disk; false when the disk refused, then it is not there. */
  write(record: FactRecord): Promise<boolean> {
    return new Promise((done) => {
      this.#backlog += 1;
      this.#waiting.push({ record, done });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  /** A segment that an earlier process left; oldest first. */
  adopt(segment: Segment, lastSequence: number): void {
    this.#closed.push(segment);
    this.#backlog += segment.records;
    this.#sequence = Math.max(this.#sequence, lastSequence);
    this.#segmentNumber = Math.max(
      this.#segmentNumber,
      Number.parseInt(basename(segment.path), 10),
    );
  }

  /** The oldest segment, closed first if it is the one being written; null when there is none. */
  async takeHead(): Promise<Segment | null> {
    if (this.#closed.length === 0 && this.#isWriting) {
      await new Promise<void>((resolve) => this.#takers.push(resolve));
    }
    if (this.#closed.length === 0) await this.#closeOpen();
    return this.#closed[0] ?? null;
  }

  /** False when the segment is not the oldest one: it was forgotten before. */
  forget(segment: Segment): boolean {
    if (this.#closed[0] !== segment) return false;
    this.#closed.shift();
    this.#backlog -= segment.records;
    return true;
  }

  /** Waits for the frames that were written so far. */
  async close(): Promise<void> {
    while (this.#isWriting) await new Promise<void>((resolve) => this.#takers.push(resolve));
    await this.#closeOpen();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const isKept = await this.#writeBatch(batch);
      if (!isKept) this.#backlog -= batch.length;
      for (const frame of batch) frame.done(isKept);
      if (this.#takers.length > 0) await this.#closeOpen();
      for (const taker of this.#takers.splice(0)) taker();
    }
    this.#isWriting = false;
  }

  async #writeBatch(batch: readonly WaitingRecord[]): Promise<boolean> {
    try {
      const records = batch.map(({ record }) => record);
      const bytes = encodeFrames(this.#sequence + 1, this.options.partition, records);
      const segment = (this.#open ??= await this.#openSegment());
      await segment.file.appendFile(bytes);
      await segment.file.datasync();
      segment.bytes += bytes.length;
      segment.records += batch.length;
      this.#sequence += batch.length;
      if (segment.bytes >= this.options.segmentBytes) await this.#closeOpen();
      return true;
    } catch (thrown) {
      this.options.onError(thrown);
      await this.#giveUpOpen();
      return false;
    }
  }

  /**
   * What a failed write left behind is unknown: it is cut off, and nothing is written behind it. Where
   * even that fails, this process ends the segment at its last acknowledged byte, and the next one may
   * find deliveries that were refused: copies, once the provider has repeated them.
   */
  async #giveUpOpen(): Promise<void> {
    const segment = this.#open;
    if (segment === null) return;
    await segment.file
      .truncate(segment.bytes)
      .then(() => segment.file.datasync())
      .catch(this.options.onError);
    await this.#closeOpen();
  }

  async #openSegment(): Promise<OpenSegment> {
    const { directory } = this.options;
    const made = await mkdir(directory, { recursive: true, mode: 0o700 });
    // The names must survive a power cut as well as the bytes.
    if (made !== undefined) await syncDirectory(dirname(directory));
    this.#segmentNumber += 1;
    const name = `${String(this.#segmentNumber).padStart(16, '0')}.seg`;
    const path = join(directory, name);
    const file = await open(path, 'ax', 0o600);
    await syncDirectory(directory);
    return { path, file, bytes: 0, records: 0, begunAt: Date.now() };
  }

  async #closeOpen(): Promise<void> {
    const segment = this.#open;
    if (segment === null) return;
    this.#open = null;
    // In line before the wait, so that a segment opened meanwhile cannot get in front.
    if (segment.bytes > 0) this.#closed.push(segment);
    await segment.file.close().catch(this.options.onError);
    if (segment.bytes === 0) await rm(segment.path, { force: true }).catch(this.options.onError);
  }
}
