import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { defineConfig } from 'vitest/config';

// A test file that asks for a real service belongs to the project `real`, every other to `unit`.
const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name));
const needsServices = (file: string): boolean =>
  /services\/|\/e2e\//.test(file + readFileSync(file, 'utf8'));
// It breaks a whole installation and keeps the machine busy: it runs last, with nobody beside it.
const isChaos = (file: string): boolean => file.endsWith('e2e/chaos.test.ts');
const chaos = files.filter(isChaos);
const real = files.filter((file) => needsServices(file) && !isChaos(file));
const unit = files.filter((file) => !needsServices(file));

const common = { testTimeout: 60_000, hookTimeout: 180_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    poolOptions: { forks: { maxForks: 2 } },
    projects: [
      { test: { ...common, name: 'unit', include: unit } },
      { test: { ...common, name: 'real', include: real } },
      { test: { ...common, name: 'chaos', include: chaos, sequence: { groupOrder: 1 } } },
    ],
  },
});
