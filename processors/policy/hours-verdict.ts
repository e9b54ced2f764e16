// Policy: quiet hours and region holds of one contact. In: a question, rules, holds. Out: findings by rule, the
// clocks looked at, and from a given instant on the first at which all of them allow it.

import { hoursText, localTimeText } from './hours-words.js';
import type { Numbering } from './numbering.js';
import { whereaboutsOf, type Whereabouts } from './places.js';
import type { Question } from './question.js';
import { checksFor, isOpen, nextAllowedAt, type Check, type RegionHold } from './quiet-hours.js';
import type { Rule } from './rule-file.js';
import type { Finding, ZoneFinding } from './verdict.js';
import { clockText, dateText, wallTime } from './wall-time.js';

/** What hours are judged by. */
export interface HoursContext {
  readonly rules: readonly Rule[];
  readonly numbering: Numbering;
  readonly holds: readonly RegionHold[];
  /** Rules that an override lifts for this contact. */
  readonly lifted: ReadonlySet<string>;
}

/** The clocks' part of a verdict. */
export interface HoursVerdict {
  readonly isOpen: boolean;
  readonly findings: readonly Finding[];
  readonly zones: readonly ZoneFinding[];
  readonly notes: readonly string[];
  /** The rules that bind at one of the places, each once. */
  readonly binding: readonly Rule[];
  /** First instant not before `from` at which everything is open; null where none comes. */
  nextFrom(from: number): number | null;
}

/** Judges the clocks. A recipient who may be nowhere we know of is never open. */
export function judgeHours(question: Question, context: HoursContext): HoursVerdict {
  const { at, channel, recipient, stated } = question;
  const whereabouts = whereaboutsOf(recipient, stated, context.numbering);
  if (whereabouts.zones.length === 0) return unknownPlace(whereabouts);
  const checks = checksFor(context.rules, whereabouts.places, question);
  const holds = holdsAt(context.holds, whereabouts);
  const bindingChecks = checks.filter(({ rule }) => !context.lifted.has(rule.id));
  const bindingHolds = holds.filter(({ id }) => !context.lifted.has(id));
  const findings = [
    ...holds.filter((hold) => isHeld(hold, at)).map((hold) => findingOfHold(hold, context.lifted)),
    ...findingsOf(checks, question, context.lifted),
  ];
  return {
    isOpen: findings.every(({ effect }) => effect === 'allows' || effect === 'overridden'),
    findings,
    zones: whereabouts.zones.map(({ zone, source }) => ({
      zone,
      source,
      local: localText(zone, at),
    })),
    notes: [...whereabouts.notes, ...automatedNote(checks, question)],
    binding: [...new Set(checks.map(({ rule }) => rule))],
    nextFrom: (from) => nextAllowedAt(bindingChecks, bindingHolds, channel, from),
  };
}

function unknownPlace({ notes }: Whereabouts): HoursVerdict {
  const finding: Finding = {
    ...{ id: 'PLACE-UNKNOWN', version: 1, effect: 'blocks', confidence: 'house rule' },
    words: 'nothing says where the recipient is, so no hour is known to be allowed; state a zone',
    source: 'the strictest reading of an unknown place',
  };
  return {
    isOpen: false,
    findings: [finding],
    zones: [],
    notes,
    binding: [],
    nextFrom: () => null,
  };
}

/** One finding per rule, told on the clock that closes it, else on the first. */
function findingsOf(
  checks: readonly Check[],
  { channel, at }: Question,
  lifted: ReadonlySet<string>,
): Finding[] {
  const told = new Map<Rule, { readonly check: Check; readonly open: boolean }>();
  for (const check of checks) {
    const before = told.get(check.rule);
    if (before?.open === false) continue;
    const open = isOpen(check, channel, at);
    if (before === undefined || !open) told.set(check.rule, { check, open });
  }
  return [...told].map(([rule, { check, open }]) => ({
    id: rule.id,
    version: rule.version,
    effect: open ? 'allows' : lifted.has(rule.id) ? 'overridden' : 'defers',
    words: hoursText(check, channel, at),
    source: rule.citation,
    confidence: rule.confidence,
  }));
}

const isHeld = ({ from, until }: RegionHold, at: number): boolean =>
  at >= from && at < (until ?? Infinity);

function holdsAt(holds: readonly RegionHold[], { places }: Whereabouts): RegionHold[] {
  return holds.filter((hold) =>
    places.some(
      ({ country, region }) =>
        country === hold.country && (hold.region === null || hold.region === region),
    ),
  );
}

function findingOfHold(hold: RegionHold, lifted: ReadonlySet<string>): Finding {
  const place = hold.region === null ? hold.country : `${hold.country}-${hold.region}`;
  const end =
    hold.until === null ? 'until it is lifted' : `until ${new Date(hold.until).toISOString()}`;
  return {
    ...{
      id: hold.id,
      version: 1,
      confidence: 'house rule',
      source: 'region hold set by an operator',
    },
    effect: lifted.has(hold.id) ? 'overridden' : 'defers',
    words: `contacts to ${place} are on hold ${end}: ${hold.reason}`,
  };
}

function automatedNote(checks: readonly Check[], { automated }: Question): string[] {
  const counts = automated === null && checks.some(({ rule }) => rule.automatedOnly === true);
  return counts
    ? ['not said whether a device places the call: the rules for such calls count']
    : [];
}

function localText(zone: string, at: number): string {
  const { day, minute } = wallTime(zone, at);
  return `${dateText(day)} ${clockText(minute)}`;
}

/** Why the clocks do not allow it, in a sentence; empty where they do. */
export function closedText(findings: readonly Finding[]): string {
  const closing = findings.filter(({ effect }) => effect === 'defers' || effect === 'blocks');
  const first = closing[0];
  if (first === undefined) return '';
  const others = closing.slice(1).map(({ id }) => id);
  const more = others.length === 0 ? '' : ` (so do ${others.join(', ')})`;
  return `${first.id}: ${first.words}${more}`;
}

/** The instant on the recipient's own clock, for the sentence that says until when. */
export const untilText = (zone: string | undefined, until: number): string =>
  zone === undefined ? new Date(until).toISOString() : localTimeText(zone, until);
