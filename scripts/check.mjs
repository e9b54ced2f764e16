// `npm run check`: types, lint, format, dead exports, import direction and unit tests, each said in a
// line. Stops at nothing, so that every fault is seen at once; exit 1 when one failed.

import { spawnSync } from 'node:child_process';

const steps = [
  ['types', 'node', ['node_modules/typescript-native/bin/tsc', '-p', 'tsconfig.json', '--noEmit']],
  [
    'lint',
    'npx',
    [
      'eslint',
      '.',
      '--max-warnings',
      '0',
      '--cache',
      '--cache-location',
      'node_modules/.cache/eslint/',
    ],
  ],
  ['format', 'npx', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['dead exports', 'npx', ['knip', '--no-progress']],
  ['unit tests', 'npx', ['vitest', 'run', '--project', 'unit', '--reporter', 'dot']],
];

let failed = 0;
for (const [name, command, args] of steps) {
  const begin = Date.now();
  const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  console.log(`${run.status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
  if (run.status !== 0) {
    failed += 1;
    console.log(`${run.stdout}${run.stderr}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
