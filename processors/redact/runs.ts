// Redaction, numbers as they are spoken: a run of digits, number words, letters and spelling words with hesitation and
// corrections between. In: tokens and a place. Out: the run with the digits it reads as; source offsets by its tokens.

import { compact, digitsOf, foldChar } from './characters.js';
import { flag, numberFlags } from './lexicon.js';
import { caseLower, kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';

/** What was read, from token `first` to `last`. */
export interface Run {
  readonly first: number;
  readonly last: number;
  /** Its digits in order, "double five" as 55, "twenty one" as 21. */
  readonly digits: string;
  /** Its letters and digits in order. */
  readonly chars: string;
  readonly letters: number;
  /** Parts that are words rather than digits. */
  readonly spoken: number;
  /** True when a word of an amount ("thousand") stands in it. */
  readonly isAmount: boolean;
  /** True when something was taken back in it ("no wait"): it holds more than one value. */
  readonly isRepaired: boolean;
}

const maxGap = 3;
const maxRepairGap = 9;
const maxItems = 80;
/** Letters and digits in one piece; longer ones are codes of machines. */
const maxGroup = 34;

class Reading {
  digits = '';
  chars = '';
  letters = 0;
  spoken = 0;
  isAmount = false;
  isRepaired = false;
  last = -1;
  lastTens = 0;

  put(text: string, spoken: boolean): void {
    this.digits += digitsOf(text);
    this.chars += text;
    this.letters += text.replace(/\d/g, '').length;
    if (spoken) this.spoken++;
  }
}

const isNumberWord = (tokens: Tokens, index: number): boolean =>
  (tokens.flags(index) & numberFlags) !== 0;

/** The next token that is no comma, hyphen or stop. */
const past = (tokens: Tokens, index: number): number =>
  tokens.kind(index) === kindMark && '-.,/'.includes(tokens.mark(index)) ? index + 1 : index;

const isNumeric = (tokens: Tokens, index: number): boolean =>
  isNumberWord(tokens, index) || tokens.kind(index) === kindDigits;

/** Something that goes on a run: a number, an "oh", a letter, a spelling word. */
function goesOn(tokens: Tokens, index: number): boolean {
  const at = past(tokens, index);
  const flags = tokens.flags(at);
  return (
    isNumeric(tokens, at) ||
    (flags & (flag.oh | flag.spelling)) !== 0 ||
    isSpelledLetter(tokens, at)
  );
}

/** "o" between letters is one of them: "l o w". */
function isLetterO(tokens: Tokens, at: number): boolean {
  if (!tokens.isLetter(at) || (tokens.flags(at) & flag.oh) === 0) return false;
  return (
    isSpelledLetter(tokens, at - 1) &&
    (isSpelledLetter(tokens, at + 1) || !isNumeric(tokens, at + 1))
  );
}

/** A single letter, but not the words "a" and "I", nor one before an apostrophe. */
function isSpelledLetter(tokens: Tokens, index: number): boolean {
  if (!tokens.isLetter(index) || !/[a-z]/i.test(tokens.textOf(index).normalize('NFD')))
    return false;
  const [before, after] = [tokens.mark(index - 1), tokens.mark(index + 1)];
  if (tokens.touches(index) && (before === "'" || before === '’')) return false;
  return after !== "'" && after !== '’';
}

const isPronoun = (tokens: Tokens, index: number): boolean =>
  'aiy'.includes(String.fromCharCode(foldChar(tokens.text.charCodeAt(tokens.start(index)))));

const initial = (tokens: Tokens, index: number): string =>
  String.fromCharCode(foldChar(tokens.text.charCodeAt(tokens.start(index)))).toUpperCase();

/** Tokens of "as in Sam" after the letter S; 0 when nothing of the sort follows. */
function spelledOut(tokens: Tokens, letter: number): number {
  const [one, two] = [
    tokens.textOf(letter + 1).toLowerCase(),
    tokens.textOf(letter + 2).toLowerCase(),
  ];
  const skip =
    one === 'as' && two === 'in' ? 2 : ['for', 'like', 'wie', 'comme', 'de'].includes(one) ? 1 : 0;
  if (skip === 0) return 0;
  const word = letter + skip + 1;
  return tokens.kind(word) === kindWord &&
    tokens.length(word) > 1 &&
    initial(tokens, word) === initial(tokens, letter)
    ? skip + 1
    : 0;
}

function readLetter(tokens: Tokens, at: number, reading: Reading, isNext: boolean): number {
  const explained = spelledOut(tokens, at);
  const follows = goesOn(tokens, at + 1);
  const loose = isPronoun(tokens, at) && tokens.written(at) === caseLower;
  const isPart = explained > 0 || (loose ? follows && isNext : follows || isNext);
  if (!isPart) return 0;
  if (
    isPronoun(tokens, at) &&
    !isNext &&
    reading.chars === '' &&
    !isSpelledLetter(tokens, at + 1) &&
    !isNumeric(tokens, at + 1)
  )
    return 0;
  reading.put(initial(tokens, at), true);
  return 1 + explained;
}

/** A group of digits with the letters that touch it. */
function readGroup(tokens: Tokens, at: number, reading: Reading): number {
  let last = at;
  while (tokens.touches(last + 1) && tokens.kind(last + 1) !== kindMark) {
    if (tokens.end(last) - tokens.start(at) > maxGroup) return 0;
    last++;
  }
  if (tokens.end(last) - tokens.start(at) > maxGroup) return 0;
  reading.put(compact(tokens.textOf(at, last)), false);
  return last - at + 1;
}

function readTens(tokens: Tokens, at: number, reading: Reading): number {
  const tens = tokens.value(at);
  const joins = /^(?:y|und|et)$/i.test(tokens.textOf(at + 1)) ? at + 2 : past(tokens, at + 1);
  const next = tokens.flags(joins);
  if ((next & flag.digit) !== 0 && tokens.value(joins) > 0) {
    reading.put(String(tens + tokens.value(joins)), true);
    return joins - at + 1;
  }
  if (
    (tens === 60 || tens === 80) &&
    (next & flag.teen) !== 0 &&
    /^s|^q/i.test(tokens.textOf(at))
  ) {
    reading.put(String(tens + tokens.value(joins)), true);
    return joins - at + 1;
  }
  reading.put(String(tens), true);
  return 1;
}

function readRepeat(tokens: Tokens, at: number, reading: Reading): number {
  const times = tokens.value(at);
  const next = at + 1;
  const flags = tokens.flags(next);
  if (tokens.isLetter(next) && initial(tokens, next) === 'U' && times === 2) reading.put('W', true);
  else if ((flags & flag.digit) !== 0) reading.put(String(tokens.value(next)).repeat(times), true);
  else if ((flags & flag.oh) !== 0) reading.put('0'.repeat(times), true);
  else if (tokens.isLetter(next)) reading.put(initial(tokens, next).repeat(times), true);
  else if (tokens.kind(next) === kindDigits && tokens.length(next) === 1) {
    reading.put(digitsOf(tokens.textOf(next)).repeat(times), true);
  } else return 0;
  return 2;
}

function readWord(tokens: Tokens, at: number, reading: Reading, isNext: boolean): number {
  const flags = tokens.flags(at);
  if ((flags & flag.digit) !== 0) reading.put(String(tokens.value(at)), true);
  else if ((flags & flag.teen) !== 0) reading.put(String(tokens.value(at)), true);
  else if ((flags & flag.tens) !== 0) return readTens(tokens, at, reading);
  else if ((flags & flag.repeat) !== 0) return readRepeat(tokens, at, reading);
  else if ((flags & flag.hundred) !== 0 && isNext) reading.put('00', true);
  else if ((flags & flag.scale) !== 0 && isNext) reading.isAmount = true;
  else if (isLetterO(tokens, at)) reading.put('O', true);
  else if ((flags & flag.oh) !== 0 && (goesOn(tokens, at + 1) || isNext)) reading.put('0', true);
  else if ((flags & flag.inner) !== 0 && isNext && isNumeric(tokens, at + 1))
    reading.put(String(tokens.value(at)), true);
  else if (isSpelledLetter(tokens, at)) return readLetter(tokens, at, reading, isNext);
  else if ((flags & flag.spelling) !== 0 && (isNext || goesOn(tokens, at + 1)))
    reading.put(initial(tokens, at), true);
  else return 0;
  return 1;
}

/** 0: the run ends here; 1: may stand inside; 2: somebody takes something back. */
function gapKind(tokens: Tokens, at: number): number {
  if (tokens.kind(at) === kindMark) return '-.,/()#+_:;?!…—–'.includes(tokens.mark(at)) ? 1 : 0;
  const flags = tokens.flags(at);
  if ((flags & flag.repair) !== 0)
    return tokens.value(at) === 1 && (flags & flag.digit) === 0 ? 2 : 1;
  return (flags & (flag.filler | flag.bridge)) !== 0 ? 1 : 0;
}

/** True where a run may begin: cheap, asked of every token. */
export function mayBeginRun(tokens: Tokens, at: number): boolean {
  const kind = tokens.kind(at);
  if (kind === kindDigits) return true;
  if (kind !== kindWord) return false;
  const hot = numberFlags | flag.oh | flag.spelling;
  return (tokens.flags(at) & hot) !== 0 || tokens.length(at) === 1;
}

function readItem(tokens: Tokens, at: number, reading: Reading, isNext: boolean): number {
  if (tokens.kind(at) === kindDigits) return readGroup(tokens, at, reading);
  if (tokens.kind(at) !== kindWord) return 0;
  if (tokens.kind(at + 1) === kindDigits && tokens.touches(at + 1) && tokens.length(at) <= 6) {
    return readGroup(tokens, at, reading);
  }
  return readWord(tokens, at, reading, isNext);
}

/** Reads the run that begins at a token; null when there is none. */
export function readRun(tokens: Tokens, first: number): Run | null {
  const reading = new Reading();
  let at = first;
  let gap = 0;
  let limit = maxGap;
  for (let items = 0; items < maxItems;) {
    const taken = readItem(tokens, at, reading, reading.last >= 0 && gap <= 1);
    if (taken > 0) {
      at += taken;
      reading.last = at - 1;
      reading.isRepaired ||= limit === maxRepairGap;
      items++;
      gap = 0;
      limit = maxGap;
      continue;
    }
    const kind = reading.last < 0 ? 0 : gapKind(tokens, at);
    if (kind === 2) limit = maxRepairGap;
    if (kind === 0 || ++gap > limit) break;
    at++;
  }
  if (reading.last < 0) return null;
  const { digits, chars, letters, spoken, isAmount, isRepaired, last } = reading;
  return { first, last, digits, chars, letters, spoken, isAmount, isRepaired };
}
