// Redaction: addresses that are said aloud: "john dot smith at example dot com", "d w h i t at example dot com". In: tokens.
// Out: candidates. The domain decides: a word "at", then a name, then "dot" and a domain of the top level.

import type { Candidates } from './candidates.js';
import { fold } from './characters.js';
import { cue, flag, numberFlags } from './lexicon.js';
import { kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';
import { sure } from './types.js';

const dotWords = new Set(['dot', 'point', 'punto', 'punkt', 'period', '.']);
const joinWords = new Set(
  'dot point punto punkt period underscore dash hyphen plus minus guion tiret bindestrich unterstrich bajo . _ - +'.split(
    ' ',
  ),
);
const maxDomain = 8;
const maxLocal = 40;

const word = (tokens: Tokens, index: number): string => fold(tokens.textOf(index));

/** True where an address said aloud may have its "at": cheap, asked of every token. */
function isAt(tokens: Tokens, index: number): boolean {
  return (tokens.cues(index) & cue.at) !== 0 || tokens.mark(index) === '@';
}

/** The last token of a domain that begins here; -1 when none does. */
function domainEnd(tokens: Tokens, first: number): number {
  let last = -1;
  let sinceDot = 0;
  for (let i = first; i < first + maxDomain * 2 && i < tokens.count; i++) {
    const text = word(tokens, i);
    if (dotWords.has(text)) {
      if (sinceDot === 0) break;
      if ((tokens.flags(i + 1) & flag.domain) !== 0 && sinceDot <= maxDomain) last = i + 1;
      sinceDot = 0;
      continue;
    }
    const isStop =
      (tokens.cues(i) & cue.stop) !== 0 &&
      !joinWords.has(text) &&
      !tokens.isLetter(i) &&
      (tokens.flags(i) & (flag.domain | numberFlags)) === 0;
    if (last !== -1 && i > last) break;
    if (isStop || (tokens.kind(i) === kindMark && text !== '-')) break;
    sinceDot++;
  }
  return last;
}

const isSpelled = (tokens: Tokens, index: number): boolean =>
  tokens.isLetter(index) ||
  tokens.kind(index) === kindDigits ||
  (tokens.flags(index) & (numberFlags | flag.oh | flag.spelling)) !== 0;

/** The first token of what stands before "at": letters, digits and joins as far as they go, and a word or two. */
function localStart(tokens: Tokens, at: number): number {
  let first = at;
  let words = 0;
  for (let i = at - 1; i >= 0 && i >= at - maxLocal; i--) {
    const text = word(tokens, i);
    const isJoin = joinWords.has(text);
    if (tokens.kind(i) === kindMark && !isJoin && text !== ',') break;
    if (tokens.touches(i) && "'’".includes(tokens.mark(i - 1) || ' ')) break;
    if (isJoin || (text === ',' && isSpelled(tokens, i - 1))) {
      words = 0;
      continue;
    }
    if (tokens.kind(i) === kindWord && !isSpelled(tokens, i)) {
      const wasJoined = joinWords.has(word(tokens, i + 1));
      const usual =
        ((tokens.flags(i) & flag.common) !== 0 && first !== at) ||
        (tokens.cues(i) & cue.stop) !== 0;
      if (words >= 3 || (usual && !wasJoined)) break;
      words++;
    }
    first = i;
  }
  return first;
}

const signs: Readonly<Record<string, string>> = {
  ...{
    at: '@',
    arobase: '@',
    arroba: '@',
    dot: '.',
    point: '.',
    punto: '.',
    punkt: '.',
    period: '.',
  },
  ...{ underscore: '_', dash: '-', hyphen: '-', plus: '+', minus: '-', ',': '' },
};

/** The address as it would be written, so that both forms are one value. */
function written(tokens: Tokens, first: number, last: number): string {
  let text = '';
  for (let i = first; i <= last; i++) {
    const said = word(tokens, i);
    const isNumber = (tokens.flags(i) & numberFlags) !== 0;
    text += signs[said] ?? (isNumber ? String(tokens.value(i)) : said);
  }
  return text;
}

/** Finds addresses said aloud. */
export function findSpokenEmails(tokens: Tokens, found: Candidates): void {
  for (let i = 1; i < tokens.count; i++) {
    if (!isAt(tokens, i)) continue;
    const last = domainEnd(tokens, i + 1);
    if (last === -1) continue;
    const first = localStart(tokens, i);
    if (first === i) continue;
    const key = written(tokens, first, last);
    found.add({
      ...{ start: tokens.start(first), end: tokens.end(last), type: 'EMAIL_ADDRESS' as const },
      ...{ rule: 'email.spoken', score: sure.checked, key },
    });
    i = last;
  }
}
