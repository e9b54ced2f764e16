// Policy: the data that the project ships, read and checked once. In: the files of rules/. Out: rules and tables.
// A command or a station loads this at its edge and hands it to the pure functions.

import countryZones from './rules/country-zones.json' with { type: 'json' };
import nanpZones from './rules/nanp-timezones.json' with { type: 'json' };
import quietHours from './rules/quiet-hours.json' with { type: 'json' };
import { isCalendar } from './holidays.js';
import { readNumbering, type Numbering } from './numbering.js';
import { isRegion } from './question.js';
import { readRuleFile, type KnownPlaces, type RuleFileReading } from './rule-faults.js';
import type { RuleFile } from './rule-file.js';
import { zoneNamed } from './wall-time.js';

/** Rules and tables as shipped. */
export interface Rulebook {
  readonly file: RuleFile;
  readonly numbering: Numbering;
}

/** What a rule file may name. */
function placesOf(numbering: Numbering): KnownPlaces {
  return {
    isRegion: (country, region) => isRegion(country, region, numbering),
    isCountry: (country) => numbering.zonesOf(country).length > 0,
    isZone: (zone) => zoneNamed(zone) !== null,
    isCalendar,
  };
}

/** Reads a rule file of somebody's own against the shipped tables. */
export function readOwnRules(json: unknown, { numbering }: Rulebook): RuleFileReading {
  return readRuleFile(json, placesOf(numbering));
}

/** The shipped data; throws where it is damaged, which a test rules out. */
export function loadRulebook(): Rulebook {
  const numbering = readNumbering(nanpZones, countryZones);
  const reading = readRuleFile(quietHours, placesOf(numbering));
  if (!reading.ok) throw new Error(reading.faults.map(({ detail }) => detail).join('\n'));
  return { file: reading.file, numbering };
}
