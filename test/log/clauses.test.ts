// The clauses of the protocol are switches for tests. This holds that nothing else touches them.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { everyClause } from '../../log/clauses.js';
import { packageRoot } from '../../runtime/package-root.js';

const folders = [
  'schemas',
  'runtime',
  'log',
  'ingest',
  'processors',
  'projections',
  'gateway',
  'cli',
];

const sources = folders.flatMap((folder) =>
  readdirSync(path.join(packageRoot(), folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => path.join(folder, name)),
);
const textOf = (name: string): string => readFileSync(path.join(packageRoot(), name), 'utf8');

describe('the clauses of the log protocol', () => {
  it('are all in force by default', () => {
    const off = Object.entries(everyClause).filter(
      ([, value]) => value !== true && value !== 'end',
    );
    expect(off).toEqual([]);
  });

  it('are read in log/ only', () => {
    // Sentences have clauses too: whoever does not know the log means those.
    const readers = sources.filter((name) => {
      const text = textOf(name);
      return /from '[./]+log\//.test(text) && /\bclauses\b|everyClause/i.test(text);
    });
    expect(readers.filter((name) => !name.startsWith(`log${path.sep}`))).toEqual([]);
  });

  it('are never set outside tests: log/ passes on what it was given, or all of them', () => {
    const names = Object.keys(everyClause).join('|');
    const sets = new RegExp(`\\b(?:${names})\\s*:\\s*(?:false|'|!)|\\bclauses\\s*:\\s*\\{`);
    const setters = sources.filter((name) => sets.test(textOf(name)));
    expect(setters.filter((name) => name !== path.join('log', 'clauses.ts'))).toEqual([]);
  });
});
