// Redaction: what the words around a value say about it. In: tokens and a place. Out: cues, guards.

import { cue, flag, grammarCues } from './lexicon.js';
import { caseLower, caseUpper, kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';

/** Tokens before a value in which a cue counts, and after it. */
const reachBefore = 12;
const reachAfter = 6;

/** Groups of four of the longest IBAN. */
const maxCodeGroups = 9;

const generic = cue.number | cue.code | cue.last;
/** Cues that say which part of the thing is meant: its code, its last digits, its date. */
const qualifying = cue.code | cue.last | cue.cvv | cue.expiry;
const specific = ~(generic | grammarCues | cue.name | cue.address);

/** All cues before a value and after it, as one set. */
export function cuesAround(tokens: Tokens, first: number, last: number): number {
  let found = 0;
  for (let i = first - 1; i >= first - reachBefore && i >= 0; i--) found |= tokens.cues(i);
  for (let i = last + 1; i <= last + reachAfter; i++) found |= tokens.cues(i);
  return found & ~grammarCues;
}

/**
 * The nearest cue before a value that names its kind, with the generic ones passed on the way
 * ("number", "code", "last"). Two cues at one distance of words are both meant ("debit card account").
 */
export function cueBefore(tokens: Tokens, first: number, reach = reachBefore): number {
  let passed = 0;
  for (let i = first - 1; i >= first - reach && i >= 0; i--) {
    const cues = tokens.cues(i);
    passed |= cues & generic;
    if ((cues & specific) === 0) continue;
    let near = cues | (tokens.cues(i - 1) & specific);
    for (let before = i - 1; before >= i - 5; before--) near |= tokens.cues(before) & qualifying;
    return (near & ~grammarCues) | passed;
  }
  return passed;
}

/** Words that may stand between a guard and its number: "version number is". */
const passable = (tokens: Tokens, index: number): boolean =>
  tokens.kind(index) !== kindWord ||
  (tokens.cues(index) & (cue.number | cue.stop)) !== 0 ||
  (tokens.flags(index) & flag.filler) !== 0;

/** True when the words before say that the number is none of anybody: "version", "room", "order". */
export function isGuardedBefore(tokens: Tokens, first: number): boolean {
  for (let i = first - 1; i >= first - 4 && i >= 0; i--) {
    const cues = tokens.cues(i);
    if ((cues & cue.guardBefore) !== 0) return true;
    const named =
      (cues & cue.order) !== 0 && (tokens.cues(i + 1) & (cue.number | cue.identity)) === 0;
    if (named) return true;
    if (!passable(tokens, i)) return isCurrency(tokens.mark(i));
  }
  return isCurrency(tokens.mark(first - 1));
}

/** True when the word after makes the number an amount or a time: "dollars", "minutes", "%". */
export function isGuardedAfter(tokens: Tokens, last: number): boolean {
  const mark = tokens.mark(last + 1);
  if (mark === '%' || isCurrency(mark)) return true;
  return (tokens.cues(last + 1) & cue.guardAfter) !== 0;
}

const isCurrency = (mark: string): boolean => mark !== '' && '$€£¥₹'.includes(mark);

/** True for a usual word that lost the space after it: "my number is415 555 0132". */
export const isStuck = (tokens: Tokens, index: number): boolean =>
  tokens.kind(index) === kindWord &&
  tokens.length(index) > 1 &&
  tokens.written(index) === caseLower &&
  (tokens.cues(index) & (cue.stop | cue.number)) !== 0;

/** True inside a code that begins as an IBAN does and goes on in groups: what stands in it is no number of its own. */
export function isInsideCode(tokens: Tokens, first: number): boolean {
  let groups = 0;
  for (let i = first - 1; i >= 0 && groups < maxCodeGroups; i--) {
    if (tokens.start(i + 1) - tokens.end(i) > 1 || tokens.kind(i) === kindMark) return false;
    if (tokens.kind(i) === kindWord && (tokens.length(i) > 4 || tokens.written(i) === caseLower))
      return false;
    const begins =
      tokens.kind(i) === kindWord && tokens.written(i) === caseUpper && tokens.length(i) === 2;
    if (
      begins &&
      tokens.kind(i + 1) === kindDigits &&
      tokens.touches(i + 1) &&
      tokens.length(i + 1) === 2
    )
      return true;
    if (!tokens.touches(i)) groups++;
  }
  return false;
}
