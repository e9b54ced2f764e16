// `npm run chaos` says how it is used without starting anything.

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('--help names every option and the exit codes', () => {
  const text = execFileSync(process.execPath, ['scripts/chaos.mjs', '--help'], {
    encoding: 'utf8',
  });
  for (const word of ['--minutes', '--seed', '--rate', '--out', '--json', 'Ctrl-C', 'Exit codes']) {
    expect(text).toContain(word);
  }
});
