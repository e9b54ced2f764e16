// Quiet hours by place, to the minute: the window begins with its first minute and ends before its last.

import { describe, expect, test } from 'vitest';

import { ask, short } from './asking.js';

const newYork = '+12125550100';
const phoenix = '+16025550100';
const chicago = '+17735550100';
const florida = '+13055550100';
const rhodeIsland = '+14015550100';
const paris = '+33123456789';

describe('the default', () => {
  test.each([
    ['2026-06-10T11:59:59.999Z', '2026-06-10T12:00:00Z'],
    ['2026-06-10T12:00:00Z', 'approved'],
    ['2026-06-11T00:59:59Z', 'approved'],
    ['2026-06-11T01:00:00Z', '2026-06-11T12:00:00Z'],
  ])('New York at %s: %s', (at, expected) => {
    expect(short({ to: newYork, at, purpose: 'service' })).toBe(expected);
  });

  test('binds contacts of every purpose', () => {
    for (const purpose of ['marketing', 'service', 'research', 'something else']) {
      expect(ask({ to: newYork, at: '2026-06-10T07:00:00Z', purpose }).verdict).toBe('deferred');
    }
  });
});

describe('clocks that change', () => {
  test.each([
    ['New York begins summer time', newYork, '2027-03-14T02:00:00Z', '2027-03-14T12:00:00Z'],
    ['the day before', newYork, '2027-03-13T02:00:00Z', '2027-03-13T13:00:00Z'],
    ['Chicago begins summer time', chicago, '2027-03-14T03:00:00Z', '2027-03-14T13:00:00Z'],
    ['Phoenix does not', phoenix, '2027-03-14T05:00:00Z', '2027-03-14T15:00:00Z'],
    ['New York ends summer time', newYork, '2026-11-01T01:30:00Z', '2026-11-01T13:00:00Z'],
    ['the day before', newYork, '2026-10-31T01:30:00Z', '2026-10-31T12:00:00Z'],
    ['in the hour that comes twice', newYork, '2026-11-01T06:30:00Z', '2026-11-01T13:00:00Z'],
    ['Chicago ends summer time', chicago, '2026-11-01T02:30:00Z', '2026-11-01T14:00:00Z'],
    ['Phoenix does not', phoenix, '2026-11-01T04:30:00Z', '2026-11-01T15:00:00Z'],
  ])('%s', (_, to, at, until) => {
    expect(short({ to, at, purpose: 'service' })).toBe(until);
  });
});

describe('regional rules', () => {
  test('Florida closes an hour before the default', () => {
    expect(short({ to: florida, at: '2026-06-10T23:59:00Z' })).toBe('approved');
    expect(short({ to: florida, at: '2026-06-11T00:00:00Z' })).toBe('2026-06-11T12:00:00Z');
    expect(short({ to: florida, at: '2026-06-11T00:00:00Z', purpose: 'service' })).toBe('approved');
  });

  test('Rhode Island keeps a week of its own, with holidays and without Sundays', () => {
    const at = (instant: string) => short({ to: rhodeIsland, at: instant, channel: 'voice' });
    expect(at('2026-06-12T21:59:00Z')).toBe('approved'); // Friday 17:59
    expect(at('2026-06-12T22:00:00Z')).toBe('2026-06-13T14:00:00Z'); // Saturday 10:00
    expect(at('2026-06-13T20:59:00Z')).toBe('approved');
    expect(at('2026-06-13T21:00:00Z')).toBe('2026-06-15T13:00:00Z'); // Monday 9:00
    // Thursday before Independence Day, which is kept on Friday and on the Saturday itself; then Sunday.
    expect(at('2026-07-02T22:00:00Z')).toBe('2026-07-06T13:00:00Z');
    expect(at('2026-10-31T21:00:00Z')).toBe('2026-11-02T14:00:00Z'); // over the end of summer time
    expect(short({ to: rhodeIsland, at: '2026-06-14T15:00:00Z' })).toBe('approved'); // texts are free of it
  });

  test('France has two intervals a day, no weekends and no holidays', () => {
    const at = (instant: string) => short({ to: paris, at: instant, channel: 'voice' });
    expect(at('2026-11-24T08:59:00Z')).toBe('2026-11-24T09:00:00Z');
    expect(at('2026-11-24T11:59:00Z')).toBe('approved');
    expect(at('2026-11-24T12:00:00Z')).toBe('2026-11-24T13:00:00Z');
    expect(at('2026-11-24T19:00:00Z')).toBe('2026-11-25T09:00:00Z');
    expect(at('2026-11-27T19:00:00Z')).toBe('2026-11-30T09:00:00Z'); // Friday to Monday
    expect(at('2026-12-24T19:00:00Z')).toBe('2026-12-28T09:00:00Z'); // Christmas on a Friday
  });

  test('Italy keeps Saturday hours on the day before a holiday', () => {
    const at = (instant: string) => short({ to: '+390612345678', at: instant, channel: 'voice' });
    expect(at('2026-12-07T08:30:00Z')).toBe('2026-12-07T09:00:00Z'); // 9:30, eve of the 8th
    expect(at('2026-12-09T08:30:00Z')).toBe('approved');
  });

  test('Texas binds texts only since its law does', () => {
    const sunday = (year: string) => short({ to: '+12145550100', at: `${year}T15:00:00Z` });
    expect(sunday('2025-08-31')).toBe('approved'); // 10:00
    expect(sunday('2025-09-07')).toBe('2025-09-07T17:00:00Z'); // 12:00
  });

  test('Mississippi keeps Central time wherever its number has gone', () => {
    const at = { to: '+16015550100', zone: 'America/New_York', channel: 'voice' };
    expect(short({ ...at, at: '2026-06-10T12:30:00Z' })).toBe('2026-06-10T13:00:00Z');
  });

  test('rules for automated calls count unless a person dials', () => {
    const maine = { to: '+12075550100', at: '2026-06-10T21:30:00Z', channel: 'voice' }; // 17:30
    expect(ask(maine).verdict).toBe('deferred');
    expect(ask(maine).notes?.join()).toContain('not said whether a device places the call');
    expect(ask({ ...maine, automated: false }).verdict).toBe('approved');
  });

  test('a rule that is not confirmed is off', () => {
    const sunday = { to: '+12155550100', at: '2026-11-08T16:00:00Z', channel: 'voice' };
    expect(ask(sunday).verdict).toBe('approved');
    expect(ask(sunday).rules.map(({ id }) => id)).not.toContain('US-PA-SB992');
  });
});

