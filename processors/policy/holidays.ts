// Policy: which days are public holidays where. In: a calendar as a rule names it, and a day. Out: the holiday's
// name. The days are those of `date-holidays`, reckoned once per calendar and year; nothing is kept by hand.

import Holidays from 'date-holidays';

import type { Rule } from './rule-file.js';
import { yearOf } from './wall-time.js';

type Calendar = NonNullable<Rule['holidays']>;

const reckoned = new WeakMap<Calendar, Map<number, ReadonlyMap<number, string>>>();

/** The public holiday on this day by the rule's calendar; undefined on any other day. */
export function holidayOn(calendar: Calendar, day: number): string | undefined {
  const years = reckoned.get(calendar) ?? new Map<number, ReadonlyMap<number, string>>();
  if (years.size === 0) reckoned.set(calendar, years);
  const year = yearOf(day);
  let days = years.get(year);
  if (days === undefined) years.set(year, (days = daysOf(calendar, year)));
  return days.get(day);
}

function daysOf({ calendar, more }: Calendar, year: number): ReadonlyMap<number, string> {
  const holidays = open(calendar);
  for (const { rule, name } of more ?? []) {
    holidays.setHoliday(rule, { name: { en: name }, type: 'public' });
  }
  const days = new Map<number, string>();
  for (const { date, start, end, name } of holidays.getHolidays(year, 'en')) {
    const first = Date.parse(date.slice(0, 10)) / 86_400_000;
    const length = Math.max(1, Math.round((end.getTime() - start.getTime()) / 86_400_000));
    for (let day = first; day < first + length; day += 1) days.set(day, name);
  }
  return days;
}

function open(calendar: string): Holidays {
  const [country = '', state] = calendar.split('-');
  const options = { types: ['public' as const], languages: 'en' };
  return state === undefined
    ? new Holidays(country, options)
    : new Holidays(country, state, options);
}

/** Whether holidays are known of `CC` or `CC-REGION`. */
export function isCalendar(calendar: string): boolean {
  const [country = '', state, ...rest] = calendar.split('-');
  if (rest.length > 0 || !Object.hasOwn(countries(), country)) return false;
  return state === undefined || isRegionOf(country, state);
}

/** Whether the library knows this region (ISO 3166-2, the part after the hyphen) of the country. */
export function isRegionOf(country: string, region: string): boolean {
  const states = new Holidays().getStates(country) as Record<string, string> | undefined;
  return states !== undefined && Object.keys(states).some((key) => key.toUpperCase() === region);
}

const countries = (): Record<string, string> => new Holidays().getCountries();
