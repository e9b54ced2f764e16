// Command line, imports: where the lines come from. Comes in: a file of NDJSON, a directory, or standard input.
// Goes out: its lines in an order that is the same each time, and what tells whether it is still the same.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Readable } from 'node:stream';

import type { SourceLine } from '../ingest/import.js';
import { TrunklineError } from '../runtime/errors.js';
import { readLines } from './ndjson.js';

/** What an import reads. */
export interface ImportSource {
  /** Absolute path; null for standard input, which cannot be gone on with. */
  readonly path: string | null;
  /** Of everything; null where it is not known. */
  readonly bytes: number | null;
  /** Of the names and sizes of a directory's files, of the beginning of a file. */
  readonly fingerprint: string;
  lines(): AsyncIterable<SourceLine>;
}

const headBytes = 64 * 1024;

/** Opens a file, a directory or, for `-`, standard input. Throws `parameter_invalid` for what is not there. */
export async function openSource(path: string, stdin: Readable): Promise<ImportSource> {
  if (path === '-') {
    return { path: null, bytes: null, fingerprint: '', lines: () => linesOf('line', stdin) };
  }
  try {
    const absolute = await realpath(path);
    const found = await stat(absolute);
    return found.isDirectory()
      ? await directorySource(absolute)
      : await fileSource(absolute, found.size);
  } catch (cause) {
    if (cause instanceof TrunklineError) throw cause;
    throw new TrunklineError('parameter_invalid', `${path} cannot be read`, { cause });
  }
}

async function fileSource(path: string, bytes: number): Promise<ImportSource> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    const fingerprint = digest([buffer.subarray(0, bytesRead)]);
    return { path, bytes, fingerprint, lines: () => fileLines(path, 'line') };
  } finally {
    await file.close();
  }
}

/** `.json` holds a delivery, `.ndjson` and `.jsonl` one a line; names that begin with `.` or `_` are left out. */
async function directorySource(path: string): Promise<ImportSource> {
  const names = (await readdir(path, { recursive: true })).filter(isDelivery).sort();
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(path, name))).size));
  if (names.length === 0) {
    const detail = `${path} holds no .json, .ndjson or .jsonl file`;
    throw new TrunklineError('parameter_invalid', detail);
  }
  const fingerprint = digest(names.map((name, i) => `${name}\0${sizes[i]}\n`));
  async function* lines(): AsyncGenerator<SourceLine> {
    for (const name of names) yield* fileLines(join(path, name), relative(path, join(path, name)));
  }
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { path, bytes, fingerprint, lines };
}

const isDelivery = (name: string): boolean =>
  /\.(json|ndjson|jsonl)$/.test(name) && !name.split(/[/\\]/).some((part) => /^[._]/.test(part));

async function* fileLines(path: string, name: string): AsyncGenerator<SourceLine> {
  if (path.endsWith('.json')) {
    yield { at: name, text: await readFile(path, 'utf8') };
    return;
  }
  yield* linesOf(name, createReadStream(path));
}

async function* linesOf(name: string, stream: Readable): AsyncGenerator<SourceLine> {
  let number = 0;
  for await (const text of readLines(stream)) {
    number += 1;
    yield { at: `${name} ${number}`, text };
  }
}

function digest(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
