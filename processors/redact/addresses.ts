// Redaction: postal addresses: a street with its number, a box, a city with state and code; with what follows (flat, city,
// state, code). In: tokens. Out: candidates.

import type { Candidates } from './candidates.js';
import { fold } from './characters.js';
import { cue, flag, numberFlags } from './lexicon.js';
import { placeEnd } from './locations.js';
import {
  caseCapital,
  caseLower,
  caseUpper,
  kindDigits,
  kindMark,
  kindWord,
  type Tokens,
} from './tokens.js';
import { sure } from './types.js';

const maxStreetWords = 5;
const maxTail = 24;
const streetJoins = new Set(
  'de la le les des du del of the saint st san n s e w north south east west los las al el mlk'.split(
    ' ',
  ),
);

const isCapital = (tokens: Tokens, index: number): boolean =>
  tokens.kind(index) === kindWord && tokens.written(index) !== caseLower;
const isStop = (tokens: Tokens, index: number): boolean => (tokens.cues(index) & cue.stop) !== 0;
const isNumberWord = (tokens: Tokens, index: number): boolean =>
  (tokens.flags(index) & (numberFlags | flag.oh)) !== 0;

/** The first token of a house number that ends at `last`: digits ("12", "12B", "12-14") or words of two or more digits. */
function houseNumber(tokens: Tokens, last: number, lenient: boolean): number {
  if (tokens.kind(last) === kindDigits && tokens.length(last) <= 6) {
    return tokens.mark(last - 1) === '-' && tokens.kind(last - 2) === kindDigits ? last - 2 : last;
  }
  if (
    tokens.kind(last) === kindWord &&
    tokens.length(last) <= 2 &&
    tokens.touches(last) &&
    tokens.kind(last - 1) === kindDigits
  ) {
    return last - 1;
  }
  let first = last + 1;
  while (isNumberWord(tokens, first - 1) || isHundredAnd(tokens, first - 1)) first--;
  const words = last - first + 1;
  if (words <= 0) return -1;
  const large = words > 1 || (tokens.flags(last) & (flag.teen | flag.tens | flag.hundred)) !== 0;
  return large || lenient ? first : -1;
}

/** The "and" of "four hundred and twelve". */
const isHundredAnd = (tokens: Tokens, at: number): boolean =>
  /^and$/i.test(tokens.textOf(at)) && (tokens.flags(at - 1) & flag.hundred) !== 0;

/** Walks left from the last word of a street to its number; -1 when there is none. */
function streetStart(tokens: Tokens, suffix: number): number {
  const capitals = tokens.written(suffix) === caseCapital;
  for (let i = suffix - 1; i >= suffix - maxStreetWords - 1 && i >= 0; i--) {
    const lenient = capitals || hasAddressCue(tokens, i);
    const start =
      i < suffix - 1 || (tokens.flags(suffix) & flag.street) !== 0
        ? houseNumber(tokens, i, lenient)
        : -1;
    if (start !== -1) return i === suffix - 1 && !capitals ? -1 : start;
    const ordinal =
      tokens.kind(i) === kindWord && tokens.touches(i) && tokens.kind(i - 1) === kindDigits;
    if (ordinal) {
      i--;
      continue;
    }
    const mark = tokens.mark(i);
    if (mark !== '' && !"'.-’".includes(mark)) return -1;
    const joins = mark !== '' || streetJoins.has(fold(tokens.textOf(i)));
    if (!joins && (isStop(tokens, i) || (tokens.cues(i) & cue.guardAfter) !== 0)) return -1;
  }
  return -1;
}

function hasAddressCue(tokens: Tokens, at: number): boolean {
  for (let i = at - 1; i >= at - 8 && i >= 0; i--)
    if ((tokens.cues(i) & cue.address) !== 0) return true;
  return false;
}

/** One step of what follows a street: the last token taken, or -1 where the address is over. */
function tailStep(tokens: Tokens, at: number, afterComma: boolean, last: number): number {
  const flags = tokens.flags(at);
  const kind = tokens.kind(at);
  if (kind === kindDigits) return tailDigits(tokens, at, afterComma, last);
  if (kind !== kindWord) return -1;
  if (isDirection(tokens, at) && at === last + 1) return at;
  if ((flags & flag.unit) !== 0) return unitEnd(tokens, at);
  const place = placeEnd(tokens, at);
  if (place !== -1) return place;
  if ((flags & flag.state) !== 0) return at;
  if (
    (flags & flag.stateCode) !== 0 &&
    (tokens.written(at) === caseUpper || (tokens.written(at) === caseCapital && afterComma))
  )
    return at;
  const before = tokens.flags(last);
  if (
    isNumberWord(tokens, at) &&
    (before & (flag.state | flag.stateCode | flag.unit | flag.place)) !== 0
  )
    return numberEnd(tokens, at);
  if (isStop(tokens, at) || isRelationToText(tokens, at)) return -1;
  if (isCapital(tokens, at)) return isPartOfCode(tokens, at) ? groupEnd(tokens, at) : at;
  return -1;
}

