// Quiet hours against an independent oracle: random places and instants, half of them at the edges of hours and
// around changes of the clock, answered by a slow Python script with its own clocks (zoneinfo).

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { holidayOn } from '../../../processors/policy/holidays.js';
import { dateText, instantOf, wallTime } from '../../../processors/policy/wall-time.js';
import { ask, rulebook } from './asking.js';

const count = 2_500;
const seed = 20261101;
const dayMs = 86_400_000;

/** A small generator of its own, so that a failure can be repeated. */
function random(): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const next = random();
const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;

const codes = [...rulebook.numbering.areaCodes.keys()];
const abroad = {
  FR: '+33612345678',
  GB: '+442071838750',
  IT: '+393123456789',
  ES: '+34612345678',
  AU: '+61412345678',
  DE: '+4915123456789',
  IN: '+919876543210',
  JP: '+819012345678',
  NZ: '+64211234567',
  BR: '+5511961234567',
} as const;
type Country = keyof typeof abroad;

/** Days on which clocks change somewhere, and holidays. */
const specialDays = [
  '2026-11-01',
  '2027-03-14',
  '2026-10-25',
  '2027-03-28',
  '2026-04-05',
  '2026-10-04',
]
  .concat('2026-07-03', '2026-12-25', '2026-11-26', '2027-01-01', '2026-05-14')
  .map((day) => Date.parse(day));

function instant(zone: string): number {
  const anyTime = Date.UTC(2019) + Math.floor(next() * 9 * 365 * 86_400) * 1000;
  if (next() < 0.4) return anyTime;
  const special = pick(specialDays) + (Math.floor(next() * 4) - 1) * dayMs;
  const near = next() < 0.5 ? special : anyTime;
  const { day } = wallTime(zone, near);
  const edge = pick([480, 540, 600, 720, 780, 840, 1020, 1080, 1140, 1200, 1260, 1290]);
  return instantOf(zone, { day, minute: edge }) + pick([-60_000, -1_000, 0, 59_000]);
}

function question() {
  const channel = pick(['sms', 'voice', 'voice']);
  const purpose = pick(['marketing', 'marketing', 'service', 'research']);
  if (next() < 0.75) {
    const areaCode = pick(codes);
    const zone = pick(rulebook.numbering.areaCodes.get(areaCode)?.zones ?? []);
    const at = new Date(instant(zone)).toISOString();
    return { to: `+1${areaCode}5550100`, areaCode, at, channel, purpose };
  }
  const country = pick(Object.keys(abroad) as Country[]);
  const at = new Date(instant(pick(rulebook.numbering.zonesOf(country)))).toISOString();
  return { to: abroad[country], country, at, channel, purpose };
}

/** Holidays by rule, for the oracle. */
function holidays(): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { id, holidays: calendar } of rulebook.file.rules) {
    if (calendar === undefined) continue;
    const days: string[] = [];
    for (let day = Date.UTC(2018) / dayMs; day < Date.UTC(2030) / dayMs; day += 1) {
      if (holidayOn(calendar, day) !== undefined) days.push(dateText(day));
    }
    found[id] = days;
  }
  return found;
}

interface Answer {
  readonly verdict: string;
  readonly until?: string;
  readonly offsets: Readonly<Record<string, number>>;
}

const python = spawnSync('python3', [
  '-c',
  'import zoneinfo; zoneinfo.ZoneInfo("America/Chicago")',
]);
const hasPython = python.status === 0;

test.skipIf(!hasPython && process.env['CI'] === undefined)(
  `${count.toLocaleString('en')} random places and instants are judged as the oracle judges them`,
  () => {
    expect(hasPython, 'python3 with time zone data').toBe(true);
    const folder = mkdtempSync(join(tmpdir(), 'policy-oracle-'));
    try {
      const path = join(folder, 'holidays.json');
      writeFileSync(path, JSON.stringify(holidays()));
      const questions = Array.from({ length: count }, question);
      const run = spawnSync(
        'python3',
        [join(import.meta.dirname, 'oracle.py'), 'processors/policy/rules', path],
        {
          input: questions.map((one) => JSON.stringify(one)).join('\n'),
          encoding: 'utf8',
          maxBuffer: 2 ** 26,
        },
      );
      expect(run.stderr).toBe('');
      const answers = run.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Answer);
      expect(answers).toHaveLength(count);
      const compared = questions.flatMap((one, index) => {
        const { verdict, until } = ask({ ...one });
        const oracle = answers[index];
        return oracle === undefined || !hasSameClocks(oracle, one.at)
          ? []
          : [{ one, ours: until ?? verdict, theirs: oracle.until ?? oracle.verdict }];
      });
      // Python's time zone data may be of another release than Node's; few places differ.
      expect(compared.length).toBeGreaterThan(count * 0.9);
      expect(compared.filter(({ ours, theirs }) => ours !== theirs)).toEqual([]);
      const kinds = new Set(compared.map(({ ours }) => (ours === 'approved' ? ours : 'deferred')));
      expect(kinds.size).toBe(2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

function hasSameClocks({ offsets }: Answer, at: string): boolean {
  const instant = Date.parse(at);
  return Object.entries(offsets).every(([zone, seconds]) => {
    const { day, minute } = wallTime(zone, instant);
    const local = day * dayMs + minute * 60_000;
    return Math.abs(local - (instant + seconds * 1000)) < 60_000;
  });
}
