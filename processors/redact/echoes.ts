// Redaction: a value said again: the agent reads the number back, somebody is called by the name given before. In: tokens,
// what was found, what the call knows. Out: more candidates with the label of the first time.

import { fold } from './characters.js';
import { isGuardedAfter, isGuardedBefore } from './cues.js';
import type { LabelBook } from './labels.js';
import { cue, flag } from './lexicon.js';
import type { Run } from './runs.js';
import { kindWord, type Tokens } from './tokens.js';
import { sure, type Candidate } from './types.js';

const overlaps = (spans: readonly Candidate[], start: number, end: number): boolean =>
  spans.some((span) => span.start < end && start < span.end);

function repeatedDigits(
  tokens: Tokens,
  runs: readonly Run[],
  spans: readonly Candidate[],
  book: LabelBook,
): Candidate[] {
  const found: Candidate[] = [];
  for (const run of runs) {
    const start = tokens.start(run.first);
    const known = overlaps(spans, start, tokens.end(run.last))
      ? undefined
      : book.echoOf(run.digits);
    if (known === undefined) continue;
    if (isGuardedBefore(tokens, run.first) || isGuardedAfter(tokens, run.last)) continue;
    found.push({
      start,
      end: tokens.end(run.last),
      type: known.type,
      rule: 'echo.digits',
      score: sure.listed,
      key: known.label,
    });
  }
  return found;
}

function repeatedNames(tokens: Tokens, spans: readonly Candidate[], book: LabelBook): Candidate[] {
  const found: Candidate[] = [];
  for (let i = 0; i < tokens.count; i++) {
    if (tokens.kind(i) !== kindWord || tokens.length(i) < 3) continue;
    if ((tokens.flags(i) & flag.common) !== 0 || (tokens.cues(i) & cue.stop) !== 0) continue;
    const known = book.personNamed(fold(tokens.textOf(i)));
    if (known === undefined || overlaps(spans, tokens.start(i), tokens.end(i))) continue;
    found.push({
      start: tokens.start(i),
      end: tokens.end(i),
      type: known.type,
      rule: 'echo.name',
      score: sure.listed,
      key: known.label,
    });
  }
  return found;
}

/** Values known to the call that the rules did not find again. Their `key` is the label. */
export function findEchoes(
  tokens: Tokens,
  runs: readonly Run[],
  spans: readonly Candidate[],
  book: LabelBook,
): Candidate[] {
  const digits = book.hasDigits ? repeatedDigits(tokens, runs, spans, book) : [];
  return book.hasNames ? [...digits, ...repeatedNames(tokens, spans, book)] : digits;
}
