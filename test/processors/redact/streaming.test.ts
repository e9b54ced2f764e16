// However a text arrives, the same leaves, and nothing of a value leaves before it is known to be one.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Redactor, redactText, type Redacted } from '../../../processors/redact/redactor.js';
import { labelledTexts } from './labelled.js';

const examples = [
  ...labelledTexts('pii-examples.jsonl'),
  ...labelledTexts('spoken-variants.jsonl'),
];

function inPieces(pieces: readonly string[]): Redacted & { readonly emitted: readonly string[] } {
  const redactor = new Redactor();
  const parts = [...pieces.map((piece) => redactor.push(piece)), redactor.flush()];
  return {
    text: parts.map((part) => part.text).join(''),
    spans: parts.flatMap((part) => part.spans),
    emitted: parts.map((part) => part.text),
  };
}

/** Text and spans as one string: thousands are compared. */
const whole = ({ text, spans }: Redacted): string => JSON.stringify({ text, spans });

test('every cut of every example gives the same text and spans', () => {
  const wrong: string[] = [];
  for (const { text } of examples) {
    const expected = whole(redactText(text));
    for (let cut = 0; cut <= text.length; cut++) {
      if (whole(inPieces([text.slice(0, cut), text.slice(cut)])) !== expected)
        wrong.push(`${cut} ${text}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('one character at a time gives the same text and spans', () => {
  for (const { text } of examples) {
    expect(whole(inPieces(text.split(''))), text).toBe(whole(redactText(text)));
  }
});

test('a long call in random pieces gives the same text and spans', () => {
  const all = [...labelledTexts('pii-presidio.jsonl'), ...examples];
  const call = all.map(({ text }) => text).join(' ');
  const start = fc.integer({ min: 0, max: call.length - 2000 });
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 12, maxLength: 60 });
  fc.assert(
    fc.property(start, sizes, (from, lengths) => {
      const text = call.slice(from, from + 2000);
      const pieces: string[] = [];
      let at = 0;
      for (let i = 0; at < text.length; i++) {
        const size = lengths[i % lengths.length] ?? 1;
        pieces.push(text.slice(at, at + size));
        at += size;
      }
      expect(whole(inPieces(pieces))).toBe(whole(redactText(text)));
    }),
    { numRuns: 25 },
  );
});

test('any text at all, cut anywhere, gives the same and never throws', () => {
  const atoms = [
    'five ',
    'oh ',
    '4242',
    '-',
    ' at ',
    'dot com',
    '@',
    'a',
    ' ',
    '\ud83d',
    '\ude00',
    'Mr. ',
    'my name is ',
    '١٢٣',
    '.',
    '\n',
    'GB82',
    'ß',
  ];
  const unit = fc.oneof(fc.constantFrom(...atoms), fc.string({ unit: 'binary', maxLength: 6 }));
  fc.assert(
    fc.property(
      fc.array(unit, { maxLength: 80 }),
      fc.array(fc.nat(300), { maxLength: 6 }),
      (parts, cuts) => {
        const text = parts.join('');
        const places = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length].sort(
          (a, b) => a - b,
        );
        const pieces = places.slice(1).map((place, index) => text.slice(places[index], place));
        expect(whole(inPieces(pieces))).toBe(whole(redactText(text)));
      },
    ),
    { numRuns: 300 },
  );
});

test('no digit of a card that is cut at any place ever leaves', () => {
  const said =
    'so the number on it is four two four two, four two four two, four two four two, four two four two thanks';
  const typed = 'my card is 4242 4242 4242 4242 and that is all I have to say about it today';
  const leaked: string[] = [];
  for (const text of [said, typed]) {
    for (let cut = 0; cut <= text.length; cut++) {
      const { emitted } = inPieces([text.slice(0, cut), text.slice(cut)]);
      leaked.push(...emitted.filter((part) => /\d{2}|four|two/.test(part)));
    }
  }
  expect(leaked).toEqual([]);
});

test('calm talk leaves while the call goes on', () => {
  const redactor = new Redactor();
  const talk =
    'we would really appreciate some more patience while everybody here looks into what happened yesterday evening because ';
  const { text } = redactor.push(talk.repeat(3));
  expect(text.length).toBeGreaterThan(talk.length * 1.5);
});

describe('an endless text', () => {
  const million = 1_000_000;
  const slow = new Set(['digits with hyphens', 'letters and digits', 'ats and dots']);
  const endless: Readonly<Record<string, string>> = {
    letters: 'a',
    digits: '1234567890',
    'one digit': '7',
    'digits with hyphens': '1-',
    'letters and digits': 'A1',
    'lone surrogates': '\ud800',
    'ats and dots': 'a@b.',
    'number words': 'five ',
    'white space': ' ',
  };

  test.each(Object.keys(endless))('of %s is held in bounded memory', (name) => {
    const atom = endless[name] ?? '';
    const text = atom.repeat((slow.has(name) ? million / 4 : million) / atom.length);
    const redactor = new Redactor();
    let most = 0;
    for (let at = 0; at < text.length; at += 8192) {
      redactor.push(text.slice(at, at + 8192));
      most = Math.max(most, redactor.heldBack);
    }
    redactor.flush();
    expect(most).toBeLessThan(32 * 1024);
  });

  test('of digits is a value as a whole, and so is what stands at its end', () => {
    const { text, spans } = redactText(`my number is ${'12345'.repeat(100_000)} thanks`);
    expect(text).toBe('my number is [NUMBER_1] thanks');
    expect(spans).toHaveLength(1);
    const tail = redactText(`${'a'.repeat(50_000)}.john@example.com`);
    expect(tail.text.endsWith('[EMAIL_1]')).toBe(true);
  });
});
