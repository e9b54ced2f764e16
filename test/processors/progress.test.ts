// Partitions that get nowhere are told, with the reason; those that have nothing to do are not.

import { expect, test } from 'vitest';

import { Progress } from '../../processors/progress.js';
import { offset } from '../../schemas/ids.js';

const at = (realtime: number) => ({ realtime: offset(realtime), bulk: offset(-1) });

function tracked() {
  const clock = { now: 0 };
  const progress = new Progress(() => clock.now);
  const pass = (seconds: number): void => void (clock.now += seconds * 1000);
  progress.assigned(3);
  return { progress, pass };
}

test('an owned partition without work is idle for as long as it likes', () => {
  const { progress, pass } = tracked();
  progress.taken(3);
  progress.covered(3, at(9));
  progress.lag(3, 'realtime', 0);
  pass(3_600);
  expect(progress.stalls()).toEqual([]);
  // What comes after an hour has not waited for an hour.
  progress.lag(3, 'realtime', 5);
  pass(29);
  expect(progress.stalls()).toEqual([]);
  pass(2);
  expect(progress.stalls()).toEqual([{ partition: 3, seconds: 31, reason: null }]);
  progress.covered(3, at(12));
  expect(progress.stalls()).toEqual([]);
});

test('a partition that is never taken is told, with what ended the last attempt', () => {
  const { progress, pass } = tracked();
  for (let i = 0; i < 10; i += 1) {
    progress.ended(3, 'unknown_append');
    pass(4);
  }
  expect(progress.stalls()).toEqual([{ partition: 3, seconds: 40, reason: 'unknown_append' }]);
});

test('taking it again and again without deciding anything is no progress', () => {
  const { progress, pass } = tracked();
  progress.taken(3);
  progress.covered(3, at(9));
  for (let i = 0; i < 10; i += 1) {
    pass(4);
    progress.taken(3);
    progress.covered(3, at(9));
    progress.lag(3, 'realtime', 7);
    progress.ended(3, 'error');
  }
  expect(progress.stalls()).toMatchObject([{ partition: 3, reason: 'error' }]);
  progress.revoked(3);
  expect(progress.stalls()).toEqual([]);
});
