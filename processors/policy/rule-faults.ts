// Policy: reads a rule file. In: JSON of unknown make and what rules may name. Out: rules, or every fault by its
// field: a wrong shape, overlapping hours, gaps in the week, places that do not exist, rules that contradict each other.

import { ruleFile, weekdays, type Interval, type Rule, type RuleFile } from './rule-file.js';

/** What a rule may speak of: countries, their regions, zones, calendars. */
export interface KnownPlaces {
  isRegion(country: string, region: string): boolean;
  isCountry(country: string): boolean;
  isZone(zone: string): boolean;
  isCalendar(calendar: string): boolean;
}

export type RuleFileReading =
  | { readonly ok: true; readonly file: RuleFile }
  | { readonly ok: false; readonly faults: readonly RuleFault[] };

/** One fault of a file; `field` is a path such as `rules.3.allowed.mon`. */
export interface RuleFault {
  readonly field: string;
  readonly detail: string;
}

/** Reads a rule file and checks it whole; every fault is told, by its field. */
export function readRuleFile(json: unknown, places: KnownPlaces): RuleFileReading {
  const parsed = ruleFile.safeParse(json);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => ({
      field: path.map(String).join('.') || 'file',
      detail: message,
    }));
    return { ok: false, faults };
  }
  const faults = faultsOf(parsed.data, places);
  return faults.length === 0 ? { ok: true, file: parsed.data } : { ok: false, faults };
}

function faultsOf(file: RuleFile, places: KnownPlaces): RuleFault[] {
  const faults = file.rules.flatMap((rule, index) =>
    faultsOfRule(rule, places).map(({ field, detail }) => ({
      field: `rules.${index}.${field}`,
      detail: `${rule.id}: ${detail}`,
    })),
  );
  return [...faults, ...repeatedIds(file), ...missingDefault(file)];
}

function faultsOfRule(rule: Rule, places: KnownPlaces): RuleFault[] {
  const faults: RuleFault[] = [];
  const { country, region, holidays } = rule;
  if (country !== null && !places.isCountry(country)) {
    faults.push({ field: 'country', detail: `no country ${country} in ISO 3166-1` });
  } else if (region !== null && !(country !== null && places.isRegion(country, region))) {
    faults.push({ field: 'region', detail: `no region ${region} of ${country ?? 'no country'}` });
  }
  for (const [index, zone] of (rule.zones ?? []).entries()) {
    if (!places.isZone(zone)) {
      faults.push({ field: `zones.${index}`, detail: `no time zone ${zone}` });
    }
  }
  for (const day of weekdays) faults.push(...faultsOfHours(`allowed.${day}`, rule.allowed[day]));
  if (holidays !== undefined) {
    faults.push(...faultsOfHours('holidays.allowed', holidays.allowed));
    if (!places.isCalendar(holidays.calendar)) {
      const detail = `no holidays are known of ${holidays.calendar}`;
      faults.push({ field: 'holidays.calendar', detail });
    }
  }
  return [...faults, ...faultsOfWeek(rule), ...faultsOfDates(rule)];
}

function faultsOfHours(field: string, hours: readonly Interval[]): RuleFault[] {
  const faults: RuleFault[] = [];
  hours.forEach(([from, to], index) => {
    const before = hours[index - 1];
    if (from >= to) {
      const detail = 'an interval ends after it begins; hours over midnight are two intervals';
      faults.push({ field: `${field}.${index}`, detail });
    } else if (before !== undefined && from < before[1]) {
      const detail = 'overlaps the interval before it, or is not in order';
      faults.push({ field: `${field}.${index}`, detail });
    }
  });
  return faults;
}

/** A week in which nothing is ever allowed is a region hold, not hours. */
function faultsOfWeek(rule: Rule): RuleFault[] {
  if (weekdays.some((day) => rule.allowed[day].length > 0)) return [];
  return [{ field: 'allowed', detail: 'no hour of the week is allowed; use a region hold' }];
}

function faultsOfDates({ ends, effective }: Rule): RuleFault[] {
  if (ends === undefined || effective === undefined) return [];
  if (Object.values(effective).every((from) => (from ?? ends) <= ends)) return [];
  return [{ field: 'ends', detail: 'ends before it is in force' }];
}

/** The same id twice is one rule in two versions: their times in force may neither overlap nor leave a gap. */
function repeatedIds({ rules }: RuleFile): RuleFault[] {
  const faults: RuleFault[] = [];
  rules.forEach((rule, index) => {
    const before = rules.slice(0, index).findLast(({ id }) => id === rule.id);
    if (before === undefined) return;
    const from = rule.effective?.from;
    const field = `rules.${index}.effective.from`;
    if (from === undefined || before.ends === undefined || from <= before.ends) {
      faults.push({ field, detail: `${rule.id}: overlaps its version ${before.version} in time` });
    } else if (from > before.ends + 1) {
      const detail = `${rule.id}: leaves a gap after its version ${before.version}`;
      faults.push({ field, detail });
    }
  });
  return faults;
}

/** Without a rule that binds everywhere, a place of which no rule speaks would be open at night. */
function missingDefault({ rules }: RuleFile): RuleFault[] {
  const isDefault = (rule: Rule): boolean =>
    rule.country === null &&
    rule.enabled &&
    rule.effective === undefined &&
    rule.zones === undefined;
  const bound = new Set(
    rules
      .filter(isDefault)
      .flatMap(({ channels, purposes }) =>
        channels.flatMap((channel) => purposes.map((purpose) => `${channel} ${purpose}`)),
      ),
  );
  const wanted = ['voice', 'sms'].flatMap((channel) =>
    ['marketing', 'service', 'research'].map((purpose) => `${channel} ${purpose}`),
  );
  const open = wanted.filter((one) => !bound.has(one));
  if (open.length === 0) return [];
  const detail = `a gap: no rule binds everywhere (country null) for ${open.join(', ')}`;
  return [{ field: 'rules', detail }];
}
