// Small files that must survive a power cut. In: a path and its bytes. Out: the file with the old
// content or the new one, never a part of either; names are synced as well as bytes.

import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces the file (mode 0600) as a whole: it is on disk, name and bytes, when this resolves. */
export async function writeDurably(path: string, bytes: Buffer | string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw thrown;
  }
  await syncDirectory(dirname(path));
}

/** The bytes of a file, or null when there is none. */
export async function readIfPresent(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

/** Puts the names of a directory on disk: those of files made, renamed and removed in it. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directory; its file system journals names by itself.
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
