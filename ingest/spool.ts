// Ingest: the local spool of promise 1. Comes in: sealed records that the log did not take in time.
// Goes out: the same records in order per partition, once the log is back. Files: one directory per
// partition, append-only segments, each write followed by fdatasync before anyone is told.

import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { lockDataDir, type DataDir } from '../runtime/data-dir.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { decodeSegment, type DeliveryRecord, type SpooledRecord } from './spool-record.js';
import { SpoolPartition, type Segment } from './spool-partition.js';

/** `kept`: on disk; `full`: over the bound, nothing was kept; `failed`: the disk refused. */
export type SpoolOutcome = 'kept' | 'full' | 'failed';

export interface SpoolOptions {
  /** Made with mode 0700; its files with 0600. */
  readonly directory: string;
  /** Bound of all segments together; 0 switches the spool off. */
  readonly maxBytes: number;
  /** A segment is closed at this size; at most so much is drained twice after a crash. */
  readonly segmentBytes?: number;
  readonly logger: Logger;
  /** Called for each stretch of damage found. */
  readonly onFault: () => void;
}

/** One closed segment with what could be read of it. */
export interface SpoolHead {
  readonly segment: Segment;
  readonly records: readonly SpooledRecord[];
}

interface TornSegment {
  readonly partition: number;
  readonly path: string;
  readonly bytes: Buffer;
  /** Where the torn write begins. */
  readonly end: number;
}

/** A bounded queue on disk per partition. One process at a time owns the directory. */
export class Spool {
  readonly #partitions = new Map<number, SpoolPartition>();
  #bytes = 0;

  private constructor(
    private readonly options: SpoolOptions,
    private readonly lock: DataDir,
  ) {}

  /** Takes the directory, cuts torn tails and counts what an earlier process left. */
  static async open(options: SpoolOptions): Promise<Spool> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const lock = await lockDataDir(options.directory, 'trunkline ingest');
    const spool = new Spool(options, lock);
    for (const entry of await readdir(options.directory)) {
      const partition = /^p-(\d+)$/.exec(entry)?.[1];
      if (partition !== undefined) await spool.#recover(Number(partition));
    }
    return spool;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.partitions().reduce((sum, partition) => sum + this.backlog(partition), 0);
  }

  /** Partitions that have something to drain. */
  partitions(): number[] {
    return [...this.#partitions.keys()].filter((partition) => this.backlog(partition) > 0);
  }

  /** Records of the partition that are kept or being written. */
  backlog(partition: number): number {
    return this.#partitions.get(partition)?.backlog ?? 0;
  }

  /** Resolves when the record is on disk. Records of a partition keep the order of the calls. */
  async put(partition: number, record: DeliveryRecord): Promise<SpoolOutcome> {
    const queue = this.#partition(partition);
    const frame = queue.frame(record, this.options.maxBytes - this.#bytes);
    if (frame === null) return 'full';
    this.#bytes += frame.length;
    const isKept = await queue.write(frame);
    if (!isKept) this.#bytes -= frame.length;
    return isKept ? 'kept' : 'failed';
  }

  /** The oldest segment, closed for writing; null when the partition has nothing left. */
  async head(partition: number): Promise<SpoolHead | null> {
    const queue = this.#partitions.get(partition);
    const segment = (await queue?.takeHead()) ?? null;
    if (segment === null) return null;
    const bytes = (await readFile(segment.path)).subarray(0, segment.bytes);
    const decoded = decodeSegment(bytes);
    if (decoded.faults.length > 0 || decoded.end < bytes.length) {
      await this.#quarantine(partition, segment, bytes);
    }
    return { segment, records: decoded.records };
  }

  /** Forgets a segment whose records are all in the log. */
  async drop(partition: number, segment: Segment): Promise<void> {
    if (this.#partitions.get(partition)?.forget(segment) !== true) return;
    this.#bytes -= segment.bytes;
    await rm(segment.path, { force: true });
  }

  /** Waits for writes under way and gives the directory back. */
  async close(): Promise<void> {
    for (const queue of this.#partitions.values()) await queue.close();
    await this.lock.release();
  }

  #partition(partition: number): SpoolPartition {
    const known = this.#partitions.get(partition);
    if (known !== undefined) return known;
    const made = new SpoolPartition({
      partition,
      directory: this.#directoryOf(partition),
      segmentBytes: this.options.segmentBytes ?? 1024 * 1024,
      onError: (thrown) => {
        const error = toError(thrown).message;
        this.options.logger.error({ code: 'spool_failed', partition, error }, 'spool not writable');
      },
    });
    this.#partitions.set(partition, made);
    return made;
  }

  #directoryOf(partition: number): string {
    return join(this.options.directory, `p-${partition}`);
  }

  async #recover(partition: number): Promise<void> {
    const queue = this.#partition(partition);
    const names = (await readdir(this.#directoryOf(partition))).filter((n) => n.endsWith('.seg'));
    for (const name of names.sort()) {
      const path = join(this.#directoryOf(partition), name);
      const bytes = await readFile(path);
      const { records, end } = decodeSegment(bytes);
      if (end < bytes.length) await this.#cut({ partition, path, bytes, end });
      const segment = { path, bytes: end, records: records.length };
      this.#bytes += end;
      queue.adopt(segment, records.at(-1)?.sequence ?? 0);
    }
  }

  /** Bytes of a write that never ended and was never acknowledged. */
  async #cut(torn: TornSegment): Promise<void> {
    const { partition, path, bytes, end } = torn;
    const tail = bytes.subarray(end);
    const fields = { code: 'spool_torn_tail', partition, bytes: tail.length };
    this.options.logger.warn(fields, 'cut the torn end of a spool segment');
    await this.#keepAside(`p-${partition}-torn-${Date.now()}.part`, tail);
    await truncate(path, end);
  }

  /** Damage inside what was acknowledged: the segment is kept aside for people, its rest goes on. */
  async #quarantine(partition: number, segment: Segment, bytes: Buffer): Promise<void> {
    if (segment.isQuarantined === true) return;
    segment.isQuarantined = true;
    const name = `p-${partition}-${segment.path.slice(-20)}`;
    const fields = { code: 'spool_corrupt', partition, segment: segment.path, keptAs: name };
    this.options.logger.error(fields, 'a spool segment is damaged: some deliveries may be lost');
    this.options.onFault();
    await this.#keepAside(name, bytes);
  }

  async #keepAside(name: string, bytes: Buffer): Promise<void> {
    const directory = join(this.options.directory, 'quarantine');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, name), bytes, { mode: 0o600 });
  }
}
