// Redaction: places, organisations and ages: what narrows down who somebody is. In: tokens. Out: candidates.

import type { Candidates } from './candidates.js';
import { fold } from './characters.js';
import { cue, flag, numberFlags, words } from './lexicon.js';
import { caseCapital, caseLower, kindDigits, kindWord, type Tokens } from './tokens.js';
import { sure } from './types.js';

const { placePhrases } = words();

/** The last token of a listed place that begins here, of one word or several; -1 when none does. */
export function placeEnd(tokens: Tokens, at: number): number {
  if ((tokens.flags(at) & flag.placeStart) !== 0) {
    for (let last = at + 2; last > at; last--) {
      const name = fold(tokens.textOf(at, last)).replace(/[-'’.\s]+/g, ' ');
      if (placePhrases.has(name)) return last;
    }
  }
  return (tokens.flags(at) & (flag.place | flag.ambiguousPlace)) !== 0 ? at : -1;
}

const placeLeads = new Set(
  'in from to at near of en de a nach aus bei around visiting outside leaving toward via'.split(
    ' ',
  ),
);
/** Somebody lives, was born or comes from there. */
function hasHomeWord(tokens: Tokens, at: number): boolean {
  let cues = tokens.cues(at - 1) & cue.intro;
  for (let i = at - 1; i >= at - 3; i--) cues |= tokens.cues(i) & (cue.address | cue.birth);
  return cues !== 0;
}

function locationAt(tokens: Tokens, at: number): number {
  const capital = tokens.written(at) === caseCapital;
  const plain = tokens.written(at) === caseLower && (tokens.cues(at) & cue.stop) === 0;
  if (!capital && !(plain && hasHomeWord(tokens, at))) return -1;
  const last = placeEnd(tokens, at);
  const flags = tokens.flags(at);
  const end = last === -1 && (flags & flag.state) !== 0 ? at : last;
  if (end === -1) return -1;
  const led = placeLeads.has(fold(tokens.textOf(at - 1)));
  if (!capital) return led ? end : -1;
  const clear = end > at || (flags & (flag.place | flag.state)) !== 0;
  const usual = (flags & flag.common) !== 0 && end === at;
  return (clear && !usual) || led ? end : -1;
}

/** Words with capitals before "Inc", "Bank", "Credit Union". */
function organisationStart(tokens: Tokens, at: number): number {
  let first = at;
  let own = false;
  for (let i = at - 1; i >= at - 4 && i >= 0; i--) {
    const joins =
      /^(?:of|and|&|the)$/.test(tokens.textOf(i)) &&
      i > at - 4 &&
      tokens.written(i - 1) === caseCapital;
    if (joins) continue;
    if (
      tokens.kind(i) !== kindWord ||
      tokens.written(i) === caseLower ||
      (tokens.cues(i) & cue.stop) !== 0
    )
      break;
    first = i;
    own ||= (tokens.flags(i) & flag.common) === 0;
  }
  return own ? first : -1;
}

const agePersons =
  /^(?:i'm|im|i|he|she|he's|she's|who's|who|is|was|am|'s|turned|turning|just|only|now|aged|age|years?|about|tengo|tiene|j'ai)$/i;
const ageCues = /^(?:turned|turning|aged|age)$/i;

const isPerson = (tokens: Tokens, at: number): boolean =>
  /^(?:i|i'm|im|he|she|who|son|daughter|father|mother|brother|sister|wife|husband|kid|child)$/i.test(
    tokens.textOf(at),
  );

/** The last token of the number at a place, digits of two or number words; -1 when it is no age. */
function ageEnd(tokens: Tokens, at: number): number {
  if (tokens.kind(at) === kindDigits) {
    const mark = tokens.touches(at + 1) ? tokens.mark(at + 1) : ' ';
    return tokens.length(at) <= 3 && mark !== '' && !':/'.includes(mark) ? at : -1;
  }
  let last = at - 1;
  while ((tokens.flags(last + 1) & numberFlags) !== 0 && last < at + 3) last++;
  return last >= at ? last : -1;
}

/** "a 41-year-old", "41 years old": of a person, unless "it" is the one. */
function isOld(tokens: Tokens, at: number, last: number): boolean {
  const after = fold(tokens.textOf(last + 1, Math.min(last + 6, tokens.count - 1)));
  if (!/^[\s-]*(?:years? old|years?-old|year-olds?|years? of age|yo\b|y\/o|yrs? old)/.test(after))
    return false;
  const before = `${fold(tokens.textOf(at - 2))} ${fold(tokens.textOf(at - 1))}`;
  return !/^(?:it|that|this|which) (?:is|'s|was)$|it's$|that's$/.test(before);
}

/** "turned 41", "the age of 67", "he is 41 years old", "she was 41." */
function isAge(tokens: Tokens, at: number, last: number): boolean {
  const before = tokens.textOf(at - 1);
  if (ageCues.test(before) || (/^(?:of|is|:)$/.test(before) && ageCues.test(tokens.textOf(at - 2))))
    return true;
  if (tokens.kind(at) === kindDigits && isOld(tokens, at, last)) return true;
  let person = false;
  for (let i = at - 1; i >= at - 4 && i >= 0; i--) {
    person ||= isPerson(tokens, i);
    if (!agePersons.test(tokens.textOf(i)) && !isPerson(tokens, i)) break;
  }
  if (!person) return false;
  const after = `${tokens.textOf(last + 1)} ${tokens.textOf(last + 2)}`;
  if (/^(?:years? old|year-old|yrs|anos|ans|jahre)/i.test(fold(after))) return true;
  const ends = tokens.kind(last + 1) !== kindWord && tokens.mark(last + 1) !== '%';
  return (
    ends &&
    /^(?:was|am|is|'s|i'm|he's|she's)$/i.test(before) &&
    tokens.kind(last) === kindDigits &&
    tokens.length(last) === 2
  );
}

function findAge(tokens: Tokens, at: number, found: Candidates): void {
  const isNumber = tokens.kind(at) === kindDigits || (tokens.flags(at) & numberFlags) !== 0;
  if (!isNumber || (tokens.flags(at - 1) & numberFlags) !== 0) return;
  const last = ageEnd(tokens, at);
  if (last === -1 || !isAge(tokens, at, last)) return;
  found.add({
    start: tokens.start(at),
    end: tokens.end(last),
    type: 'AGE',
    rule: 'age.cue',
    score: sure.listed,
  });
}

/** Finds places, organisations and ages. */
export function findLocations(tokens: Tokens, found: Candidates): void {
  for (let i = 0; i < tokens.count; i++) {
    findAge(tokens, i, found);
    if (tokens.kind(i) !== kindWord) continue;
    const flags = tokens.flags(i);
    if ((flags & flag.organisation) !== 0 && tokens.written(i) !== caseLower) {
      const first = organisationStart(tokens, i);
      if (first !== -1) {
        found.add({
          start: tokens.start(first),
          end: tokens.end(i),
          type: 'ORGANIZATION',
          rule: 'organization.suffix',
          score: sure.guessed,
        });
        continue;
      }
    }
    const isPlace =
      (flags & (flag.place | flag.ambiguousPlace | flag.state | flag.placeStart)) !== 0;
    const last = isPlace ? locationAt(tokens, i) : -1;
    if (last === -1) continue;
    found.add({
      start: tokens.start(i),
      end: tokens.end(last),
      type: 'LOCATION',
      rule: 'location.list',
      score: sure.guessed,
    });
    i = last;
  }
}
