// TRUNKLINE_SILENCE: how long calls may be silent, by status, provider and tenant.

import { describe, expect, test } from 'vitest';

import { parseSilence, silenceOf } from '../../runtime/silence.js';
import { defaultBounds } from '../../schemas/timers.js';

const boundsOf = (text: string): ReturnType<typeof silenceOf> => {
  const parsed = parseSilence(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return silenceOf(parsed);
};

const hourMs = 3_600_000;

test('without an entry every call has the defaults', () => {
  expect(boundsOf('')('acme', 'twilio')).toEqual(defaultBounds);
});

test('the more special entry wins, whatever order they stand in', () => {
  const bounds = boundsOf(
    'acme/telnyx.answered=9h, answered=6h ,telnyx.answered=7h,acme/answered=8h,on_hold=90s',
  );
  const answered = (tenant: string, provider: string): number =>
    bounds(tenant, provider).answered / hourMs;
  expect(answered('umbra', 'twilio')).toBe(6);
  expect(answered('umbra', 'telnyx')).toBe(7);
  expect(answered('acme', 'twilio')).toBe(8);
  expect(answered('acme', 'telnyx')).toBe(9);
  expect(bounds('acme', 'telnyx')).toEqual({
    ...defaultBounds,
    answered: 9 * hourMs,
    on_hold: 90_000,
  });
});

describe('what is no entry is refused', () => {
  test.each([
    ['an end', 'completed=5m'],
    ['no duration', 'answered=soon'],
    ['no status', '=5m'],
    ['no bound', 'ringing=0s'],
    ['a tenant that is none', 'Acme!/answered=5m'],
  ])('%s', (_what, text) => {
    expect(parseSilence(text)).toMatch(/^entry 1/);
    expect(parseSilence(`answered=4h,${text}`)).toMatch(/^entry 2/);
  });
});
