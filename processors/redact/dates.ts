// Redaction: dates that say a day and a year, birth dates and expiries that name a month. In: tokens. Out: candidates.
// A day without a year is no date of a person unless a cue says so.

import type { Candidates } from './candidates.js';
import { digitsOf } from './characters.js';
import { isDay } from './checksums.js';
import { cueBefore, isGuardedBefore } from './cues.js';
import { cue, flag, numberFlags } from './lexicon.js';
import { readRun } from './runs.js';
import { caseLower, kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';
import { sure, type PiiType } from './types.js';

const number = (tokens: Tokens, index: number): number => Number(digitsOf(tokens.textOf(index)));

/** Three numbers with one separator that make a day, a month and a year. */
function numericEnd(tokens: Tokens, at: number): number {
  const mark = tokens.mark(at + 1);
  const fits = mark !== '' && '/-.'.includes(mark) && tokens.mark(at + 3) === mark;
  if (!fits || tokens.kind(at + 2) !== kindDigits || tokens.kind(at + 4) !== kindDigits) return -1;
  for (let i = at + 1; i <= at + 4; i++) if (!tokens.touches(i)) return -1;
  const [a, b, c] = [number(tokens, at), number(tokens, at + 2), number(tokens, at + 4)];
  const sizes = [tokens.length(at), tokens.length(at + 2), tokens.length(at + 4)] as const;
  const yearFirst = sizes[0] === 4 && sizes[1] <= 2 && sizes[2] <= 2 && isDay(b, c);
  const yearLast =
    sizes[0] <= 2 &&
    sizes[1] <= 2 &&
    (sizes[2] === 4 || sizes[2] === 2) &&
    (isDay(a, b) || isDay(b, a));
  if (!yearFirst && !yearLast) return -1;
  const goesOn =
    tokens.mark(at + 5) === mark &&
    tokens.touches(at + 5) &&
    tokens.kind(at + 6) === kindDigits &&
    tokens.touches(at + 6);
  return goesOn || (tokens.mark(at - 1) === mark && tokens.touches(at)) ? -1 : at + 4;
}

/** "2024-06-05T09:15:30.500-07:00": the time goes with the day. */
function timeEnd(tokens: Tokens, last: number): number {
  if (
    tokens.kind(last + 1) !== kindWord ||
    !tokens.touches(last + 1) ||
    !/^t$/i.test(tokens.textOf(last + 1))
  )
    return last;
  let end = last + 1;
  while (
    tokens.touches(end + 1) &&
    (tokens.kind(end + 1) !== kindMark || ':.+-'.includes(tokens.mark(end + 1)))
  )
    end++;
  while (tokens.kind(end) === kindMark) end--;
  return end;
}

const isMonth = (tokens: Tokens, at: number): boolean => (tokens.flags(at) & flag.month) !== 0;

/** Day in digits or words that begins at a token, with "st"; the last token or -1. */
function dayEnd(tokens: Tokens, at: number): number {
  if (tokens.kind(at) === kindDigits) {
    const day = number(tokens, at);
    if (day < 1 || day > 31 || tokens.length(at) > 2) return -1;
    return tokens.touches(at + 1) && /^(?:st|nd|rd|th|er|e)$/i.test(tokens.textOf(at + 1))
      ? at + 1
      : at;
  }
  const flags = tokens.flags(at);
  if ((flags & flag.ordinal) !== 0) return at;
  if ((flags & flag.tens) !== 0 && (tokens.flags(at + 1) & (flag.ordinal | flag.digit)) !== 0)
    return at + 1;
  return (flags & (flag.digit | flag.teen | flag.tens)) !== 0 ? at : -1;
}

/** A year in four digits, two after an apostrophe, or words; the last token or -1. */
function yearEnd(tokens: Tokens, at: number): number {
  let next = at;
  while (/^(?:,|of|de|del|in|-|'|’|\/)$/i.test(tokens.textOf(next)) && next < at + 2) next++;
  if (tokens.kind(next) === kindDigits)
    return tokens.length(next) === 4 || (tokens.length(next) === 2 && next > at) ? next : -1;
  if ((tokens.flags(next) & numberFlags) === 0) return -1;
  const run = readRun(tokens, next);
  return run !== null && run.digits.length >= 2 && run.digits.length <= 6 ? run.last : -1;
}

interface Found {
  readonly first: number;
  readonly last: number;
  readonly hasDay: boolean;
  readonly hasYear: boolean;
}

/** "May 1st, 1977", "2 October 1971", "21-May-2021", "july twenty third nineteen ninety". */
function namedMonth(tokens: Tokens, month: number): Found {
  let first = month;
  let last = month;
  let hasDay = false;
  const of = /^(?:of|de|-|\/|\.)$/i.test(tokens.textOf(month - 1)) ? 1 : 0;
  for (let at = month - 1 - of; at >= month - 4 - of && at >= 0; at--) {
    if (dayEnd(tokens, at) !== month - 1 - of) continue;
    first = at;
    hasDay = true;
  }
  if (!hasDay) {
    const next = /^(?:the|-|\.|\/)$/i.test(tokens.textOf(month + 1)) ? month + 2 : month + 1;
    const end = dayEnd(tokens, next);
    if (end !== -1 && !(tokens.kind(next) === kindDigits && tokens.length(next) > 2)) {
      hasDay = true;
      last = end;
    }
  }
  const year = yearEnd(tokens, last + 1);
  return { first, last: year === -1 ? last : year, hasDay, hasYear: year !== -1 };
}

function typeOf(cues: number): PiiType {
  if ((cues & cue.birth) !== 0) return 'DATE_OF_BIRTH';
  return (cues & cue.expiry) !== 0 ? 'CREDIT_CARD_EXPIRY' : 'DATE_TIME';
}

/** Hyphens make "21-May" a date, as a form does; "may one" is none. */
function isDate(tokens: Tokens, { first, last, hasDay, hasYear }: Found, cues: number): boolean {
  if (first === last) return false;
  if ((cues & (cue.birth | cue.expiry)) !== 0) return true;
  const joined = /[-/]/.test(tokens.textOf(first, last)) && !/\s/.test(tokens.textOf(first, last));
  return joined || (hasDay && hasYear);
}

function monthAt(tokens: Tokens, at: number, found: Candidates): number {
  const date = namedMonth(tokens, at);
  const cues = cueBefore(tokens, date.first);
  if (!isDate(tokens, date, cues)) return at;
  const lower = tokens.written(at) === caseLower && tokens.length(at) <= 5;
  if (lower && !date.hasDay && (cues & (cue.birth | cue.expiry)) === 0) return at;
  const type = typeOf(cues);
  found.add({
    start: tokens.start(date.first),
    end: tokens.end(date.last),
    type,
    rule: 'date.month',
    score: sure.checked,
  });
  return date.last;
}

/** Finds dates. */
export function findDates(tokens: Tokens, found: Candidates): void {
  for (let i = 0; i < tokens.count; i++) {
    if (isMonth(tokens, i)) i = monthAt(tokens, i, found);
    else if (tokens.kind(i) === kindDigits) {
      const last = numericEnd(tokens, i);
      if (last === -1 || isGuardedBefore(tokens, i)) continue;
      const type = typeOf(cueBefore(tokens, i));
      found.add({
        start: tokens.start(i),
        end: tokens.end(timeEnd(tokens, last)),
        type,
        rule: 'date.numeric',
        score: sure.checked,
      });
      i = last;
    }
  }
}
