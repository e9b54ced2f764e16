// The shipped rules, each to its boundary minutes, and the faults of rule files.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { isOpen, type Contact } from '../../../processors/policy/quiet-hours.js';
import { readOwnRules } from '../../../processors/policy/rulebook.js';
import { instantOf } from '../../../processors/policy/wall-time.js';
import { rulebook } from './asking.js';

interface RawRule {
  readonly id: string;
  readonly channels: readonly Contact['channel'][];
  readonly allowed: Readonly<Record<string, readonly (readonly [string, string])[]>>;
}
const raw = JSON.parse(readFileSync('processors/policy/rules/quiet-hours.json', 'utf8')) as {
  readonly version: string;
  readonly rules: readonly RawRule[];
};

/** A week without a holiday anywhere that the rules know, in force for all of them. */
const monday = Date.parse('2026-11-16') / 86_400_000;
const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

describe.each(raw.rules)('$id', ({ id, channels, allowed }) => {
  test('opens with the first minute of each interval and closes before its last', () => {
    const rule = rulebook.file.rules.find((one) => one.id === id);
    if (rule === undefined) throw new Error('not read');
    const zone = 'America/Denver';
    const [channel = 'voice'] = channels;
    for (const [index, day] of days.entries()) {
      const intervals = allowed[day] ?? [];
      const edges = [0, 719, 720, 1439].concat(
        intervals.flatMap(([from, to]) => [
          minutes(from) - 1,
          minutes(from),
          minutes(to) - 1,
          minutes(to),
        ]),
      );
      for (const minute of edges) {
        const at = instantOf(zone, { day: monday + index, minute });
        const expected = intervals.some(
          ([from, to]) => minute >= minutes(from) && minute < minutes(to),
        );
        for (const instant of [at, at + 59_999]) {
          expect(isOpen({ rule, zone }, channel, instant), `${day} ${minute}`).toBe(expected);
        }
      }
    }
  });
});

describe('rule files', () => {
  const faults = (change: (file: { rules: Record<string, unknown>[] }) => void) => {
    const file = structuredClone(raw) as unknown as { rules: Record<string, unknown>[] };
    change(file);
    const reading = readOwnRules(file, rulebook);
    return reading.ok ? [] : reading.faults.map(({ field, detail }) => `${field}: ${detail}`);
  };
  const second = (change: Record<string, unknown>) =>
    faults(({ rules }) => Object.assign(rules[2] ?? {}, change)).join('\n');
  const week = (hours: unknown) => ({ allowed: { ...raw.rules[2]?.allowed, mon: hours } });

  test('the shipped one has none', () => {
    expect(faults(() => undefined)).toEqual([]);
  });

  test.each([
    [
      'overlaps',
      week([
        ['08:00', '12:00'],
        ['11:00', '20:00'],
      ]),
      'rules.2.allowed.mon.1: US-FL: overlaps',
    ],
    [
      'an end before the beginning',
      week([['20:00', '08:00']]),
      'rules.2.allowed.mon.0: US-FL: an interval ends',
    ],
    ['no such time', week([['8:00', '25:00']]), 'rules.2.allowed.mon.0.0: a time of day'],
    ['an unknown country', { country: 'XX' }, 'rules.2.country: US-FL: no country XX'],
    ['an unknown region', { region: 'ZZ' }, 'rules.2.region: US-FL: no region ZZ of US'],
    ['an unknown zone', { zones: ['America/Springfield'] }, 'rules.2.zones.0: US-FL: no time zone'],
    [
      'unknown holidays',
      { holidays: { allowed: [], calendar: 'US-ZZ' } },
      'rules.2.holidays.calendar: US-FL: no holidays',
    ],
    ['no such date', { effective: { from: '2026-02-30' } }, 'rules.2.effective.from: no such date'],
    [
      'an end before it is in force',
      { effective: { from: '2026-02-01' }, ends: '2026-01-01' },
      'rules.2.ends',
    ],
    ['an unknown field', { alowed: {} }, 'Unrecognized key'],
  ])('%s', (_, change, expected) => {
    expect(second(change)).toContain(expected);
  });

  test('a gap: without a rule for everywhere', () => {
    const found = faults(({ rules }) => void rules.shift());
    expect(found.join()).toContain('rules: a gap: no rule binds everywhere');
  });

  test('versions of one rule follow each other without overlap or gap', () => {
    const versions = (ends: string, from: string) =>
      faults(({ rules }) => {
        const old = rules[2] ?? {};
        rules.push({ ...structuredClone(old), version: 2, effective: { from } });
        old['ends'] = ends;
      }).join();
    expect(versions('2026-12-31', '2027-01-01')).toBe('');
    expect(versions('2026-12-31', '2026-12-31')).toContain('overlaps its version 1');
    expect(versions('2026-12-31', '2027-01-02')).toContain('leaves a gap after its version 1');
  });

  test.each([[null], ['rules'], [{}], [{ version: '1', notLegalAdvice: true, rules: [] }]])(
    'what is no rule file is told: %j',
    (file) => {
      expect(readOwnRules(file, rulebook)).toMatchObject({ ok: false });
    },
  );
});
