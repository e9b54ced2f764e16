// How much the engine finds in labelled texts, and how much it leaves alone: the gates, and a table by type.

import { expect, test } from 'vitest';

import { changedOf, labelledTexts, recallOf } from './labelled.js';

const published = [...labelledTexts('pii-presidio.jsonl'), ...labelledTexts('pii-examples.jsonl')];
const own = labelledTexts('spoken-variants.jsonl');

test('values are found: core 0.97, sentence 0.90, spoken 0.95', () => {
  const recall = recallOf(published);
  process.stdout.write(`\n${recall.table()}\n`);
  expect(recall.share('core')).toBeGreaterThanOrEqual(0.97);
  expect(recall.share('sentence')).toBeGreaterThanOrEqual(0.9);
  expect(recall.share('spoken')).toBeGreaterThanOrEqual(0.95);
  expect(recall.share('extended')).toBeGreaterThanOrEqual(0.97);
});

test('texts without a value stay as they are: at most a tenth of them changes', () => {
  const changed = changedOf(published);
  process.stdout.write(`\nchanged although nothing is in it\n${changed.table()}\n`);
  for (const tier of ['hard-negative', 'spoken', 'sentence']) {
    expect(changed.share(tier), tier).toBeLessThanOrEqual(0.1);
  }
  expect(changed.share('hard-negative (format-or-checksum-fail)')).toBeLessThanOrEqual(0.1);
});

test('other ways to say the same are found, in four languages', () => {
  const recall = recallOf(own);
  process.stdout.write(`\n${recall.table()}\n`);
  expect(recall.share('variant')).toBeGreaterThanOrEqual(0.95);
});

test('ordinary talk with numbers in it is left alone', () => {
  expect(changedOf(own).share('talk')).toBeLessThanOrEqual(0.05);
});
