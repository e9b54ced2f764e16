// The table of design section 5, and what follows from it.

import { describe, expect, test } from 'vitest';
import { isTerminal, stepsBetween, transitions } from '../../../processors/call/transitions.js';
import { callStatuses } from '../../../schemas/facts.js';

test('every transition of the table is a direct step', () => {
  for (const from of callStatuses) {
    for (const to of transitions[from]) expect(stepsBetween(from, to)).toEqual([]);
  }
});

test('completed and failed are the only ends, and nothing follows them', () => {
  expect(callStatuses.filter(isTerminal)).toEqual(['completed', 'failed']);
  for (const to of callStatuses) {
    expect(stepsBetween('completed', to)).toBeNull();
    expect(stepsBetween('failed', to)).toBeNull();
  }
});

describe('skipped steps', () => {
  test.each([
    ['outbound', 'answered', ['initiated', 'ringing']],
    ['inbound', 'answered', ['ringing']],
    ['unknown', 'ringing', []],
    ['inbound', 'failed', ['ringing']],
    ['initiated', 'on_hold', ['ringing', 'answered']],
    ['initiated', 'completed', ['ringing', 'answered']],
    ['transferring', 'completed', ['answered']],
    ['on_hold', 'failed', ['answered']],
    ['on_hold', 'transferring', ['answered']],
  ] as const)('from %s to %s: %j', (from, to, steps) => {
    expect(stepsBetween(from, to)).toEqual(steps);
  });

  test('no way leads back to the beginning', () => {
    for (const from of ['answered', 'on_hold', 'transferring'] as const) {
      expect(stepsBetween(from, 'ringing')).toBeNull();
      expect(stepsBetween(from, 'initiated')).toBeNull();
    }
  });
});
