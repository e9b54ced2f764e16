// `npm run chaos -- --minutes N --seed S`: builds the product, bundles test/chaos apart from dist/, and runs it.

import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { bundle, root } from './bundle.mjs';

const args = process.argv.slice(2);
const isHelp = args.includes('--help') || args.includes('-h');
if (!isHelp) await run(process.execPath, [join(root, 'scripts/build.mjs')]);
const out = await bundle('chaos', { main: 'test/chaos/main.ts' });
process.exitCode = await run(process.execPath, [
  '--enable-source-maps',
  join(out, 'main.js'),
  ...args,
]);

/** In a group of its own, so that Ctrl-C reaches the run once, from here. */
async function run(command, parameters) {
  const child = spawn(command, parameters, { cwd: root, stdio: 'inherit', detached: true });
  const pass = (signal) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, pass);
  const code = await new Promise((resolve) => child.on('close', (exit) => resolve(exit ?? 1)));
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, pass);
  return code;
}
