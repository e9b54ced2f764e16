// Ingest: the spool looked at from outside, also beside the process that has it. Comes in: its directory.
// Goes out: what is on disk and what is wrong with it. Takes no lock and changes nothing.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { dataDirHolder } from '../runtime/data-dir.js';
import { readIfPresent } from '../runtime/durable-file.js';
import { decodeSegment, missingBefore } from './spool-record.js';
import { begunAt, partitionsIn, quarantineDirectory } from './spool.js';

/** One partition's share of the spool. */
export interface PartitionSurvey {
  readonly partition: number;
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
  /** When the oldest delivery came, ms since 1970; null when there is none. */
  readonly oldestAt: number | null;
}

/** `torn`: the end of a write that nobody was promised; `damaged`, `missing`: deliveries may be lost. */
export interface SpoolFault {
  readonly kind: 'torn' | 'damaged' | 'missing';
  readonly partition: number;
  /** Name of the segment's file. */
  readonly segment: string;
  /** Where it begins in the file; of what is missing: the start of the segment. */
  readonly at: number;
  /** Bytes that are torn or damaged; records that are missing. */
  readonly size: number;
}

export interface SpoolSurvey {
  readonly directory: string;
  /** The process that has the spool; null when none has. */
  readonly holder: { readonly pid: number; readonly purpose: string } | null;
  readonly records: number;
  readonly bytes: number;
  readonly oldestAt: number | null;
  readonly partitions: readonly PartitionSurvey[];
  readonly faults: readonly SpoolFault[];
  /** What earlier processes have kept aside. */
  readonly quarantined: { readonly files: number; readonly bytes: number };
}

/** Reads every frame of every segment. A directory that is not there is an empty spool. */
export async function surveySpool(directory: string): Promise<SpoolSurvey> {
  const holder = await dataDirHolder(directory);
  const partitions: PartitionSurvey[] = [];
  const faults: SpoolFault[] = [];
  for (const partition of await partitionsIn(directory).catch(nothingThere)) {
    partitions.push(await surveyPartition(directory, partition, faults));
  }
  const held = partitions.filter(({ segments }) => segments > 0);
  const ages = held.flatMap(({ oldestAt }) => oldestAt ?? []);
  return {
    directory,
    holder,
    records: held.reduce((sum, { records }) => sum + records, 0),
    bytes: held.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestAt: ages.length === 0 ? null : Math.min(...ages),
    partitions: held,
    faults,
    quarantined: await surveyQuarantine(join(directory, quarantineDirectory)),
  };
}

async function surveyPartition(
  directory: string,
  partition: number,
  faults: SpoolFault[],
): Promise<PartitionSurvey> {
  const folder = join(directory, `p-${partition}`);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.seg')).sort();
  const sum = { partition, segments: 0, records: 0, bytes: 0, oldestAt: null as number | null };
  let last: number | null = null;
  for (const segment of names) {
    const path = join(folder, segment);
    const bytes = await readIfPresent(path);
    // Drained meanwhile by the process that has the spool.
    if (bytes === null) continue;
    const { records, faults: damaged, end } = decodeSegment(bytes);
    const missing = missingBefore(last, records);
    const where = { partition, segment };
    for (const { at, bytes: size } of damaged) faults.push({ kind: 'damaged', ...where, at, size });
    if (missing > 0) faults.push({ kind: 'missing', ...where, at: 0, size: missing });
    const torn = bytes.length - end;
    if (torn > 0) faults.push({ kind: 'torn', ...where, at: end, size: torn });
    last = records.at(-1)?.sequence ?? last;
    sum.segments += 1;
    sum.records += records.length;
    sum.bytes += bytes.length;
    sum.oldestAt ??= await begunAt(path).catch(() => null);
  }
  return sum;
}

async function surveyQuarantine(directory: string): Promise<SpoolSurvey['quarantined']> {
  const names = await readdir(directory).catch(nothingThere);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name)).catch(() => null))?.size ?? 0),
  );
  return { files: names.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

function nothingThere(thrown: unknown): never[] {
  if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
  throw thrown;
}
