// The master key: from the environment, a file, or made at the first start in the data directory.
// Whoever loses it loses every sealed field, so it is never made twice and never overwritten.

import { randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from './config.js';
import { makeDataDir } from './data-dir.js';
import { syncDirectory } from './durable-file.js';
import { TrunklineError } from './errors.js';
import { keyBytes } from './seal.js';

export interface MasterKey {
  readonly key: Buffer;
  /** True when this call made it: whoever started the process must be told, with the path. */
  readonly created: boolean;
  /** The file it is in; null when it came from TRUNKLINE_MASTER_KEY. */
  readonly path: string | null;
}

export type MasterKeyConfig = Pick<
  Config,
  'TRUNKLINE_MASTER_KEY' | 'TRUNKLINE_MASTER_KEY_FILE' | 'TRUNKLINE_DATA'
>;

/** Throws `config_invalid` when a named file is missing or holds no key of 32 bytes. */
export async function loadMasterKey(config: MasterKeyConfig): Promise<MasterKey> {
  if (config.TRUNKLINE_MASTER_KEY !== undefined) {
    const key = Buffer.from(config.TRUNKLINE_MASTER_KEY, 'base64');
    if (key.length !== keyBytes) throw invalid('TRUNKLINE_MASTER_KEY is not 32 bytes in base64');
    return { key, created: false, path: null };
  }
  const named = config.TRUNKLINE_MASTER_KEY_FILE;
  if (named !== undefined) {
    const key = await readKeyFile(named);
    if (key === null) throw invalid(`TRUNKLINE_MASTER_KEY_FILE: there is no file ${named}`);
    return { key, created: false, path: named };
  }
  const path = join(await makeDataDir(config.TRUNKLINE_DATA), 'master.key');
  const present = await readKeyFile(path);
  if (present !== null) return { key: present, created: false, path };
  const created = await createKeyFile(path);
  const key = await readKeyFile(path);
  if (key === null) throw invalid(`the master key ${path} was removed while it was made`);
  return { key, created, path };
}

async function readKeyFile(path: string): Promise<Buffer | null> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new TrunklineError('config_invalid', `the master key ${path} cannot be read`, {
      cause: thrown,
    });
  }
  if (content.length === keyBytes) return content;
  const key = Buffer.from(content.toString('latin1').trim(), 'base64');
  if (key.length !== keyBytes) throw invalid(`${path} does not hold 32 bytes in base64`);
  return key;
}

/**
 * On disk (fsync) before its name appears, by a hard link that never overwrites: two processes that
 * start at once agree on one key. Returns false when another process was first.
 */
async function createKeyFile(path: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
    // The name too: what is sealed under a key that a power cut takes away is lost with it.
    await syncDirectory(dirname(path));
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  } finally {
    await unlink(draft);
  }
}

const invalid = (detail: string): TrunklineError => new TrunklineError('config_invalid', detail);
