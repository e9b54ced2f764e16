// `npm run model [-- --schedules 1e6 --seed N]`: bundles the model of the log protocol apart from dist/ and runs it.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outfile = join(root, '.cache', 'model', 'run.js');
await build({
  entryPoints: [join(root, 'test/log/simulation/run.ts')],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  logLevel: 'warning',
});

const run = spawn(process.execPath, [outfile, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
// Ctrl-C reaches the whole group; a signal to this process alone is handed on.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => run.kill('SIGTERM'));
process.exitCode = await new Promise((resolve) => run.on('close', (code) => resolve(code ?? 1)));
