// Design section 12: imports run one way, stations never import each other, and pure code stays pure.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stations = ['ingest', 'processors', 'projections', 'gateway', 'scheduler'];

/** Folder → folders it may import from. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  schemas: ['schemas'],
  runtime: ['schemas', 'runtime'],
  log: ['schemas', 'runtime', 'log'],
  ...Object.fromEntries(stations.map((name) => [name, ['schemas', 'runtime', 'log', name]])),
};

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

function sources(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(root, folder, name))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }));
}

function imports(file: SourceFile): string[] {
  return [...file.text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    (match) => match[1] ?? '',
  );
}

describe.each(Object.keys(allowed))('%s', (folder) => {
  test('imports only from where it may', () => {
    const wrong = sources(folder).flatMap((file) =>
      imports(file)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => relative(root, join(root, dirname(file.path), specifier)).split('/')[0])
        .filter((target) => target !== undefined && !(allowed[folder] ?? []).includes(target))
        .map((target) => `${file.path} imports ${target ?? ''}`),
    );
    expect(wrong).toEqual([]);
  });
});

test('decisions, folds and schemas have no clock, chance, I/O or environment', () => {
  const impure =
    /Date\.now|new Date\(\)|Math\.random|randomUUID|randomBytes|process\.|setTimeout|\bfetch\(|from 'node:(?!crypto)|\bawait\b/;
  const wrong = ['schemas', 'processors/call', 'processors/message', 'processors/policy']
    .flatMap(sources)
    .filter((file) => impure.test(file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')));
  expect(wrong.map((file) => file.path)).toEqual([]);
});

test('only the configuration reads the environment', () => {
  // uWebSockets.js takes one limit from the environment and from nowhere else; it is set there.
  const exceptions = ['runtime/config.ts', 'runtime/uws.ts'];
  const wrong = ['schemas', 'runtime', 'log', ...stations]
    .flatMap(sources)
    .filter((file) => !exceptions.includes(file.path))
    .filter((file) => /process\.env/.test(file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')));
  expect(wrong.map((file) => file.path)).toEqual([]);
});
