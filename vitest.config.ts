import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { defineConfig } from 'vitest/config';

// A test file that asks for a real service belongs to the project `real`, every other to `unit`.
const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name));
const needsServices = (file: string): boolean =>
  /services\/|\/e2e\//.test(file + readFileSync(file, 'utf8'));
const real = files.filter(needsServices);
const unit = files.filter((file) => !needsServices(file));

const common = { testTimeout: 60_000, hookTimeout: 180_000, pool: 'forks' } as const;

export default defineConfig({
  test: {
    poolOptions: { forks: { maxForks: 2 } },
    projects: [
      { test: { ...common, name: 'unit', include: unit } },
      { test: { ...common, name: 'real', include: real } },
    ],
  },
});
