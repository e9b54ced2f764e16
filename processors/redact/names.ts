// Redaction: names of people, by what announces them ("my name is", "doctor", "my wife") and by lists of names. In: tokens.
// Out: candidates. Capital letters count where the text has them; most transcripts do not.

import type { Candidates } from './candidates.js';
import { cue, flag, givenFlags, grammarCues } from './lexicon.js';
import { caseCapital, caseLower, kindMark, kindWord, type Tokens } from './tokens.js';
import { fold } from './characters.js';
import { sure } from './types.js';

const surnameFlags = flag.clearSurname | flag.ambiguousSurname;
const nameFlags = givenFlags | surnameFlags;
const particles = new Set(
  'de da del della di do dos du la le van von der den ter bin al el ben san st mac mc y e'.split(
    ' ',
  ),
);
const weakTitles = new Set(
  'sir madam maam don dona judge nurse officer captain sergeant pastor miss agent sr'.split(' '),
);
const links = new Set(
  "is 's s es ist est : , - = was are ? as ' m t to the on an account your you yes it it's its that that's sure hi hello user bot customer agent caller speaker his her their my with under spelled last first full maiden middle".split(
    ' ',
  ),
);
const strongLinks = new Set("is 's s es ist est : =".split(' '));
const maxWords = 4;

const isName = (tokens: Tokens, index: number): boolean => (tokens.flags(index) & nameFlags) !== 0;
const isCommon = (tokens: Tokens, index: number): boolean =>
  (tokens.flags(index) & flag.common) !== 0;
const isStop = (tokens: Tokens, index: number): boolean => (tokens.cues(index) & cue.stop) !== 0;
const isCapital = (tokens: Tokens, index: number): boolean =>
  tokens.kind(index) === kindWord &&
  tokens.written(index) === caseCapital &&
  tokens.length(index) > 1;
const isPlainWord = (tokens: Tokens, index: number): boolean =>
  tokens.kind(index) === kindWord && tokens.length(index) > 1 && !isStop(tokens, index);

/** True at the start of a sentence, where a capital says nothing. */
function beginsSentence(tokens: Tokens, index: number): boolean {
  if (index === 0) return true;
  const mark = tokens.mark(index - 1);
  return mark !== '' && '.?!"“”:–—\n'.includes(mark);
}

/** Another part of a name: a capital, a listed name, an initial, a particle before one of them. */
function goesOn(tokens: Tokens, index: number, first: number): boolean {
  if (tokens.kind(index) !== kindWord || isStop(tokens, index)) return false;
  if ((tokens.flags(index) & (flag.month | flag.title)) !== 0 && !isName(tokens, index))
    return false;
  if (isCapital(tokens, index)) return true;
  if (tokens.written(index) !== caseLower)
    return tokens.length(index) === 1 || isName(tokens, index);
  const allLower = tokens.written(first) === caseLower;
  return (
    allLower &&
    !isCommon(tokens, index) &&
    ((tokens.flags(index) & surnameFlags) !== 0 || (tokens.flags(index) & flag.clearGiven) !== 0)
  );
}

/** A word that no list knows: behind a name that was announced it is the rest of it. */
function isUnusual(tokens: Tokens, index: number): boolean {
  const known = tokens.flags(index) & ~(nameFlags | flag.place | flag.ambiguousPlace);
  return (
    known === 0 && tokens.cues(index) === 0 && tokens.length(index) > 2 && !tokens.touches(index)
  );
}

/** The last token of a name that begins at `first`. */
function nameEnd(tokens: Tokens, first: number, announced = false): number {
  let last = first;
  for (let count = 1; count < maxWords; count++) {
    let next = last + 1;
    const mark = tokens.mark(next);
    if (mark === '-' && tokens.touches(next) && tokens.touches(next + 1)) next++;
    else if (mark === '.' && tokens.length(last) === 1 && isCapital(tokens, next + 1)) next++;
    else if ((mark === "'" || mark === '’') && tokens.touches(next) && tokens.length(last) === 1)
      next++;
    const particle = particles.has(fold(tokens.textOf(next))) && tokens.written(next) === caseLower;
    if (particle && isCapital(tokens, next + 1)) next++;
    else if (
      particle &&
      particles.has(fold(tokens.textOf(next + 1))) &&
      isCapital(tokens, next + 2)
    )
      next += 2;
    if (tokens.kind(next) !== kindWord) break;
    const unusual = announced && count === 1 && isUnusual(tokens, next);
    if (!unusual && !goesOn(tokens, next, first)) break;
    last = next;
  }
  return last;
}

function add(
  tokens: Tokens,
  found: Candidates,
  [first, last, from]: readonly [number, number, number],
  rule: string,
): number {
  const score = rule === 'name.list' ? sure.listed : sure.cued;
  const key = fold(tokens.textOf(first, last));
  found.add({ start: tokens.start(from), end: tokens.end(last), type: 'PERSON', rule, score, key });
  return last;
}

