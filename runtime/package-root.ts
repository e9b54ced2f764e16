// Where the installed package lies. Code runs bundled in dist/ and unbundled in tests, so files that
// are read at run time (migrations, schemas, pages) are found from the package's root.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let root: string | undefined;

/** The directory that holds our package.json. */
export function packageRoot(): string {
  root ??= findUp(dirname(fileURLToPath(import.meta.url)));
  return root;
}

function findUp(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new Error('no package.json above the running code');
  return findUp(parent);
}
