// Ingest: one partition's queue of spool segments. Comes in: frames. Goes out: `true` once they are on
// disk (all frames that wait share one write and one fdatasync), and closed segments, oldest first.

import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { encodeFrame, type DeliveryRecord } from './spool-record.js';

/** A segment file. `bytes` are those that were acknowledged. */
export interface Segment {
  readonly path: string;
  bytes: number;
  records: number;
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

interface WaitingFrame {
  readonly bytes: Buffer;
  readonly done: (isKept: boolean) => void;
}

/** Appends frames in order; one write at a time. */
export class SpoolPartition {
  readonly #closed: Segment[] = [];
  #open: OpenSegment | null = null;
  #waiting: WaitingFrame[] = [];
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

  /** The record's frame under the next sequence number; null when it is larger than `room`. */
  frame(record: DeliveryRecord, room: number): Buffer | null {
    const frame = encodeFrame(this.#sequence + 1, this.options.partition, record);
    if (frame.length > room) return null;
    this.#sequence += 1;
    return frame;
  }

  /** True once the frame is on disk; false when the disk refused, then it may or may not be there. */
  write(bytes: Buffer): Promise<boolean> {
    return new Promise((done) => {
      this.#backlog += 1;
      this.#waiting.push({ bytes, done });
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

  async #writeBatch(batch: readonly WaitingFrame[]): Promise<boolean> {
    try {
      const bytes = Buffer.concat(batch.map((frame) => frame.bytes));
      const segment = (this.#open ??= await this.#openSegment());
      await segment.file.appendFile(bytes);
      await segment.file.datasync();
      segment.bytes += bytes.length;
      segment.records += batch.length;
      if (segment.bytes >= this.options.segmentBytes) await this.#closeOpen();
      return true;
    } catch (thrown) {
      this.options.onError(thrown);
      // What a failed write left behind is unknown, so nothing is written behind it: the segment ends
      // at its last acknowledged byte.
      await this.#closeOpen();
      return false;
    }
  }

  async #openSegment(): Promise<OpenSegment> {
    const { directory } = this.options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    this.#segmentNumber += 1;
    const name = `${String(this.#segmentNumber).padStart(16, '0')}.seg`;
    const path = join(directory, name);
    const file = await open(path, 'ax', 0o600);
    // The file's name must survive a power cut as well as its bytes.
    const parent = await open(directory, 'r');
    await parent.sync();
    await parent.close();
    return { path, file, bytes: 0, records: 0 };
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
