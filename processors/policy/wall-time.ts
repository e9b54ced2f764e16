// Policy: what a wall clock shows. In: an instant and a zone, or a local time and a zone. Out: the other. Offsets
// and their changes come from Temporal; the spans between changes are kept, so that a decision is arithmetic.

import { Temporal } from 'temporal-polyfill';

const dayMs = 86_400_000;
const minuteMs = 60_000;

/** A local moment: days since 1970-01-01 and the minute of the day, seconds cut off. */
export interface WallTime {
  readonly day: number;
  readonly minute: number;
}

/** A time between two changes of a zone's offset. */
interface Span {
  readonly from: number;
  readonly to: number;
  readonly offsetMs: number;
}

/** Spans already asked for. Bounded: zones are a closed list, and a zone keeps its last few spans. */
const spans = new Map<string, Span[]>();
const spansPerZone = 32;

/** The zone's name as the time zone database writes it; null for what is not a place's zone. */
export function zoneNamed(text: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{1,63}$/.test(text)) return null;
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text).timeZoneId;
  } catch {
    return null;
  }
}

/** What the wall clock of a known zone shows at an instant (ms since 1970). */
export function wallTime(zone: string, instant: number): WallTime {
  const local = instant + spanAt(zone, instant).offsetMs;
  const day = Math.floor(local / dayMs);
  return { day, minute: Math.floor((local - day * dayMs) / minuteMs) };
}

/**
 * The instant at which a wall clock shows this time. A time that is skipped gives the moment after the gap, one
 * that comes twice its second coming: never earlier than the law may have meant.
 */
export function instantOf(zone: string, { day, minute }: WallTime): number {
  const local = day * dayMs + minute * minuteMs;
  const before = spanAt(zone, local - dayMs).offsetMs;
  const after = spanAt(zone, local + dayMs).offsetMs;
  const comings = [local - before, local - after].filter(
    (at) => at + spanAt(zone, at).offsetMs === local,
  );
  return comings.length === 0 ? local - before : Math.max(...comings);
}

function spanAt(zone: string, instant: number): Span {
  const known = spans.get(zone) ?? [];
  for (const span of known) if (instant >= span.from && instant < span.to) return span;
  const zoned = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone);
  const before = zoned.add({ milliseconds: 1 }).getTimeZoneTransition('previous');
  const after = zoned.getTimeZoneTransition('next');
  const span = {
    from: before?.epochMilliseconds ?? -Infinity,
    to: after?.epochMilliseconds ?? Infinity,
    offsetMs: zoned.offsetNanoseconds / 1e6,
  };
  spans.set(zone, [span, ...known.slice(0, spansPerZone - 1)]);
  return span;
}

/** 1 Monday … 7 Sunday as 0 … 6; 1970-01-01 was a Thursday. */
export const weekdayOf = (day: number): number => (((day + 3) % 7) + 7) % 7;

/** The year of a day. */
export const yearOf = (day: number): number => new Date(day * dayMs).getUTCFullYear();

const dates = new Map<number, string>();
const mostDates = 4_096;

/** `2026-11-01` of a day. */
export function dateText(day: number): string {
  const known = dates.get(day);
  if (known !== undefined) return known;
  if (dates.size >= mostDates) dates.clear();
  const text = new Date(day * dayMs).toISOString().slice(0, 10);
  dates.set(day, text);
  return text;
}

/** `08:00` of a minute. */
export const clockText = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
