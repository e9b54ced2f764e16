// Builds what `npx trunkline` runs: dist/trunkline.js (all stations, dependencies left outside) and
// dist/web (the live page). Types are checked by `npm run types`, not here.

import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

await build({
  entryPoints: { trunkline: join(root, 'cli/trunkline.ts') },
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: true,
  banner: { js: '#!/usr/bin/env node' },
  logLevel: 'warning',
});

const web = join(root, 'gateway/web');
if (existsSync(join(web, 'app.tsx'))) {
  await build({
    entryPoints: { app: join(web, 'app.tsx') },
    outdir: join(dist, 'web'),
    bundle: true,
    minify: true,
    platform: 'browser',
    target: ['es2022'],
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'warning',
  });
  for (const name of ['index.html', 'app.css', 'favicon.svg']) {
    if (existsSync(join(web, name))) cpSync(join(web, name), join(dist, 'web', name));
  }
}
