import fc from 'fast-check';
import { expect, test } from 'vitest';

import { takeFairly } from '../../ingest/fair-batch.js';
import { record } from './fixtures.js';

const waiting = (key: string, n: number, bytes = 10) => ({
  key,
  n,
  record: record('x'.repeat(bytes), key),
});

const limits = { records: 100, bytes: 1_000_000 };

test('a small tenant behind a flood goes with the next batch', () => {
  const flood = Array.from({ length: 5_000 }, (_, n) => waiting('big', n));
  const few = Array.from({ length: 3 }, (_, n) => waiting('small', n));
  const { batch, rest } = takeFairly([...flood, ...few], limits);
  expect(batch.filter(({ key }) => key === 'small').map(({ n }) => n)).toEqual([0, 1, 2]);
  expect(batch).toHaveLength(100);
  expect(rest).toHaveLength(4_903);
});

test('one tenant alone fills the batch, by records or by bytes', () => {
  const queue = Array.from({ length: 300 }, (_, n) => waiting('big', n, 1_000));
  expect(takeFairly(queue, limits).batch).toHaveLength(100);
  const narrow = takeFairly(queue, { records: 100, bytes: 10_000 }).batch.length;
  expect(narrow).toBeGreaterThan(5);
  expect(narrow).toBeLessThan(11);
  expect(takeFairly(queue, { records: 100, bytes: 1 }).batch).toHaveLength(1);
});

test('nothing is lost, each tenant keeps its order, and at least one goes', () => {
  const keys = fc.constantFrom('a', 'b', 'c', 'd');
  const queue = fc.array(fc.tuple(keys, fc.nat({ max: 400 })), { minLength: 1, maxLength: 200 });
  const bounds = fc.record({ records: fc.nat({ max: 50 }), bytes: fc.nat({ max: 5_000 }) });
  fc.assert(
    fc.property(queue, bounds, (given, { records, bytes }) => {
      const all = given.map(([key, size], n) => waiting(key, n, size));
      const { batch, rest } = takeFairly(all, { records: records + 1, bytes });
      expect(batch.length).toBeGreaterThan(0);
      expect(batch.length).toBeLessThanOrEqual(records + 1);
      for (const name of ['a', 'b', 'c', 'd']) {
        const of = (list: readonly { key: string; n: number }[]) =>
          list.filter(({ key }) => key === name).map(({ n }) => n);
        expect([...of(batch), ...of(rest)]).toEqual(of(all));
      }
    }),
  );
});
