// What a data directory remembers of the log, for a start while the log is away: P, and the ids of the
// schemas. In: what the log said when it was there. Out: the same, or a refusal when it says otherwise.

import { join } from 'node:path';

import { readIfPresent, writeDurably } from '../runtime/durable-file.js';
import { TrunklineError } from '../runtime/errors.js';
import type { SchemaName } from './schema-history.js';

/** Memory of one log; `name` tells logs apart that one data directory meets (driver and prefix). */
export interface KnownLog {
  readonly name: string;
  /** P, fixed when the log was made: a tenant's partition follows from it. */
  readonly partitions: number;
  /** False while P is only what the configuration says: the log has not been seen yet. */
  readonly isConfirmed: boolean;
  /** What the registry gave; absent until one did. */
  readonly schemas?: KnownSchemas;
}

/** Ids that a schema registry gave the schemas of a build. */
export interface KnownSchemas {
  readonly registryUrl: string;
  /** Of the schemas that the ids were given to. */
  readonly fingerprint: string;
  readonly ids: Readonly<Record<SchemaName, number>>;
}

const fileName = 'log.json';

/** What is remembered; null in a directory that has met no log. Throws `config_invalid` for damage. */
export async function readKnownLog(dataDirectory: string): Promise<KnownLog | null> {
  const path = join(dataDirectory, fileName);
  const bytes = await readIfPresent(path);
  if (bytes === null) return null;
  try {
    return JSON.parse(bytes.toString('utf8')) as KnownLog;
  } catch (cause) {
    throw new TrunklineError(
      'config_invalid',
      `${path} cannot be read; remove it while the log answers, and it is made again`,
      { cause },
    );
  }
}

let writing: Promise<unknown> = Promise.resolve();

/** Remembers, durably; one change after the other. */
export function updateKnownLog(
  dataDirectory: string,
  change: (before: KnownLog | null) => KnownLog,
): Promise<void> {
  const update = async (): Promise<void> => {
    const known = change(await readKnownLog(dataDirectory));
    await writeDurably(join(dataDirectory, fileName), `${JSON.stringify(known, null, 2)}\n`);
  };
  const written = writing.then(update);
  writing = written.catch(() => undefined);
  return written;
}

/**
 * Why deliveries may not be taken under P = `partitions`; null when they may. What lies in a spool was
 * sorted by the P of its time; under another one it would meet newer deliveries of its tenant.
 */
export function partitionConflict(
  known: KnownLog | null,
  wanted: Pick<KnownLog, 'name' | 'partitions'>,
  spooledRecords: number,
): TrunklineError | null {
  if (known === null || known.partitions === wanted.partitions) return null;
  if (spooledRecords > 0) {
    return new TrunklineError(
      'topic_settings',
      `the spool holds ${spooledRecords} deliveries sorted into ${known.partitions} partitions, and ` +
        `TRUNKLINE_PARTITIONS is ${wanted.partitions}: run \`trunkline spool drain\`, which sorts ` +
        'them anew, then start again',
    );
  }
  if (known.name !== wanted.name || !known.isConfirmed) return null;
  return new TrunklineError(
    'config_invalid',
    `TRUNKLINE_PARTITIONS is ${wanted.partitions}, and the log of this data directory has ` +
      `${known.partitions}: P is fixed when the log is made; set TRUNKLINE_PARTITIONS=${known.partitions}`,
  );
}
