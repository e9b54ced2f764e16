// Labelled texts of test/fixtures/pii and how they are counted (its README says what the fields mean).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { redactText } from '../../../processors/redact/redactor.js';
import type { RedactionSpan } from '../../../processors/redact/types.js';

export interface LabelledText {
  readonly id: string;
  readonly text: string;
  readonly tier: string;
  readonly entities: readonly { type: string; start: number; end: number }[];
  readonly strength?: string;
  readonly negativeKind?: string;
}

export function labelledTexts(file: string): LabelledText[] {
  const path = join(import.meta.dirname, '../../fixtures/pii', file);
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as LabelledText);
}

/** True when every letter and digit of the entity is inside a span. */
export function isCovered(
  { text }: LabelledText,
  { start, end }: { start: number; end: number },
  spans: readonly RedactionSpan[],
): boolean {
  for (let i = start; i < end; i++) {
    if (!/[\p{L}\p{N}]/u.test(text.charAt(i))) continue;
    if (!spans.some((span) => span.start <= i && i < span.end)) return false;
  }
  return true;
}

/** Found and all, by key. */
export class Tally {
  readonly counts = new Map<string, { found: number; all: number }>();

  add(key: string, isFound: boolean): void {
    const count = this.counts.get(key) ?? { found: 0, all: 0 };
    this.counts.set(key, { found: count.found + (isFound ? 1 : 0), all: count.all + 1 });
  }

  share(key: string): number {
    const { found, all } = this.counts.get(key) ?? { found: 0, all: 0 };
    return all === 0 ? NaN : found / all;
  }

  /** A table of one row a key. */
  table(): string {
    const rows = [...this.counts].sort(([a], [b]) => a.localeCompare(b));
    return rows
      .map(
        ([key, { found, all }]) =>
          `${key.padEnd(38)}${String(found).padStart(5)} /${String(all).padStart(4)}  ${(found / all).toFixed(3)}`,
      )
      .join('\n');
  }
}

/** Recall by tier and by tier and type. */
export function recallOf(texts: readonly LabelledText[]): Tally {
  const tally = new Tally();
  for (const row of texts) {
    if (row.strength === 'weak') continue;
    const { spans } = redactText(row.text);
    for (const entity of row.entities) {
      const isFound = isCovered(row, entity, spans);
      tally.add(row.tier, isFound);
      tally.add(`${row.tier} ${entity.type}`, isFound);
    }
  }
  return tally;
}

/** Share of texts without a value that came out changed, by tier. */
export function changedOf(texts: readonly LabelledText[]): Tally {
  const tally = new Tally();
  for (const row of texts) {
    if (row.entities.length > 0) continue;
    const kind = row.negativeKind === undefined ? row.tier : `${row.tier} (${row.negativeKind})`;
    tally.add(kind, redactText(row.text).text !== row.text);
  }
  return tally;
}
