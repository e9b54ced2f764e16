// Opt-out words: every labelled phrase, refusals in free words, and hundreds of ordinary replies that are none.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { classifyReply, classifySpeech } from '../../../processors/policy/opt-out/classify.js';
import { readKeywords } from '../../../processors/policy/opt-out/words.js';
import words from '../../../processors/policy/rules/opt-out-words.json' with { type: 'json' };

const keywords = readKeywords(words);
const fixture = (name: string): string => readFileSync(`test/fixtures/policy/${name}`, 'utf8');
const lines = (name: string): string[] => fixture(name).split('\n').filter(Boolean);
const label = (text: string, isAwaited = false) =>
  classifyReply(text, { keywords, isAwaited }).label;

const { phrases } = JSON.parse(fixture('opt-out-phrases.json')) as {
  readonly phrases: readonly { readonly text: string; readonly label: string }[];
};
const ordinary = lines('ordinary-replies.txt');
const refusals = lines('refusals.txt');

describe('keywords', () => {
  test.each(phrases)('$text is $label', ({ text, label: expected }) => {
    expect(label(text)).toBe(expected);
  });

  test('every word of the file, in any case, with punctuation and courtesies', () => {
    const { platform } = words;
    const stop = [...platform.stop, ...Object.values(platform.languages).flat()].filter(
      (word) => !['AIDE', 'HILFE', 'AJUDA', 'AIUTO'].includes(word),
    );
    const forms = (word: string) =>
      [
        word,
        word.toLowerCase(),
        `  ${word}. `,
        `"${word}"`,
        `${word}!!!`,
        `(${word})`,
        `${word} 🛑`,
      ].concat(`${word} please`, `Please ${word}`, word.normalize('NFD'));
    for (const word of stop)
      for (const form of forms(word)) expect(label(form), form).toBe('opt_out');
    for (const word of ['ｓｔｏｐ', 'ＳＴＯＰ', 's​top'.replace('\u200b', ''), 'STOP\nSTOP']) {
      expect(label(word), word).toBe('opt_out');
    }
    for (const word of ['AIDE', 'Hilfe!', 'ajuda', 'aiuto?', 'help please', 'help me']) {
      expect(label(word), word).toBe('help');
    }
  });

  test('"yes" is an opt-in only as an answer that we wait for', () => {
    for (const text of ['YES', 'yes', 'Yes!', 'yes please']) {
      expect(label(text)).toBe('none');
      expect(label(text, true)).toBe('opt_in');
    }
    expect(label('yes, stop texting me', true)).toBe('opt_out');
    expect(label('yesterday', true)).toBe('none');
  });
});

describe('free words', () => {
  test('what is taken for a refusal is one: precision at least 0.98 on the published lists', () => {
    const wrong = ordinary.filter((text) => label(text) === 'opt_out');
    const right = refusals.filter((text) => label(text) === 'opt_out').length;
    expect(ordinary.length).toBeGreaterThan(300);
    expect(wrong).toEqual([]);
    expect(right / (right + wrong.length)).toBeGreaterThanOrEqual(0.98);
  });

  test('refusals are seen: recall at least 0.98', () => {
    const missed = refusals.filter((text) => label(text) !== 'opt_out');
    expect(missed).toEqual([]);
  });

  test('what may be a refusal is kept for a person to read', () => {
    const doubtful = ['wrong number', 'not interested', 'haha stop it you', 'I will report you'];
    for (const text of doubtful) {
      expect(classifyReply(text, { keywords, isAwaited: false }), text).toMatchObject({
        label: 'none',
        tier: 3,
      });
    }
  });
});

describe('speech', () => {
  test.each([
    'yeah hi um can you take me off your list please',
    'do not call me again',
    'I already told you stop calling me',
    'look put me on your do not call list',
    'please remove my number from your system and have a nice day',
    'I do not want to be contacted any more',
  ])('is a refusal: %s', (text) => {
    expect(classifySpeech(text).label).toBe('opt_out');
  });

  test.each([
    'stop',
    'can we stop here for today',
    'I want to cancel my appointment on Tuesday',
    'do not call me before nine',
    'at the end',
    'please call me again tomorrow',
    'my brother told them to stop calling',
  ])('is none: %s', (text) => {
    expect(classifySpeech(text).label).toBe('none');
  });
});

describe('odd texts', () => {
  test.each([
    ['empty', ''],
    ['half a surrogate pair', '\ud83d stop \ude00'],
    ['a megabyte without a space', 'a'.repeat(1_000_000)],
    ['a megabyte of one word', 'stop '.repeat(200_000)],
    ['a megabyte of courtesies', 'please '.repeat(150_000)],
    ['a megabyte of commas', ','.repeat(1_000_000)],
    ['words that go together in two ways', 'no thanks '.repeat(199) + 'x'],
    ['objects that do', `stop ${'with the all of '.repeat(120)}x`],
    ['beginnings that do', `${'i want to '.repeat(190)}x`],
    ['beginnings of lists', `take me off ${'all of any of '.repeat(130)}x`],
    ['near a pattern', 'do not ever be keep to text any all of these those this '.repeat(20_000)],
  ])('%s is answered at once', (_, text) => {
    const begin = performance.now();
    expect(['none', 'opt_out']).toContain(label(text));
    expect(performance.now() - begin).toBeLessThan(500);
  });

  test('a refusal at the end of a long text is seen', () => {
    expect(label(`${'I wanted to say something. '.repeat(500)}Please stop texting me`)).toBe(
      'opt_out',
    );
  });
});
