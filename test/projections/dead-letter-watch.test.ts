// The watch over dead letters, on a real Postgres (services/): counts by class, an alarm beyond a bound and before
// the key of the oldest is gone.

import { expect, test } from 'vitest';

import { deadLetterHealth, DeadLetterWatch } from '../../projections/dead-letter-watch.js';
import { createMetrics } from '../../runtime/metrics.js';
import { freshStore, listeningLogger } from './station.js';

const dayMs = 86_400_000;
const bounds = { alarm: 2, retentionMs: 30 * dayMs };
const none = { poison: 0, schema: 0, bug: 0, behind: 0 };

test('what is parked is no fault of the process: the worst it says is degraded', () => {
  const now = 100 * dayMs;
  const health = (count: number, ageDays: number) =>
    deadLetterHealth(
      { open: { ...none, bug: count }, oldestAt: now - ageDays * dayMs },
      bounds,
      now,
    );
  expect(deadLetterHealth({ open: none, oldestAt: null }, bounds, now).status).toBe('ok');
  expect(health(2, 1)).toEqual({
    ...{ status: 'ok', detail: '2 open (2 bug); see: trunkline dead-letters list' },
  });
  expect(health(3, 1).status).toBe('degraded');
  expect(health(1, 23).status).toBe('ok');
  expect(health(1, 29)).toEqual({
    status: 'degraded',
    detail: '1 open (1 bug); the oldest cannot be retried any more in 24 h',
  });
  expect(health(1, 40).detail).toContain('in 0 h');
});

test('the read model is counted by class, and an alarm is said once, and once when it ends', async () => {
  const { database } = await freshStore();
  const now = Date.parse('2026-10-01T12:00:00Z');
  const logger = listeningLogger();
  const metrics = createMetrics();
  const watch = new DeadLetterWatch({ database, logger, metrics, ...bounds, clock: () => now });
  const park = (id: string, errorClass: string, state = 'open') =>
    database.query(
      `insert into dead_letter_states (tenant_id, id, state, queue_id, error_class, error_code, error,
          attempts, source_at, updated_at, seq)
        values ($1, $2, $3, $2, $4, 'x', '', 1, $5, $5, 1)
        on conflict (tenant_id, id) do update set state = excluded.state`,
      [id.startsWith('g') ? 'globex' : 'acme', id, state, errorClass, now - 60_000],
    );
  expect((await watch.look()).status).toBe('ok');
  await park('a1', 'bug');
  await park('a2', 'behind');
  await park('g1', 'behind');
  await park('g2', 'poison', 'retried');
  expect((await watch.look()).status).toBe('degraded');
  await watch.look();
  const text = await metrics.metrics();
  expect(text).toContain('trunkline_dead_letters_open{class="behind"} 2');
  expect(text).toContain('trunkline_dead_letters_open{class="bug"} 1');
  expect(text).toContain('trunkline_dead_letters_open{class="poison"} 0');
  expect(text).toContain('trunkline_dead_letters_oldest_seconds 60');
  expect(text).not.toMatch(/acme|globex/);
  await park('g1', 'behind', 'discarded');
  expect((await watch.look()).status).toBe('ok');
  expect(logger.codes).toEqual(['dead_letters_alarm', 'dead_letters_calm']);
  await database.end();
});