const isDirection = (tokens: Tokens, at: number): boolean =>
  /^(?:n|s|e|w|ne|nw|se|sw|north|south|east|west)$/i.test(tokens.textOf(at)) &&
  isCapital(tokens, at);

/** "My", "For" with a capital begin a sentence rather than a city. */
const isRelationToText = (tokens: Tokens, at: number): boolean =>
  (tokens.flags(at) & flag.common) !== 0 &&
  (tokens.flags(at) & flag.street) === 0 &&
  (tokens.cues(at) & cue.phone) !== 0;

const isPartOfCode = (tokens: Tokens, at: number): boolean =>
  tokens.kind(at + 1) === kindDigits && tokens.touches(at + 1);

function groupEnd(tokens: Tokens, at: number): number {
  let last = at;
  while (tokens.touches(last + 1) && tokens.kind(last + 1) !== kindMark) last++;
  return last;
}

function numberEnd(tokens: Tokens, at: number): number {
  let last = at;
  while (
    isNumberWord(tokens, last + 1) ||
    (tokens.mark(last + 1) === ',' && isNumberWord(tokens, last + 2))
  )
    last++;
  return last;
}

/** Codes after a city, numbers after a comma: not the number of something else that follows the address. */
function tailDigits(tokens: Tokens, at: number, afterComma: boolean, last: number): number {
  if (tokens.length(at) > 6) return -1;
  const end = groupEnd(tokens, at);
  const zip4 =
    tokens.length(at) === 5 && tokens.mark(end + 1) === '-' && tokens.length(end + 2) === 4;
  if (zip4 && tokens.kind(end + 2) === kindDigits) return end + 2;
  const isPhone =
    /[-.]/.test(tokens.mark(end + 1)) &&
    tokens.touches(end + 1) &&
    tokens.kind(end + 2) === kindDigits;
  if (isPhone) return -1;
  const afterWord = tokens.kind(last) === kindWord && isCapital(tokens, last);
  const code = tokens.length(at) >= 4 || end > at;
  return (afterComma || afterWord) && (code || !afterWord) ? end : -1;
}

