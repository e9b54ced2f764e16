// Command line, imports: how far an import is, kept on disk, so that it goes on after a crash or Ctrl-C. Comes
// in: what is durable. Goes out: where to go on, or that the source is not what it was.

import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import type { ImportProgress } from '../ingest/import.js';
import { readIfPresent, writeDurably } from '../runtime/durable-file.js';
import { TrunklineError } from '../runtime/errors.js';
import type { EndpointId } from '../schemas/ids.js';
import type { ImportSource } from './import-source.js';

const keptSchema = z.object({
  path: z.string(),
  endpoint: z.string(),
  fingerprint: z.string(),
  bytes: z.number(),
  lines: z.number(),
  taken: z.number(),
  refused: z.number(),
  isComplete: z.boolean(),
});

/** The position of one source into one endpoint. */
export interface ImportPosition {
  /** Of an import that was begun before; zero for a new one. */
  readonly from: ImportProgress;
  readonly isComplete: boolean;
  keep(progress: ImportProgress, isComplete: boolean): Promise<void>;
}

const nothing: ImportProgress = { lines: 0, taken: 0, refused: 0 };

/**
 * Reads the position of an import that was begun before. Throws `parameter_invalid` when the source has
 * changed since in what was read of it: then its lines are not where they were.
 */
export async function openPosition(
  dataDirectory: string,
  source: ImportSource,
  { endpoint, isFresh }: { readonly endpoint: EndpointId; readonly isFresh: boolean },
): Promise<ImportPosition> {
  const { path, fingerprint } = source;
  if (path === null) return { from: nothing, isComplete: false, keep: () => Promise.resolve() };
  const directory = join(dataDirectory, 'imports');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const name = createHash('sha256').update(`${endpoint}\0${path}`).digest('hex').slice(0, 24);
  const file = join(directory, `${name}.json`);
  if (isFresh) await rm(file, { force: true });
  const kept = await readKept(file);
  if (kept !== null) requireSame(kept, source);
  const bytes = source.bytes ?? 0;
  return {
    from: kept === null ? nothing : { lines: kept.lines, taken: kept.taken, refused: kept.refused },
    isComplete: kept?.isComplete === true && kept.bytes === bytes,
    keep: (progress, isComplete) => {
      const now = { path, endpoint, fingerprint, bytes, ...progress, isComplete };
      return writeDurably(file, `${JSON.stringify(now)}\n`);
    },
  };
}

async function readKept(file: string): Promise<z.output<typeof keptSchema> | null> {
  const bytes = await readIfPresent(file);
  if (bytes === null) return null;
  try {
    return keptSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    const detail = `${file} cannot be read; import with --from-start`;
    throw new TrunklineError('config_invalid', detail, { cause });
  }
}

/** A file may have grown at its end. */
function requireSame(kept: z.output<typeof keptSchema>, source: ImportSource): void {
  const hasShrunk = (source.bytes ?? 0) < kept.bytes;
  if (kept.fingerprint === source.fingerprint && !hasShrunk) return;
  throw new TrunklineError(
    'parameter_invalid',
    `${kept.path} has changed since ${kept.lines} lines of it were imported; import it with --from-start: ` +
      'what is in the log already is a duplicate',
  );
}
