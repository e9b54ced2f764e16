// Policy: may a contact start now, and if not, when. In: rules, the places a recipient may be in, an instant. Out:
// what is closed, by which rule on which clock, and the first instant at which everything is open.

import { holidayOn } from './holidays.js';
import type { Place } from './places.js';
import { weekdays, type Interval, type Rule } from './rule-file.js';
import { instantOf, wallTime, weekdayOf } from './wall-time.js';

/** What is asked of the rules. */
export interface Contact {
  readonly channel: 'voice' | 'sms';
  readonly purpose: 'marketing' | 'service' | 'research';
  /** Whether a device places or speaks the call; null where it is not known, which counts as yes. */
  readonly automated: boolean | null;
}

/** A stop that an operator declared: an emergency, a strike. Ends by itself, or `until` is null. */
export interface RegionHold {
  readonly id: string;
  readonly country: string;
  /** Null is the whole country. */
  readonly region: string | null;
  readonly from: number;
  readonly until: number | null;
  readonly reason: string;
}

/** One rule on one clock. */
export interface Check {
  readonly rule: Rule;
  readonly zone: string;
}

const wholeDay: readonly Interval[] = [[0, 1440]];
const minuteMs = 60_000;
const longestSearchMs = 62 * 1440 * minuteMs;

/** Whether a rule speaks of such contacts at all. */
export function speaksOf(rule: Rule, { channel, purpose, automated }: Contact): boolean {
  return (
    rule.channels.includes(channel) &&
    rule.purposes.includes(purpose) &&
    !(rule.automatedOnly === true && (automated === false || channel !== 'voice'))
  );
}

/** Every rule on every clock that binds at these places, each pair once, in the file's order. */
export function checksFor(
  rules: readonly Rule[],
  places: readonly Place[],
  contact: Contact,
): Check[] {
  const checks: Check[] = [];
  for (const rule of rules) {
    if (!rule.enabled || !speaksOf(rule, contact)) continue;
    const zones = new Set<string>();
    for (const { zone, country, region } of places) {
      const isHere =
        (rule.country === null || rule.country === country) &&
        (rule.region === null || rule.region === region);
      if (isHere) for (const clock of rule.zones ?? [zone]) zones.add(clock);
    }
    for (const zone of zones) checks.push({ rule, zone });
  }
  return checks;
}

/** Why a rule's hours on a day are what they are. */
export interface Day {
  readonly hours: readonly Interval[];
  readonly holiday?: string;
  readonly eveOf?: string;
}

/** The hours in which a contact may start on a local day. A rule not in force allows the whole day. */
export function hoursOn(rule: Rule, channel: Contact['channel'], day: number): Day {
  const from = Math.max(rule.effective?.from ?? -Infinity, rule.effective?.[channel] ?? -Infinity);
  if (day < from || day > (rule.ends ?? Infinity)) return { hours: wholeDay };
  const usual = rule.allowed[weekdays[weekdayOf(day)] ?? 'sun'];
  const { holidays } = rule;
  if (holidays === undefined) return { hours: usual };
  const holiday = holidayOn(holidays, day);
  if (holiday !== undefined) return { hours: both(holidays.allowed, usual), holiday };
  if (holidays.eve === undefined) return { hours: usual };
  const eveOf = holidayOn(holidays, day + 1);
  return eveOf === undefined
    ? { hours: usual }
    : { hours: both(rule.allowed[holidays.eve], usual), eveOf };
}

/** A holiday that falls on a Sunday never opens more than the Sunday. */
function both(some: readonly Interval[], others: readonly Interval[]): readonly Interval[] {
  return some.flatMap(([from, to]) =>
    others
      .map(([begin, end]): Interval => [Math.max(from, begin), Math.min(to, end)])
      .filter(([begin, end]) => begin < end),
  );
}

/** Whether this rule allows a contact on this clock at an instant. */
export function isOpen({ rule, zone }: Check, channel: Contact['channel'], at: number): boolean {
  const { day, minute } = wallTime(zone, at);
  return hoursOn(rule, channel, day).hours.some(([from, to]) => minute >= from && minute < to);
}

/** The first instant not before `at` that this rule allows on this clock; null if the search finds none. */
function nextOpen(check: Check, channel: Contact['channel'], at: number): number | null {
  if (isOpen(check, channel, at)) return at;
  const { rule, zone } = check;
  const now = wallTime(zone, at);
  for (let day = now.day; day < now.day + 62; day += 1) {
    for (const [minute] of hoursOn(rule, channel, day).hours) {
      if (day === now.day && minute <= now.minute) continue;
      const begins = instantOf(zone, { day, minute });
      if (begins > at) return begins;
    }
  }
  return null;
}

/** The first instant not before `at` that every check and hold allows; null where none comes within 62 days. */
export function nextAllowedAt(
  checks: readonly Check[],
  holds: readonly RegionHold[],
  channel: Contact['channel'],
  at: number,
): number | null {
  let found = at;
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    for (const hold of holds) {
      if (found < hold.from || found >= (hold.until ?? Infinity)) continue;
      if (hold.until === null) return null;
      found = hold.until;
      isSettled = false;
    }
    for (const check of checks) {
      const next = nextOpen(check, channel, found);
      if (next === null) return null;
      if (next > found) isSettled = false;
      found = next;
    }
    const heldUntil = Math.max(at, ...holds.map(({ until }) => until ?? at));
    if (found - heldUntil > longestSearchMs) return null;
  }
  return found;
}
