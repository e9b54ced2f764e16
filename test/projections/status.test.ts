import { expect, test } from 'vitest';

import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { startMark } from '../../log/mark.js';
import { describeError } from '../../projections/describe-error.js';
import { isTransient } from '../../projections/lane.js';
import { createProjectionMetrics } from '../../projections/metrics.js';
import { Standby } from '../../projections/standby.js';
import { ProjectionStatus } from '../../projections/status.js';
import { TrunklineError } from '../../runtime/errors.js';
import { createMetrics } from '../../runtime/metrics.js';
import { offset } from '../../schemas/ids.js';

const at = (next: number) => ({ ...startMark, next: offset(next) });

test('lag is counted from when it began, and a partition that has lag and does not move is stuck', () => {
  let now = 0;
  const status = new ProjectionStatus(() => now);
  status.begin(1);
  status.seen(0, 10);
  status.moved(0, at(10));
  expect(status.health()).toMatchObject({
    ok: true,
    partitions: [{ lagRecords: 0, lagSeconds: 0 }],
  });
  now = 5_000;
  status.seen(0, 30);
  now = 9_000;
  status.moved(0, at(20));
  expect(status.health().partitions[0]).toMatchObject({ lagRecords: 10, lagSeconds: 4 });
  now = 40_000;
  expect(status.health()).toMatchObject({ ok: false, partitions: [{ stuck: true }] });
  status.moved(0, at(30));
  expect(status.health()).toMatchObject({
    ok: true,
    partitions: [{ stuck: false, lagSeconds: 0 }],
  });
});

test('a reader that no longer sees the head does not look healthy: the log itself is asked', async () => {
  let now = 0;
  const store = new MemoryStore({ partitions: 1 });
  const registry = createMetrics();
  const metrics = createProjectionMetrics(registry);
  const status = new ProjectionStatus(() => now);
  status.begin(1);
  store.land('events', 0, [{ key: '', header: 'x', value: null }]);
  await status.sample(createMemoryLog(store), metrics);
  now = 31_000;
  await status.sample(createMemoryLog(store), metrics);
  expect(status.health()).toMatchObject({ ok: false, partitions: [{ head: 1, stuck: true }] });
  const text = await registry.metrics();
  expect(text).toContain('trunkline_projections_stuck_partitions 1');
  expect(text).toContain('trunkline_projections_lag_records{partition="0"} 1');
});

test('a standby takes over only from a leader that stands still with work before it', () => {
  let now = 0;
  const standby = new Standby(1_000, () => now);
  standby.add(3);
  expect(standby.observe(3, 5, 9)).toBe(false);
  now = 900;
  expect(standby.observe(3, 6, 9)).toBe(false);
  now = 1_800;
  expect(standby.observe(3, 6, 9)).toBe(false);
  now = 1_950;
  expect(standby.observe(3, 9, 9)).toBe(false);
  now = 9_000;
  expect(standby.observe(3, 9, 9)).toBe(false);
  expect(standby.observe(3, 9, 12)).toBe(false);
  now = 10_100;
  expect(standby.observe(3, 9, 12)).toBe(true);
  expect(standby.has(3)).toBe(false);
});

test('what can succeed later is told from what cannot', () => {
  const sql = (code: string): Error => Object.assign(new Error('x'), { code });
  for (const code of [
    '08006',
    '40001',
    '40P01',
    '53300',
    '55P03',
    '57014',
    '57P01',
    'ECONNRESET',
  ]) {
    expect(isTransient(sql(code)), code).toBe(true);
  }
  expect(isTransient(new TrunklineError('service_unreachable', 'away'))).toBe(true);
  expect(isTransient(new Error('Connection terminated unexpectedly'))).toBe(true);
  for (const code of ['22P02', '23505', '42P01']) expect(isTransient(sql(code)), code).toBe(false);
  expect(isTransient(new TypeError('cannot read'))).toBe(false);
  expect(isTransient(new TrunklineError('projection_stopped', 'poison'))).toBe(false);
});

test('an error is described without what it quotes', () => {
  const inner = new SyntaxError('Unexpected token + in "+15550142"');
  const error = new TrunklineError('projection_stopped', 'event e1', { cause: inner });
  expect(describeError(error)).toMatch(/^projection_stopped: event e1 ← SyntaxError +at /);
  expect(describeError(error)).not.toContain('0142');
});
