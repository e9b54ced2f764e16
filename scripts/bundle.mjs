// Bundles TypeScript of this repository apart from dist/, so that a build beside it disturbs nothing, and runs it.

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Bundles `entryPoints` (name → file of the repository) into `.cache/<name>`, which is emptied; its path. */
export async function bundle(name, entryPoints) {
  const outdir = join(root, '.cache', name);
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  await build({
    entryPoints: Object.fromEntries(
      Object.entries(entryPoints).map(([entry, file]) => [entry, join(root, file)]),
    ),
    outdir,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    logLevel: 'warning',
  });
  return outdir;
}

/** Runs a bundled file with what the command line was given; its exit code is this process's. */
export async function runBundled(file) {
  const run = spawn(process.execPath, [file, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
  // Ctrl-C reaches the whole group; a signal to this process alone is handed on.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => run.kill('SIGTERM'));
  process.exitCode = await new Promise((resolve) => run.on('close', (code) => resolve(code ?? 1)));
}
