// Command line: the version of this program, from its package.json.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { packageRoot } from '../runtime/package-root.js';

const file = z.object({ version: z.string() });

export const version = file.parse(
  JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')),
).version;
