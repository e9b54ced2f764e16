// Redaction, numbers as they are written: groups of letters and digits with single separators, held against the table
// of identifiers, then against phone numbers. In: tokens with digits. Out: candidates.

import type { Candidates } from './candidates.js';
import { compact } from './characters.js';
import { cuesAround, isGuardedAfter, isGuardedBefore, isInsideCode, isStuck } from './cues.js';
import { rulesByLength, type IdentifierRule } from './identifiers.js';
import { phoneAt } from './phones.js';
import { kindDigits, kindMark, kindWord, type Tokens } from './tokens.js';
import { sure } from './types.js';

/** Letters and digits without a gap: tokens from `first` to `last`. */
interface Group {
  readonly first: number;
  readonly last: number;
  readonly hasDigit: boolean;
}

const maxGroups = 10;
const maxCompact = 34;
const maxWord = 16;

const isPart = (kind: number): boolean => kind === kindWord || kind === kindDigits;

/** Where the group that begins at a token ends, itself when it is alone. */
function groupEnd(tokens: Tokens, first: number): number {
  let last = first;
  while (isPart(tokens.kind(last + 1)) && tokens.touches(last + 1)) {
    if (tokens.end(last) - tokens.start(first) > maxCompact) break;
    last++;
  }
  return last;
}

function groupAt(tokens: Tokens, first: number): Group | null {
  if (!isPart(tokens.kind(first))) return null;
  const last = groupEnd(tokens, first);
  if (tokens.end(last) - tokens.start(first) > maxCompact) return null;
  let hasDigit = false;
  for (let i = first; i <= last; i++) hasDigit ||= tokens.kind(i) === kindDigits;
  if (!hasDigit && tokens.length(first) > maxWord) return null;
  return { first, last, hasDigit };
}

/** The first token of the next group when one separator (and spaces) stand between; -1 otherwise. */
function nextGroup(tokens: Tokens, last: number): number {
  const next = last + 1;
  if (isPart(tokens.kind(next))) return tokens.start(next) - tokens.end(last) <= 2 ? next : -1;
  if (tokens.kind(next) !== kindMark || !'-./_'.includes(tokens.mark(next))) return -1;
  if (!isPart(tokens.kind(next + 1))) return -1;
  return tokens.start(next + 1) - tokens.end(last) <= 3 ? next + 1 : -1;
}

interface Match {
  readonly rule: IdentifierRule;
  readonly last: number;
  readonly score: number;
}

/** Score of a rule for a text; 0 when it does not fit. */
function scoreOf(rule: IdentifierRule, value: string, raw: string, cues: () => number): number {
  if (!rule.pattern.test(value)) return 0;
  const isCued = rule.cues !== undefined && (rule.cues & cues()) !== 0;
  if (rule.bare === undefined) return isCued ? sure.cued : 0;
  if (!isWellWritten(rule, raw)) return 0;
  if (rule.valid !== undefined && !rule.valid(value, raw)) return 0;
  return isCued ? Math.max(rule.bare, sure.cued) : rule.bare;
}

function bestRule(tokens: Tokens, group: Group, last: number, value: string): Match | null {
  const raw = tokens.textOf(group.first, last);
  let seen = -1;
  const cues = (): number => (seen === -1 ? (seen = cuesAround(tokens, group.first, last)) : seen);
  let best: Match | null = null;
  for (const rule of rulesByLength[value.length] ?? []) {
    const score = scoreOf(rule, value, raw, cues);
    if (score > (best?.score ?? 0)) best = { rule, last, score };
  }
  return best;
}

/** The longest identifier that begins with this group. */
function matchFrom(tokens: Tokens, group: Group): Match | null {
  let best: Match | null = null;
  let { last } = group;
  let value = compact(tokens.textOf(group.first, last));
  let digits = group.hasDigit;
  for (let count = 1; count <= maxGroups && value.length <= maxCompact; count++) {
    const found = digits ? bestRule(tokens, group, last, value) : null;
    if (found !== null && found.score >= (best?.score ?? 0)) best = found;
    const next = nextGroup(tokens, last);
    const more = next === -1 ? null : groupAt(tokens, next);
    if (more === null || (!more.hasDigit && tokens.length(more.first) > 6)) break;
    ({ last } = more);
    digits ||= more.hasDigit;
    value += compact(tokens.textOf(more.first, last));
  }
  return best;
}

/** True where a mark joins two parts without a gap: the mark stands at `at`. */
const joins = (tokens: Tokens, at: number, marks: string): boolean => {
  const mark = tokens.mark(at);
  if (mark === '' || !marks.includes(mark) || !tokens.touches(at) || !tokens.touches(at + 1))
    return false;
  return isPart(tokens.kind(at - 1)) && isPart(tokens.kind(at + 1));
};

/** A separator and more of the same just before or after make it a part of something longer. */
const isInside = (tokens: Tokens, first: number, last: number): boolean =>
  joins(tokens, first - 1, '._/-') ||
  joins(tokens, last + 1, tokens.kind(last + 2) === kindDigits ? '._/-' : '_/');

/** Written as what it is taken for: letters in one case, and 3-2-4 digits as a social security number alone. */
function isWellWritten(rule: IdentifierRule, raw: string): boolean {
  if (/^\d{3}\D\d{2}\D\d{4}$/.test(raw)) return rule.type === 'US_SSN' || rule.type === 'US_ITIN';
  return raw === raw.toUpperCase() || raw === raw.toLowerCase();
}

function addIdentifier(tokens: Tokens, group: Group, found: Candidates): number {
  const match = matchFrom(tokens, group);
  if (match === null) return -1;
  const { rule, last, score } = match;
  const guarded =
    score <= sure.shaped && (isGuardedBefore(tokens, group.first) || isGuardedAfter(tokens, last));
  if (guarded || isInside(tokens, group.first, last) || isInsideCode(tokens, group.first))
    return -1;
  const { type } = rule;
  const name = score === sure.cued ? 'cue' : score === sure.checked ? 'checksum' : 'shape';
  const end = tokens.end(last);
  found.add({
    start: tokens.start(group.first),
    end,
    type,
    rule: `${type.toLowerCase()}.${name}`,
    score,
  });
  return last;
}

/** A word of letters alone can begin an identifier only where digits are near: "GB WEST 1234", "AA 12 34 56 B". */
function mayBegin(tokens: Tokens, index: number): boolean {
  if (tokens.kind(index) === kindDigits) return true;
  if (tokens.kind(index) !== kindWord || tokens.length(index) > 6) return false;
  for (let i = index + 1; i <= index + 3; i++) if (tokens.kind(i) === kindDigits) return true;
  return false;
}

/** Finds identifiers and phone numbers that are written in digits. */
export function findWritten(tokens: Tokens, found: Candidates, wide: boolean): void {
  if (!tokens.hasDigits()) return;
  for (let i = 0; i < tokens.count; i++) {
    if (tokens.touches(i) && isPart(tokens.kind(i - 1)) && !isStuck(tokens, i - 1)) continue;
    if (joins(tokens, i - 1, '-./') && joins(tokens, i - 3, '-./')) continue;
    const phone = phoneAt(tokens, i, wide);
    const group = mayBegin(tokens, i) ? groupAt(tokens, i) : null;
    const last = group === null ? -1 : addIdentifier(tokens, group, found);
    if (phone !== null) found.add(phone.candidate);
    i = Math.max(i, last, phone === null ? -1 : phone.last);
  }
}
