// Redaction: what a run of digits and letters is, by the words around it and its length. In: runs. Out: candidates.
// A run of seven digits or more is a value unless something says otherwise; after a cue four are enough.

import type { Candidates } from './candidates.js';
import { luhn } from './checksums.js';
import { cueBefore, isGuardedAfter, isGuardedBefore } from './cues.js';
import { cue } from './lexicon.js';
import { mayBeginRun, readRun, type Run } from './runs.js';
import { kindDigits, type Tokens } from './tokens.js';
import { sure, type PiiType } from './types.js';

interface CueRule {
  readonly cues: number;
  readonly type: PiiType;
  /** Fewest and most digits. */
  readonly digits: readonly [number, number];
  /** Fewest letters and digits; absent: the digits alone count. */
  readonly chars?: number;
  /** What else must have been said. */
  readonly also?: number;
}

/** In order: the first that fits names the run. */
const cueRules: readonly CueRule[] = [
  { cues: cue.last, also: cue.social, type: 'US_SSN', digits: [3, 9] },
  { cues: cue.last, also: cue.phone, type: 'PHONE_NUMBER', digits: [3, 8] },
  { cues: cue.last, also: cue.account, type: 'US_BANK_NUMBER', digits: [3, 8] },
  { cues: cue.last, also: cue.card, type: 'CREDIT_CARD', digits: [3, 8] },
  { cues: cue.expiry, type: 'CREDIT_CARD_EXPIRY', digits: [3, 8] },
  { cues: cue.cvv, type: 'CREDIT_CARD_CVV', digits: [3, 4] },
  { cues: cue.code, also: cue.card, type: 'CREDIT_CARD_CVV', digits: [3, 4] },
  { cues: cue.otp, type: 'OTP', digits: [3, 12] },
  { cues: cue.birth, type: 'DATE_OF_BIRTH', digits: [4, 12] },
  { cues: cue.social, type: 'US_SSN', digits: [4, 14] },
  { cues: cue.card, type: 'CREDIT_CARD', digits: [8, 40] },
  { cues: cue.routing, type: 'ABA_ROUTING_NUMBER', digits: [5, 14] },
  { cues: cue.passport, type: 'PASSPORT', digits: [4, 14], chars: 5 },
  { cues: cue.licence, type: 'DRIVER_LICENSE', digits: [4, 20], chars: 5 },
  { cues: cue.plate, type: 'UK_VEHICLE_REGISTRATION', digits: [1, 8], chars: 4 },
  { cues: cue.postcode, type: 'UK_POSTCODE', digits: [2, 9], chars: 5 },
  { cues: cue.insurance, type: 'UK_NINO', digits: [5, 16], chars: 6 },
  { cues: cue.employee, also: cue.identity | cue.number, type: 'EMPLOYEE_ID', digits: [3, 16] },
  {
    cues: cue.order | cue.reference,
    also: cue.identity | cue.number,
    type: 'REFERENCE',
    digits: [3, 24],
  },
  { cues: cue.account, type: 'US_BANK_NUMBER', digits: [4, 40] },
  { cues: cue.identity, type: 'NATIONAL_ID', digits: [5, 24] },
  { cues: cue.employee, type: 'EMPLOYEE_ID', digits: [4, 16] },
  { cues: cue.phone, type: 'PHONE_NUMBER', digits: [6, 24] },
  { cues: cue.number, type: 'PHONE_NUMBER', digits: [7, 24] },
  { cues: cue.last, type: 'CREDIT_CARD', digits: [4, 4] },
  { cues: cue.code, type: 'OTP', digits: [4, 12] },
];

const genericCues = cue.number | cue.code | cue.last;
const specificCues = ~genericCues;

function fits(rule: CueRule, run: Run, cues: number): boolean {
  if ((rule.cues & cues) === 0 || (rule.also !== undefined && (rule.also & cues) === 0))
    return false;
  const size = run.digits.length;
  return size >= rule.digits[0] && size <= rule.digits[1] && run.chars.length >= (rule.chars ?? 0);
}