/** A name where one is announced: whatever is no usual word, and usual words that are names too with a capital. */
function isAnnounced(tokens: Tokens, index: number, strong: boolean): boolean {
  if (!isPlainWord(tokens, index) && tokens.kind(index) === kindWord && tokens.length(index) > 1)
    return false;
  if (tokens.kind(index) !== kindWord || tokens.length(index) < 2) return false;
  if (isCapital(tokens, index)) return !isCommon(tokens, index) || isName(tokens, index) || strong;
  if (isName(tokens, index)) return !isCommon(tokens, index) || strong;
  return strong && !isCommon(tokens, index) && tokens.length(index) > 2;
}

function afterTitle(tokens: Tokens, at: number, found: Candidates): number {
  let first = at + 1;
  if (tokens.mark(first) === '.') first++;
  const weak = weakTitles.has(fold(tokens.textOf(at)));
  const isFit = weak
    ? isCapital(tokens, first) || (tokens.flags(first) & flag.clearGiven) !== 0
    : isAnnounced(tokens, first, true);
  if (!isFit || isStop(tokens, first)) return -1;
  if (tokens.written(first) === caseLower && isCommon(tokens, first)) return -1;
  return add(tokens, found, [first, nameEnd(tokens, first, true), at], 'name.title');
}

/** "name is", "llamo", "name on the account? User:". */
function afterNameCue(tokens: Tokens, at: number, found: Candidates): number {
  let strong = !/^(?:names?|named|nombre|nom)$/i.test(tokens.textOf(at));
  for (let i = at + 1; i <= at + 9; i++) {
    const text = fold(tokens.textOf(i));
    if (isAnnounced(tokens, i, strong))
      return add(tokens, found, [i, nameEnd(tokens, i, true), i], 'name.cue');
    if (strongLinks.has(text)) strong = true;
    const skips =
      links.has(text) || tokens.kind(i) === kindMark || (tokens.flags(i) & flag.filler) !== 0;
    if (!skips && (tokens.cues(i) & (cue.name | cue.card)) === 0) return -1;
  }
  return -1;
}

const introTwo = new Set(
  'this is|i am|ich bin|je suis|yo soy|call me|calls me|speaking with|speaking to|speak to|speak with|talk to|talk with|talking to|ask for|asking for|named him|named her|name him|name her|under mr|is under|it under|under the|attention of|regards to|c est|hier ist|habla con|thanks for|follow up|up with|calling from|this be'.split(
    '|',
  ),
);

/** Where a name follows one or two words that lead to one, and is listed or has a capital inside a sentence. */
function afterIntro(tokens: Tokens, at: number, found: Candidates): number {
  const first = tokens.mark(at + 1) === ',' ? at + 2 : at + 1;
  if (tokens.kind(first) !== kindWord || isStop(tokens, first) || tokens.length(first) < 2) {
    return -1;
  }
  const one = fold(tokens.textOf(at));
  const two = `${fold(tokens.textOf(at - 1))} ${one}`;
  const strong =
    introTwo.has(two) || one === "i'm" || one === 'soy' || one === 'dear' || one === 'under';
  if (!strong && (tokens.cues(at) & cue.intro) === 0) return -1;
  if ((tokens.flags(first) & flag.title) !== 0) return -1;
  const listed = (tokens.flags(first) & givenFlags) !== 0;
  const clear = (tokens.flags(first) & flag.clearGiven) !== 0;
  const isPlace = (tokens.flags(first) & (flag.place | flag.ambiguousPlace | flag.month)) !== 0;
  const capital = isCapital(tokens, first);
  if (
    capital
      ? !(listed || (strong && !isCommon(tokens, first) && !isPlace))
      : !(clear || (strong && listed && !isCommon(tokens, first)))
  )
    return -1;
  if (capital && isCommon(tokens, first) && !isCapital(tokens, first + 1) && !strong) return -1;
  return add(tokens, found, [first, nameEnd(tokens, first), first], 'name.intro');
}

