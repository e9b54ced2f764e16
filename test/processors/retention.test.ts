// Deliveries against their retention, with marks in a real database (test/services/): said when half and
// when most of the time is over, loudly when some were removed before their turn.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { formatHeader } from '../../log/record-header.js';
import { ProcessorMetrics } from '../../processors/metrics.js';
import { RetentionWatch, type RetentionReport } from '../../processors/retention.js';
import type { Logger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import type { Database } from '../../runtime/postgres.js';
import { offset } from '../../schemas/ids.js';
import { freshStore } from '../projections/station.js';

const hour = 3_600_000;
const never = new AbortController().signal;
let database: Database;
let now = 0;
let store: MemoryStore;
let lines: { readonly level: string; readonly code: unknown }[];

beforeAll(async () => {
  ({ database } = await freshStore());
});
afterAll(() => database.end());
beforeEach(() => {
  now = 1_000 * hour;
  store = new MemoryStore({ partitions: 2, clock: () => now });
  lines = [];
});

const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields: object) => void lines.push({ level: 'warn', code: Reflect.get(fields, 'code') }),
  error: (fields: object) => void lines.push({ level: 'error', code: Reflect.get(fields, 'code') }),
  child: () => logger,
};

function open(metrics = createMetrics()): RetentionWatch {
  const log = createMemoryLog(store);
  const deps = { log, database, logger, rawRetentionMs: 100 * hour, clock: () => now };
  return new RetentionWatch(deps, new ProcessorMetrics(metrics));
}

const land = (): void => {
  const record = { key: 'a', header: formatHeader({ kind: 'fact' }), value: Buffer.from('x') };
  store.land('deliveries', 1, [record]);
};

test('what waits is said at 50 and at 80 percent of its time, once, and no more when decided', async () => {
  const metrics = createMetrics();
  const watch = open(metrics);
  land();
  const levels: RetentionReport['level'][] = [];
  for (const hours of [0, 49, 2, 0, 30, 20]) {
    now += hours * hour;
    levels.push((await watch.sample(never)).level);
  }
  expect(levels).toEqual(['fine', 'fine', 'half', 'half', 'near', 'near']);
  expect(lines.slice(0, 2)).toEqual([
    { level: 'warn', code: 'retention_half' },
    { level: 'error', code: 'retention_near' },
  ]);
  expect(await metrics.metrics()).toContain(
    `trunkline_processors_oldest_undecided_seconds{partition="1",lane="realtime"} ${101 * 3600}`,
  );
  watch.covered(1, { realtime: offset(0), bulk: offset(-1) });
  expect(await watch.sample(never)).toEqual({ level: 'fine', detail: '' });
});

test('removed before their turn is loud, removed after it is as it should be', async () => {
  const metrics = createMetrics();
  const watch = open(metrics);
  land();
  land();
  store.trim('deliveries', 1, offset(2));
  expect(await watch.sample(never)).toMatchObject({
    level: 'removed',
    detail: expect.stringContaining('deliveries[1]'),
  });
  expect(lines).toEqual([{ level: 'error', code: 'retention_removed' }]);
  expect(await metrics.metrics()).toContain('trunkline_processors_removed_undecided 1');
  watch.covered(1, { realtime: offset(1), bulk: offset(-1) });
  expect((await watch.sample(never)).level).toBe('fine');
});

test('the marks of the store count, of whatever version', async () => {
  const watch = open();
  land();
  now += 90 * hour;
  await database.query(
    `insert into marks (projection, version, partition, next_offset, term, covered_realtime, covered_bulk)
     values ('calls', 7, 1, 1, 1, 0, -1)`,
  );
  expect((await watch.sample(never)).level).toBe('fine');
});