describe('where the recipient is', () => {
  test('every zone of an area code must allow it', () => {
    // 20:30 in New York, 19:30 in Chicago.
    expect(short({ to: '+18505550100', at: '2026-06-01T00:30:00Z' })).toBe('2026-06-01T13:00:00Z');
    // 7:30 in Chicago, 8:30 in New York.
    expect(short({ to: '+18505550100', at: '2026-06-01T12:30:00Z' })).toBe('2026-06-01T13:00:00Z');
  });

  test('a stated zone and the area code both count', () => {
    const moved = { to: newYork, zone: 'America/Los_Angeles', purpose: 'service' };
    expect(short({ ...moved, at: '2026-06-10T12:30:00Z' })).toBe('2026-06-10T15:00:00Z');
    expect(short({ ...moved, at: '2026-06-11T01:30:00Z' })).toBe('2026-06-11T15:00:00Z');
  });

  test('a Florida number keeps Florida’s hours in another state', () => {
    const moved = { to: florida, region: 'NY', at: '2026-06-11T00:30:00Z' };
    expect(ask(moved).verdict).toBe('deferred');
    expect(ask({ to: newYork, region: 'US-FL', at: '2026-06-11T00:30:00Z' }).verdict).toBe(
      'deferred',
    );
  });

  test('freephone and unknown area codes may be anywhere in the plan', () => {
    for (const to of ['+18005550100', '+15550100', '+15555550100']) {
      expect(ask({ to, at: '2026-11-24T17:30:00Z' }).verdict, to).toBe('deferred'); // 7:30 in Hawaii
      expect(ask({ to, at: '2026-11-24T18:00:00Z' }).verdict, to).toBe('approved');
      expect(ask({ to, at: '2026-11-24T22:30:00Z', channel: 'voice' }).verdict, to).toBe(
        'deferred',
      );
    }
  });

  test('a mobile of Australia may be in any of its zones, until a zone is stated', () => {
    const mobile = { to: '+61412345678', at: '2026-11-24T00:30:00Z', channel: 'voice' };
    expect(short(mobile)).toBe('2026-11-24T01:00:00Z'); // 9:00 in Perth
    expect(short({ ...mobile, zone: 'Australia/Sydney' })).toBe('approved');
  });

  test('a North American number known to be a mobile counts in every zone of its country', () => {
    const at = { to: newYork, at: '2026-06-10T14:00:00Z', purpose: 'service' };
    expect(short(at)).toBe('approved');
    expect(short({ ...at, line: 'mobile' })).toBe('2026-06-10T18:00:00Z'); // 8:00 in Honolulu
  });

  test('a number of no country is blocked until a zone is stated', () => {
    const nowhere = { to: '+80012345678', at: '2026-06-10T14:00:00Z' };
    expect(ask(nowhere)).toMatchObject({ verdict: 'blocked', rules: [{ id: 'PLACE-UNKNOWN' }] });
    expect(ask({ ...nowhere, zone: 'Europe/Berlin' }).verdict).toBe('approved');
  });

  test('other names of a zone are the same zone', () => {
    const inZone = (zone: string) =>
      ask({ to: '+18005550100', at: '2026-06-10T16:30:00Z', zone }).rules.map(({ id }) => id);
    expect(inZone('US/Eastern')).toContain('US-FL');
    expect(inZone('us/eastern')).toEqual(inZone('America/New_York'));
  });
});

describe('what cannot be judged', () => {
  test.each([
    ['to', { to: '2125550100' }],
    ['to', { to: '+1 212 555 0100' }],
    ['to', { to: '+9995550100' }],
    ['to', { to: 12125550100 }],
    ['at', { at: 'yesterday' }],
    ['at', { at: '2026-11-01T07:30:00' }],
    ['at', { at: '2026-02-30T07:30:00Z' }],
    ['at', { at: '9999-01-01T00:00:00Z' }],
    ['channel', { channel: 'pigeon' }],
    ['purpose', { purpose: 7 }],
    ['zone', { zone: 'America/Springfield' }],
    ['zone', { zone: '+05:00' }],
    ['region', { region: 'ZZ' }],
    ['region', { region: 'US-' }],
    ['line', { line: 'tin can' }],
    ['automated', { automated: 'no' }],
  ])('names the field: %s', (field, wrong) => {
    const answer = ask({ to: newYork, at: '2026-06-10T14:00:00Z', ...wrong });
    expect(answer).toMatchObject({ verdict: 'blocked', error: { field } });
    expect(answer.reason.startsWith(`${field}: `)).toBe(true);
  });

  test('past dates are judged like any other', () => {
    expect(short({ to: newYork, at: '1999-06-10T14:00:00Z' })).toBe('approved');
    expect(short({ to: newYork, at: '1999-06-10T03:00:00Z' })).toBe('1999-06-10T12:00:00Z');
  });
});
