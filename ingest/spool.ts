// Ingest: the local spool of promise 1. Comes in: sealed records that the log did not take in time.
// Goes out: the same records in order per partition, once the log is back. Files: one directory per
// partition, append-only segments, each write followed by fdatasync before anyone is told.

import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { lockDataDir, type DataDir } from '../runtime/data-dir.js';
import { syncDirectory } from '../runtime/durable-file.js';
import type { FactRecord } from '../log/fact-record.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { decodeSegment, frameLength, missingBefore, type SpooledRecord } from './spool-record.js';
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
  /** For whoever finds the directory taken. Default: `trunkline ingest`. */
  readonly purpose?: string;
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
    const made = await mkdir(options.directory, { recursive: true, mode: 0o700 });
    if (made !== undefined) await syncDirectory(dirname(options.directory));
    const lock = await lockDataDir(options.directory, options.purpose ?? 'trunkline ingest');
    try {
      const spool = new Spool(options, lock);
      for (const partition of await partitionsIn(options.directory)) {
        await spool.#recover(partition);
      }
      return spool;
    } catch (thrown) {
      await lock.release();
      throw thrown;
    }
  }

  get maxBytes(): number {
    return this.options.maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.partitions().reduce((sum, partition) => sum + this.backlog(partition), 0);
  }

  /** When the oldest record came, ms since 1970; null when the spool is empty. */
  get oldestAt(): number | null {
    const ages = [...this.#partitions.values()].flatMap(({ oldestAt }) => oldestAt ?? []);
    return ages.length === 0 ? null : Math.min(...ages);
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
  async put(partition: number, record: FactRecord): Promise<SpoolOutcome> {
    const length = frameLength(record);
    if (length > this.options.maxBytes - this.#bytes) return 'full';
    this.#bytes += length;
    const isKept = await this.#partition(partition).write(record);
    if (!isKept) this.#bytes -= length;
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
      this.#reportDamage(partition, segment);
    }
    return { segment, records: decoded.records };
  }

  /** Forgets a segment whose records are all in the log. */
  async drop(partition: number, segment: Segment): Promise<void> {
    if (this.#partitions.get(partition)?.forget(segment) !== true) return;
    this.#bytes -= segment.bytes;
    if (segment.isQuarantined === true) await this.#quarantine(partition, segment);
    else await rm(segment.path, { force: true });
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
    let last: number | null = null;
    for (const name of names.sort()) {
      const path = join(this.#directoryOf(partition), name);
      const bytes = await readFile(path);
      const { records, faults, end } = decodeSegment(bytes);
      if (end < bytes.length) await this.#cut({ partition, path, bytes, end });
      // What is damaged is missing too, and said when it is drained.
      if (faults.length === 0) this.#reportMissing(partition, missingBefore(last, records));
      const segment = { path, bytes: end, records: records.length, begunAt: await begunAt(path) };
      this.#bytes += end;
      last = records.at(-1)?.sequence ?? last;
      queue.adopt(segment, last ?? 0);
    }
  }

  #reportMissing(partition: number, records: number): void {
    if (records === 0) return;
    const fields = { code: 'spool_gap', partition, records };
    this.options.logger.error(fields, 'deliveries are missing from the middle of the spool');
    this.options.onFault();
  }

  /** Bytes of a write that never ended and was never acknowledged. */
  async #cut(torn: TornSegment): Promise<void> {
    const { partition, path, bytes, end } = torn;
    const tail = bytes.subarray(end);
    const fields = { code: 'spool_torn_tail', partition, bytes: tail.length };
    this.options.logger.warn(fields, 'cut the torn end of a spool segment');
    // A disk that is full must not keep the process from starting: nobody waits for these bytes.
    await this.#keepAside(`p-${partition}-torn-${Date.now()}.part`, tail).catch(() => undefined);
    await truncate(path, end);
  }

  /** Damage inside what was acknowledged; the whole records of the segment go on. */
  #reportDamage(partition: number, segment: Segment): void {
    if (segment.isQuarantined === true) return;
    segment.isQuarantined = true;
    const keptAs = quarantineName(partition, segment);
    const fields = { code: 'spool_corrupt', partition, segment: segment.path, keptAs };
    this.options.logger.error(fields, 'a spool segment is damaged: some deliveries may be lost');
    this.options.onFault();
  }

  /** A damaged segment is kept aside for people: moved, so that a full disk takes it too. */
  async #quarantine(partition: number, segment: Segment): Promise<void> {
    const directory = join(this.options.directory, quarantineDirectory);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await rename(segment.path, join(directory, quarantineName(partition, segment)));
    } catch {
      await rename(segment.path, `${segment.path}.damaged`);
    }
  }

  async #keepAside(name: string, bytes: Buffer): Promise<void> {
    const directory = join(this.options.directory, quarantineDirectory);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, name), bytes, { mode: 0o600 });
  }
}

/** Where torn ends and damaged segments are kept aside. */
export const quarantineDirectory = 'quarantine';

const quarantineName = (partition: number, { path }: Segment): string =>
  `p-${partition}-${path.slice(-20)}`;

/** Partitions that have a directory in the spool, ascending. */
export async function partitionsIn(directory: string): Promise<number[]> {
  return (await readdir(directory))
    .flatMap((entry) => /^p-(\d+)$/.exec(entry)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** When a file was made; where the file system does not say, when it was last written. */
export async function begunAt(path: string): Promise<number> {
  const { birthtimeMs, mtimeMs } = await stat(path);
  return birthtimeMs > 0 ? birthtimeMs : mtimeMs;
}
