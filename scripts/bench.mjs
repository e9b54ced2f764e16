// `npm run bench [-- 1 3 5] [--quick]`: bundles the product and the benches apart from dist/, so that a
// build beside it disturbs nothing, and runs the scenarios asked for (all without a number).

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, '.cache', 'bench');
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const bare = ['ingest', 'fastify', 'processor', 'gateway', 'fold', 'rows'];
const parts = [
  'sockets',
  'stages',
  'lookups',
  'verification',
  'flood',
  ...bare.map((name) => `bare/${name}`),
];
await build({
  entryPoints: {
    trunkline: join(root, 'cli/trunkline.ts'),
    ...Object.fromEntries(['run', ...parts].map((name) => [name, join(root, `bench/${name}.ts`)])),
  },
  outdir: out,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  logLevel: 'warning',
});

const run = spawn(process.execPath, [join(out, 'run.js'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => run.kill(signal));
process.exitCode = await new Promise((resolve) => run.on('close', (code) => resolve(code ?? 1)));