/** Tokens between a card and the three digits of its code. */
const cardReach = 40;

/** "code one two three" soon after a card is the card's. */
function isCardCode(tokens: Tokens, run: Run, found: Candidates): boolean {
  const size = run.digits.length;
  if (size < 3 || size > 4 || run.letters > 0) return false;
  const before = found.lastBefore(tokens.start(run.first));
  if (before === undefined || !before.type.startsWith('CREDIT_CARD')) return false;
  return tokens.start(run.first) - before.end < cardReach;
}

/** Digits that are read out and are nothing else: a number to call or a card by their length. */
function uncued(run: Run): PiiType | null {
  const size = run.digits.length;
  if (run.spoken === 0 || run.isAmount || size < 7) return null;
  if (run.isRepaired && size <= 26)
    return luhn(run.digits) && size > 12 ? 'CREDIT_CARD' : 'PHONE_NUMBER';
  if (size >= 13 && size <= 19) return luhn(run.digits) || size >= 15 ? 'CREDIT_CARD' : 'NUMBER';
  return size <= 12 ? 'PHONE_NUMBER' : 'NUMBER';
}

const spelledLetters = 4;

function typeOf(
  tokens: Tokens,
  run: Run,
  found: Candidates,
): { type: PiiType; rule: string; score: number } | null {
  if (run.digits === '') {
    return run.letters >= spelledLetters
      ? { type: 'PERSON', rule: 'name.spelled', score: sure.listed }
      : null;
  }
  const said = /^(?:CVV|CVC|CSC)\d{3,4}$/.test(run.chars);
  if (said) return { type: 'CREDIT_CARD_CVV', rule: 'cvv.spelled', score: sure.cued };
  if (isGuardedAfter(tokens, run.last)) return null;
  const cues = cueBefore(tokens, run.first);
  const guarded = isGuardedBefore(tokens, run.first);
  const isCode = (cues & (cue.code | cue.cvv)) !== 0 || (cues & specificCues) === 0;
  if (!guarded && isCode && isCardCode(tokens, run, found)) {
    return { type: 'CREDIT_CARD_CVV', rule: 'cvv.after-card', score: sure.cued };
  }
  if (guarded) return null;
  const rule = cueRules.find((candidate) => fits(candidate, run, cues));
  if (rule !== undefined && !(run.isAmount && run.digits.length < 7)) {
    return { type: rule.type, rule: `${rule.type.toLowerCase()}.cue`, score: sure.cued };
  }
  const type = uncued(run);
  return type === null ? null : { type, rule: 'digits.spoken', score: sure.listed };
}

/** All runs of a text, in order; the ends of words that only begin like one are left out. */
export function runsOf(tokens: Tokens): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < tokens.count; i++) {
    if (
      !mayBeginRun(tokens, i) ||
      (tokens.kind(i) === kindDigits && tokens.touches(i) && tokens.kind(i - 1) === 1)
    )
      continue;
    const run = readRun(tokens, i);
    if (run === null) continue;
    runs.push(run);
    i = run.last;
  }
  return runs;
}

/** Names the runs that are values. What the call knows and no cue names is left to the echoes. */
export function findSpoken(
  tokens: Tokens,
  runs: readonly Run[],
  found: Candidates,
  isKnown: (digits: string) => boolean,
): void {
  for (const run of runs) {
    const isEcho = isKnown(run.digits) && (cueBefore(tokens, run.first) & specificCues) === 0;
    if (isEcho) continue;
    const named = typeOf(tokens, run, found);
    if (named === null) continue;
    const key = run.digits.length >= 3 ? run.chars : undefined;
    found.add({
      ...{ start: tokens.start(run.first), end: tokens.end(run.last), ...named },
      ...(key === undefined ? {} : { key }),
    });
  }
}