/** "my manager is Colm", "my kid colm". */
function afterRelation(tokens: Tokens, at: number, found: Candidates): number {
  let first = at + 1;
  while (
    first <= at + 4 &&
    (/^(?:is|'s|named|called|es|est|ist|,|:|was)$/i.test(tokens.textOf(first)) ||
      (tokens.cues(first) & cue.name) !== 0)
  )
    first++;
  const flags = tokens.flags(first);
  if (tokens.kind(first) !== kindWord || isStop(tokens, first) || tokens.length(first) < 2)
    return -1;
  const fits = isCapital(tokens, first)
    ? !isCommon(tokens, first) || isName(tokens, first)
    : (flags & (flag.clearGiven | flag.otherGiven)) !== 0 && !isCommon(tokens, first);
  return fits ? add(tokens, found, [first, nameEnd(tokens, first), first], 'name.relation') : -1;
}

/** A capital that is no usual word goes with the listed name behind it: "Anneliese Brandt". */
function nameStart(tokens: Tokens, at: number): number {
  const before = at - 1;
  const fits = isCapital(tokens, before) && !isCommon(tokens, before) && !isStop(tokens, before);
  const other = flag.title | flag.place | flag.state | flag.month | flag.street | flag.relation;
  return fits && (tokens.flags(before) & other) === 0 && tokens.cues(before) === 0 ? before : at;
}

/** A listed name that stands alone. */
function byList(tokens: Tokens, at: number, found: Candidates): number {
  const flags = tokens.flags(at);
  if (
    (flags & (flag.month | flag.title)) !== 0 ||
    (flags & nameFlags) === 0 ||
    tokens.length(at) < 3
  )
    return -1;
  if ((tokens.cues(at) & (~grammarCues | cue.stop)) !== 0) return -1;
  const capital = isCapital(tokens, at);
  if (!capital) {
    const upper = tokens.written(at) !== caseLower;
    const clear =
      (flags & flag.clearGiven) !== 0 &&
      (flags & (flag.common | flag.place)) === 0 &&
      !isStop(tokens, at);
    return clear && !(upper && tokens.length(at) < 4)
      ? add(tokens, found, [at, nameEnd(tokens, at), at], 'name.list')
      : -1;
  }
  const last = nameEnd(tokens, at);
  const full = last > at && (!isCommon(tokens, last) || isName(tokens, last));
  const clear =
    (flags & (flag.clearGiven | flag.otherGiven | flag.clearSurname)) !== 0 &&
    (flags & flag.place) === 0;
  const usual = isCommon(tokens, at) || isStop(tokens, at);
  if (clear && !usual)
    return add(tokens, found, [nameStart(tokens, at), last, nameStart(tokens, at)], 'name.list');
  if (
    full &&
    (flags & givenFlags) !== 0 &&
    !(isStop(tokens, at) || (usual && beginsSentence(tokens, at) && !isName(tokens, last)))
  ) {
    return add(tokens, found, [at, last, at], 'name.list');
  }
  const lone = (flags & flag.ambiguousGiven) !== 0 && !usual && !beginsSentence(tokens, at);
  return lone ? add(tokens, found, [at, last, at], 'name.list') : -1;
}

/** "Delacroix and Thistlewood": one listed name makes a name of the other. */
function addJoined(tokens: Tokens, last: number, found: Candidates): number {
  let end = last;
  for (
    let next = last + 2;
    /^(?:and|und|et|y|,|&)$/i.test(tokens.textOf(next - 1));
    next = end + 2
  ) {
    const fits =
      isCapital(tokens, next) &&
      !isCommon(tokens, next) &&
      !isStop(tokens, next) &&
      (tokens.flags(next) & (flag.month | flag.state | flag.place)) === 0;
    if (!fits) break;
    end = add(tokens, found, [next, nameEnd(tokens, next), next], 'name.joined');
  }
  return end;
}

function nameAt(tokens: Tokens, at: number, found: Candidates): number {
  const flags = tokens.flags(at);
  if ((flags & flag.title) !== 0) {
    const last = afterTitle(tokens, at, found);
    if (last !== -1) return last;
  }
  if ((tokens.cues(at) & cue.name) !== 0) {
    const last = afterNameCue(tokens, at, found);
    if (last !== -1) return last;
  }
  if ((flags & flag.relation) !== 0) {
    const last = afterRelation(tokens, at, found);
    if (last !== -1) return last;
  }
  if (tokens.length(at) <= 9) {
    const last = afterIntro(tokens, at, found);
    if (last !== -1) return last;
  }
  return byList(tokens, at, found);
}

/** A word that may lead to a name or be one: cheap, asked of every token. */
function isHot(tokens: Tokens, at: number): boolean {
  if (tokens.kind(at) !== kindWord) return false;
  const flags = tokens.flags(at);
  if (
    (flags & (flag.title | flag.relation | flag.clearGiven)) !== 0 ||
    (tokens.cues(at) & cue.name) !== 0
  )
    return true;
  if (tokens.written(at) !== caseLower && (flags & nameFlags) !== 0) return true;
  const next = tokens.flags(at + 1) & givenFlags;
  const introduces = (tokens.cues(at) & (cue.stop | cue.intro)) !== 0;
  return next !== 0 || (introduces && (isCapital(tokens, at + 1) || tokens.mark(at + 1) === ','));
}

/** Finds names of people. */
export function findNames(tokens: Tokens, found: Candidates): void {
  for (let i = 0; i < tokens.count; i++) {
    if (!isHot(tokens, i)) continue;
    const last = nameAt(tokens, i, found);
    if (last !== -1) i = Math.max(i, addJoined(tokens, last, found));
  }
}