function unitEnd(tokens: Tokens, at: number): number {
  let next = at + 1;
  if (/^[#.:]$/.test(tokens.mark(next))) next++;
  if (/^(?:number|no)$/i.test(tokens.textOf(next))) next++;
  if (tokens.kind(next) === kindDigits) {
    const end = groupEnd(tokens, next);
    return tokens.isLetter(end + 1) && !/^[ai]$/.test(tokens.textOf(end + 1)) ? end + 1 : end;
  }
  if (isNumberWord(tokens, next)) {
    const end = numberEnd(tokens, next);
    return tokens.isLetter(end + 1) && !/^[ai]$/.test(tokens.textOf(end + 1)) ? end + 1 : end;
  }
  return tokens.isLetter(next) ? groupEnd(tokens, next) : -1;
}

/** The last token of the address that goes on after `last`. */
function tailEnd(tokens: Tokens, from: number): number {
  let last = from;
  let words = 0;
  for (let at = last + 1, comma = false; at <= from + maxTail;) {
    const mark = tokens.mark(at);
    if (
      mark === ',' ||
      mark === '#' ||
      (mark === '.' &&
        tokens.length(last) <= 4 &&
        tokens.touches(at) &&
        tokens.mark(at + 1) === ',')
    ) {
      comma = true;
      words = 0;
      at++;
      continue;
    }
    const end = tailStep(tokens, at, comma, last);
    if (end === -1 || ++words > 6) break;
    last = end;
    at = end + 1;
    comma = false;
  }
  return last;
}

/** Suffix words that mean other things too need a capital or a cue before they make an address of "two way street". */
function isStreet(tokens: Tokens, at: number): boolean {
  const flags = tokens.flags(at);
  return (flags & flag.street) !== 0;
}

/** "Hauptstraße 12", "Lindenweg 3": the street and its kind are one word. */
function isCompoundStreet(tokens: Tokens, at: number): boolean {
  if (!isCapital(tokens, at) || tokens.length(at) < 7) return false;
  const next = tokens.mark(at + 1) === '.' ? at + 2 : at + 1;
  return (
    tokens.kind(next) === kindDigits &&
    tokens.length(next) <= 4 &&
    /(?:strasse|stras|str|weg|platz|gasse|allee|ufer|damm|ring|straat|laan)$|straße$/i.test(
      tokens.textOf(at),
    )
  );
}

/** "P.O. Box", "Postfach", "Apartado" begin so. */
function mayBeBox(tokens: Tokens, at: number): boolean {
  const letter = tokens.text.charCodeAt(tokens.start(at)) | 0x20;
  const size = tokens.length(at);
  return (letter === 0x70 && (size <= 2 || size === 8)) || (letter === 0x61 && size === 8);
}

function boxEnd(tokens: Tokens, at: number): number {
  const text = tokens.textOf(at, Math.min(at + 5, tokens.count - 1));
  if (!/^(?:p\.?\s?o\.?\s?box|postfach|apartado)\b/i.test(text)) return -1;
  for (let i = at; i <= at + 7; i++) {
    if (tokens.kind(i) === kindDigits) return i;
    const said = (tokens.flags(i) & numberFlags) !== 0 && tokens.length(i) > 1;
    if (i > at && said) return numberEnd(tokens, i);
  }
  return -1;
}

/** "12 rue des Lilas", "Calle Mayor 5". */
function prefixed(tokens: Tokens, at: number): readonly [number, number] | null {
  const comma = tokens.mark(at - 1) === ',' ? 1 : 0;
  const before = houseNumber(tokens, at - 1 - comma, true);
  let last = at;
  for (let i = at + 1; i <= at + maxStreetWords; i++) {
    const text = fold(tokens.textOf(i));
    if (tokens.kind(i) === kindDigits && before === -1) return [at, groupEnd(tokens, i)];
    const mark = tokens.mark(i);
    if (before === -1 && mark === ',' && tokens.kind(i + 1) === kindDigits)
      return [at, groupEnd(tokens, i + 1)];
    const inside =
      mark === "'" ||
      mark === '’' ||
      mark === '-' ||
      (tokens.kind(i) === kindWord &&
        (isCapital(tokens, i) || streetJoins.has(text) || !isStop(tokens, i)));
    if (!inside) break;
    if (tokens.kind(i) === kindWord) last = i;
  }
  return before === -1 || last === at ? null : [before, last];
}

/** "Dayton, OH 45402": a state before a code of five digits. */
function cityStart(tokens: Tokens, code: number): number {
  const state = code - 1;
  const flags = tokens.flags(state);
  const isState =
    (flags & flag.state) !== 0 ||
    ((flags & flag.stateCode) !== 0 && tokens.written(state) === caseUpper);
  if (!isState || tokens.length(code) !== 5) return -1;
  let first = state;
  for (let i = state - 1; i >= state - 4; i--) {
    if (tokens.mark(i) === ',') continue;
    if (!isCapital(tokens, i) || isStop(tokens, i)) break;
    first = i;
  }
  return first;
}

function addressAt(tokens: Tokens, at: number): readonly [number, number] | null {
  if (tokens.kind(at) === kindDigits) {
    const first = cityStart(tokens, at);
    return first === -1 ? null : [first, tailEnd(tokens, at)];
  }
  if (tokens.kind(at) !== kindWord) return null;
  const flags = tokens.flags(at);
  const box = tokens.length(at) <= 8 && mayBeBox(tokens, at) ? boxEnd(tokens, at) : -1;
  if (box !== -1) return [at, tailEnd(tokens, box)];
  if ((flags & flag.streetPrefix) !== 0) {
    const street = prefixed(tokens, at);
    if (street !== null) return [street[0], tailEnd(tokens, street[1])];
  }
  if (isStreet(tokens, at)) {
    const first = streetStart(tokens, at);
    return first === -1 ? null : [first, tailEnd(tokens, at)];
  }
  return isCompoundStreet(tokens, at)
    ? [at, tailEnd(tokens, groupEnd(tokens, tokens.mark(at + 1) === '.' ? at + 2 : at + 1))]
    : null;
}

/** Finds postal addresses. */
export function findAddresses(tokens: Tokens, found: Candidates): void {
  for (let i = 0; i < tokens.count; i++) {
    const address = addressAt(tokens, i);
    if (address === null) continue;
    const [first, last] = address;
    found.add({
      start: tokens.start(first),
      end: tokens.end(last),
      type: 'ADDRESS',
      rule: 'address.street',
      score: sure.cued,
    });
    i = Math.max(i, last);
  }
}
