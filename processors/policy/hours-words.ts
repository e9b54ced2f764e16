// Policy: what a rule of hours said, in words. In: a check and an instant. Out: a sentence with the local time, the
// day and the hours that bind there.

import { hoursOn, isOpen, type Check, type Contact } from './quiet-hours.js';
import { clockText, dateText, wallTime, weekdayOf } from './wall-time.js';

const dayNames = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

/** `20:30 on Sunday 2026-11-01 in America/New_York`. */
export function localTimeText(zone: string, at: number): string {
  const { day, minute } = wallTime(zone, at);
  return `${clockText(minute)} on ${dayNames[weekdayOf(day)] ?? ''} ${dateText(day)} in ${zone}`;
}

/** One sentence on one rule on one clock. */
export function hoursText(check: Check, channel: Contact['channel'], at: number): string {
  const { rule, zone } = check;
  const { day } = wallTime(zone, at);
  const { hours, holiday, eveOf } = hoursOn(rule, channel, day);
  const open = hours.map(([from, to]) => `${clockText(from)} to ${clockText(to)}`).join(' and ');
  const because =
    holiday !== undefined
      ? ` on a holiday (${holiday})`
      : eveOf !== undefined
        ? ` on the day before a holiday (${eveOf})`
        : ` on a ${dayNames[weekdayOf(day)] ?? ''}`;
  const bound = open === '' ? `no contact at all${because}` : `contacts from ${open}${because}`;
  const verb = isOpen(check, channel, at) ? 'allowed' : 'not allowed';
  return `${verb}: it is ${localTimeText(zone, at)}; ${where(check)} ${open === '' ? 'allows' : 'allows only'} ${bound}`;
}

function where({ rule }: Check): string {
  if (rule.country === null) return 'the default';
  const place = rule.region === null ? rule.country : `${rule.country}-${rule.region}`;
  return rule.automatedOnly === true ? `${place}, for automated calls,` : place;
}
