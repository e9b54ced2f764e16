// Bench: what was found. Comes in: rows of figures. Goes out: a table on standard output, and the same as
// JSON and Markdown in bench/results.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { machine } from './measure.js';

/** One comparison. Figures are medians over the rounds. */
export interface Row {
  /** The number of the bench, as docs/benchmarks.md lists them. */
  readonly bench: number;
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  /** Null where there is nothing to compare with. */
  readonly bare: number | null;
  /** `ours / bare`, or `ours` itself without a comparison, must be on this side of it. */
  readonly target: { readonly atLeast: number } | { readonly atMost: number } | null;
  readonly rounds: { readonly ours: readonly number[]; readonly bare: readonly number[] };
}

const measured = ({ ours, bare }: Row): number => (bare === null ? ours : ours / bare);

function verdict(row: Row): string {
  if (row.target === null) return '–';
  const value = measured(row);
  const isReached =
    'atLeast' in row.target ? value >= row.target.atLeast : value <= row.target.atMost;
  return isReached ? 'reached' : 'missed';
}

function targetText({ target, bare }: Row): string {
  if (target === null) return '–';
  const times = bare === null ? '' : '×';
  return 'atLeast' in target ? `≥ ${target.atLeast}${times}` : `≤ ${target.atMost}${times}`;
}

const figure = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

/** The rows as a table in Markdown. */
export function table(rows: readonly Row[]): string {
  const head = ['bench', 'what', 'unit', 'Trunkline', 'bare parts', 'ratio', 'target', 'verdict'];
  const lines = rows.map((row) => [
    `(${row.bench})`,
    row.what,
    row.unit,
    figure(row.ours),
    row.bare === null ? '–' : figure(row.bare),
    row.bare === null ? '–' : `${figure(measured(row))}×`,
    targetText(row),
    verdict(row),
  ]);
  const widths = head.map((name, i) =>
    Math.max(name.length, ...lines.map((cells) => cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...lines.map(line)].join('\n');
}

/** Circumstances of a run that a reader must know. */
export interface Circumstances {
  readonly name: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly load: { readonly before: readonly number[]; readonly after: readonly number[] };
  readonly seconds: number;
}

/** Writes `bench/results/<date>-<name>.{json,md}` and returns the path without its ending. */
export function store(rows: readonly Row[], run: Circumstances): string {
  const directory = join('bench', 'results');
  mkdirSync(directory, { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  const path = join(directory, `${date}-${run.name}`);
  const about = machine();
  writeFileSync(
    `${path}.json`,
    `${JSON.stringify({ date, machine: about, run, rows }, null, 2)}\n`,
  );
  const facts = [
    ...Object.entries(about).map(([name, value]) => `${name} ${value}`),
    `load average before ${loads(run.load.before)}, after ${loads(run.load.after)}`,
    `${run.rounds} rounds${run.quick ? ' (quick)' : ''}, ${Math.round(run.seconds)} s in all`,
  ];
  const text = `# ${date}, ${run.name}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}\n\n${table(rows)}\n`;
  writeFileSync(`${path}.md`, text);
  return path;
}

const loads = (values: readonly number[]): string => values.map((v) => v.toFixed(1)).join(' ');
