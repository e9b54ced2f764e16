// Redaction, phone numbers as they are written, and long numbers that are nothing else. In: tokens at a digit, "+" or "(".
// Out: a candidate. Which numbers exist is not asked: what reads as a number to call is masked.

import { digitsOf } from './characters.js';
import { cueBefore, isGuardedAfter, isGuardedBefore, isInsideCode, isStuck } from './cues.js';
import { cue } from './lexicon.js';
import { isUniform } from './checksums.js';
import { kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';
import { sure, type Candidate } from './types.js';

interface Shape {
  readonly first: number;
  readonly last: number;
  readonly groups: readonly string[];
  readonly plus: boolean;
  readonly parens: boolean;
  readonly marks: string;
}

const maxDigits = 24;

/** Separators of a phone number between two groups; the index of the next digits, or -1. */
function nextDigits(tokens: Tokens, last: number): { at: number; marks: string } | null {
  let at = last + 1;
  let marks = '';
  while (at <= last + 3 && marks.length < 3 && tokens.kind(at) !== kindDigits) {
    const mark = tokens.mark(at);
    if (mark === '' || !'-.()/'.includes(mark)) return null;
    marks += mark;
    at++;
  }
  if (tokens.kind(at) !== kindDigits) return null;
  const gap = tokens.start(at) - tokens.end(last);
  return gap <= 4 && gap > 0 ? { at, marks } : null;
}

function shapeAt(tokens: Tokens, index: number): Shape | null {
  let first = index;
  const plus = tokens.mark(first) === '+';
  if (plus) first++;
  const parens = tokens.mark(first) === '(';
  if (parens) first++;
  if (
    tokens.kind(first) !== kindDigits ||
    (first > index && tokens.start(first) - tokens.end(index) > 1)
  )
    return null;
  const groups = [digitsOf(tokens.textOf(first))];
  let marks = '';
  let last = first;
  let size = tokens.length(first);
  for (;;) {
    const next = nextDigits(tokens, last);
    if (next === null || size + tokens.length(next.at) > maxDigits) break;
    groups.push(digitsOf(tokens.textOf(next.at)));
    size += tokens.length(next.at);
    marks += next.marks === '' ? ' ' : next.marks;
    last = next.at;
  }
  return { first: index, last, groups, plus, parens, marks };
}

const isYear = (group: string): boolean => /^(?:19|20)\d\d$/.test(group);

/** Lengths of groups as phone numbers have them around the world, national without a plus. */
const groupings =
  /^(?:1-)?(?:3-3-4|3-7|6-4|3-4|10)$|^1?11$|^(?:0|1|2|7|9[0-9]?)?-?3-3-4$|^[1-3]-3-3-4$|^(?:2-){4}2$|^5-[56]$|^5-3-3$|^[34]-[34]-[34]$|^4-4$|^3-2-2-[23]$|^4-[67]$|^4-3-3$|^[23]-[45]-4$|^2-8$|^3-[5-8]$|^[2-5]-[5-9]$|^3-3-2-2$|^3-3-3$|^4-2-2-2$|^2-3-2-2$/;

const lengthsOf = (groups: readonly string[]): string =>
  groups.map((group) => group.length).join('-');

/** Bare digits in one piece: what a national number looks like. */
const isNational = (digits: string): boolean =>
  /^(?:1?[2-9]\d\d[2-9]\d{6}|0[1-9]\d{8,9}|[67]\d{8})$/.test(digits);

/** 415 555 0132 in its usual groups: no other number is written so. */
const isNorthAmerican = ({ groups }: Shape): boolean =>
  /^(?:1-)?[2-9]\d\d-[2-9]\d\d-\d{4}$/.test(groups.join('-'));

function isPhone({ groups, plus, parens, marks }: Shape): boolean {
  const digits = groups.join('');
  if (isUniform(digits) || digits.length < 7) return false;
  if (plus) return digits.length <= 15;
  if (digits.length > 13) return false;
  if (groups.length === 1) return isNational(digits);
  if (groups.every(isYear) || groups.length > 6) return false;
  if (parens) return true;
  if (
    /^3-2-4$/.test(lengthsOf(groups)) ||
    (marks.includes('.') && groups.some((group) => group.length < 3) && digits.length < 10)
  )
    return false;
  return groupings.test(lengthsOf(groups));
}

/** A number of seven digits or more that is an amount: 12,345,678 or 1234567.89. */
function isAmount(tokens: Tokens, first: number, last: number): boolean {
  const joins = (mark: string): boolean => mark === ',' || mark === '.';
  const after = joins(tokens.mark(last + 1)) && tokens.kind(last + 2) === kindDigits;
  const before = joins(tokens.mark(first - 1)) && tokens.kind(first - 2) === kindDigits;
  return (
    (after && tokens.touches(last + 1) && tokens.touches(last + 2)) ||
    (before && tokens.touches(first))
  );
}

/** Letters at either end make the digits a part of a code: "DE00 3704", "a1b2". */
function isPartOfCode(tokens: Tokens, first: number, last: number): boolean {
  if (tokens.kind(last + 1) === kindWord && tokens.touches(last + 1)) return true;
  if (tokens.kind(first - 1) === kindWord && tokens.touches(first))
    return !isStuck(tokens, first - 1);
  if (tokens.mark(first - 1) === '-' && tokens.touches(first) && tokens.touches(first - 1)) {
    const [near, far] = [tokens.kind(first - 2), tokens.kind(first - 3)];
    return tokens.touches(first - 2) && near !== far && near !== kindMark && far !== kindMark;
  }
  return (
    tokens.kind(first - 1) === kindDigits &&
    tokens.kind(first - 2) === kindWord &&
    tokens.touches(first - 1)
  );
}

/**
 * The phone number that begins at a token, or (when `wide`) another number of seven digits or more that nothing says
 * is harmless.
 */
export function phoneAt(
  tokens: Tokens,
  index: number,
  wide: boolean,
): { readonly candidate: Candidate; readonly last: number } | null {
  const shape = shapeAt(tokens, index);
  if (shape === null) return null;
  const { first, last, groups } = shape;
  const size = groups.join('').length;
  if (size < 7 || isPartOfCode(tokens, first, last) || isAmount(tokens, first, last)) return null;
  if (isGuardedBefore(tokens, first) || isGuardedAfter(tokens, last)) return null;
  if (isInsideCode(tokens, first)) return null;
  const at = { start: tokens.start(first), end: tokens.end(last) };
  const isCued = (cueBefore(tokens, first, 6) & cue.phone) !== 0 && size <= 15;
  if (isPhone(shape) || isCued) {
    const score = shape.plus || isCued || isNorthAmerican(shape) ? sure.cued : sure.listed;
    return {
      candidate: { ...at, type: 'PHONE_NUMBER', rule: isCued ? 'phone.cue' : 'phone.shape', score },
      last,
    };
  }
  if (!wide || !isLongNumber(shape)) return null;
  return { candidate: { ...at, type: 'NUMBER', rule: 'number.long', score: sure.guessed }, last };
}

function isLongNumber({ groups, marks }: Shape): boolean {
  const digits = groups.join('');
  if (isUniform(digits) || groups.every(isYear)) return false;
  if (groups.length > 1 && digits.length > 19) return false;
  if (lengthsOf(groups) === '3-2-4') return false;
  return (
    groups.length === 1 || (!marks.includes('.') && groups.every((group) => group.length >= 3))
  );
}
