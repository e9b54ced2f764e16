// Redaction: where a text may be cut so that no rule loses what it needs. In: tokens from the last cut on. Out: the next
// cut. It depends on the text alone, never on how it arrived: that is why every way of cutting the input gives one output.

import { cue, flag, grammarCues, numberFlags } from './lexicon.js';
import { caseLower, kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';

/** Tokens after a cut that must be known before it is made; no rule reaches further back from them. */
export const lookAhead = 8;
/** Units longer than this are cut by force (UTF-16 units), with as much again looked at. */
export const forcedUnit = 4096;
/** Tokens of a unit: fewer make more cuts than they save in delay. */
const minTokens = 10;

const names = flag.clearGiven | flag.otherGiven | flag.ambiguousGiven | flag.clearSurname;
const numbers = numberFlags | flag.oh;
const values = ~grammarCues;

/** A letter that may be spelled, a word of the spelling alphabet, the "at" of an address. */
function isSpelling(tokens: Tokens, at: number): boolean {
  if ((tokens.flags(at) & flag.spelling) !== 0) return true;
  const size = tokens.length(at);
  if (size > 2) return false;
  if (size === 2) return (tokens.cues(at) & cue.at) !== 0;
  const letter = tokens.text.charCodeAt(tokens.start(at)) | 0x20;
  return letter !== 0x61 && letter !== 0x69;
}

/** Tokens after this one that a rule beginning here may need. */
function reachRight(tokens: Tokens, at: number): number {
  const kind = tokens.kind(at);
  if (kind === kindDigits) return 10;
  if (kind === kindMark)
    return '@:(+$#'.includes(tokens.mark(at)) ? 3 : ','.includes(tokens.mark(at)) ? 1 : 0;
  const flags = tokens.flags(at);
  const cues = tokens.cues(at);
  if ((cues & values) !== 0) return 12;
  if ((flags & numbers) !== 0) return 10;
  let reach = (cues & cue.stop) !== 0 ? 1 : (cues & cue.guardBefore) !== 0 ? 4 : 0;
  if ((flags & (flag.title | flag.relation | flag.streetPrefix)) !== 0) reach = Math.max(reach, 6);
  if (isSpelling(tokens, at)) reach = Math.max(reach, 4);
  if (tokens.written(at) !== caseLower || (flags & (names | flag.place)) !== 0)
    reach = Math.max(reach, 3);
  if ((flags & (flag.month | flag.state | flag.unit | flag.street)) !== 0)
    reach = Math.max(reach, 4);
  return reach;
}

/** Tokens before this one that a rule ending here may need. */
function reachLeft(tokens: Tokens, at: number): number {
  const kind = tokens.kind(at);
  if (kind === kindDigits) return 3;
  if (kind !== kindWord) return 2;
  const flags = tokens.flags(at);
  if ((flags & flag.street) !== 0) return 7;
  if ((tokens.cues(at) & values) !== 0) return 6;
  if ((flags & numbers) !== 0 || isSpelling(tokens, at)) return 4;
  if ((flags & flag.organisation) !== 0) return 5;
  if ((tokens.cues(at) & cue.dot) !== 0) return 8;
  return tokens.written(at) !== caseLower || (flags & names) !== 0 ? 2 : 0;
}

function isQuietAhead(tokens: Tokens, cut: number): boolean {
  for (let i = cut; i < cut + lookAhead && i < tokens.count; i++) {
    if (i - reachLeft(tokens, i) < cut) return false;
  }
  return true;
}

/** What is known of the text behind the tokens. */
export interface Outlook {
  /** No more tokens will be looked at: the text ends, or the window is full. */
  readonly isClosed: boolean;
  /** The text ends with these tokens. */
  readonly isEnd: boolean;
}

/** `wait`: more text may tell. `force`: nothing quiet in a whole window. A number: the first token after the cut. */
export type NextCut = number | 'wait' | 'force';

/** Where the unit that begins with the first token ends. */
export function nextCut(tokens: Tokens, { isClosed, isEnd }: Outlook): NextCut {
  let reach = 0;
  for (let cut = 1; cut < tokens.count; cut++) {
    reach = Math.max(reach, cut - 1 + reachRight(tokens, cut - 1));
    if (tokens.start(cut) - tokens.start(0) > forcedUnit) return isClosed ? 'force' : 'wait';
    if (cut < minTokens || reach >= cut || tokens.touches(cut)) continue;
    if (!isClosed && cut + lookAhead > tokens.count) return 'wait';
    if (isQuietAhead(tokens, cut)) return cut;
  }
  if (isEnd) return tokens.count;
  return isClosed ? 'force' : 'wait';
}
