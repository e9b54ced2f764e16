// The scheduler at work: timers become facts once they are due, in their order, by one scheduler at a time; and
// what goes wrong on the way repeats at most what is a duplicate then.

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { TimerRules } from '../../processors/call/timers.js';
import { createMemoryLog } from '../../log/memory.js';
import { partitionOf } from '../../log/topics.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { offset, tenantId } from '../../schemas/ids.js';
import { defaultBounds } from '../../schemas/timers.js';
import { acme } from '../processors/facts.js';
import { home, Station } from '../processors/station.js';
import { lookAtScheduler, schedulerHealth } from '../../scheduler/status.js';
import { flakyProxy } from '../runtime/flaky-proxy.js';
import { until } from '../services/shared.js';
import {
  factsIn,
  keepTimer,
  startScheduler,
  timerRows,
  timersOf,
  told,
  wholeStore,
} from './station.js';

let database: Database;
let url: string;
beforeEach(async () => {
  ({ database, url } = await wholeStore());
});
afterEach(() => database.end());

/** Everything is due at once: what was recorded is months old. */
const hasty: TimerRules = { boundsOf: () => defaultBounds, patienceMs: 100, settleMs: 100 };

interface CallRow {
  readonly status: string;
  readonly inferred: boolean;
  readonly reason: string | null;
  readonly settled_at: number | null;
}

async function callRows(): Promise<readonly CallRow[]> {
  const { rows } = await database.query<CallRow>(
    'select status, inferred, reason, settled_at from calls order by started_at, id',
  );
  return rows;
}

async function firstSettled(): Promise<boolean> {
  const [first] = await callRows();
  return first !== undefined && first.settled_at !== null;
}

test('a call of which nothing more is heard is overdue, ended by inference, and settled; then no timer is left', async () => {
  const station = new Station(database);
  await station.record([told('CA1', 'answered')]);
  await station.record([told('CA2', 'ringing')]);
  const running = [station.processors({ timers: hasty }), station.projections()];
  const scheduler = startScheduler(station);
  await until('both calls settled', async () => {
    const calls = await callRows();
    return calls.length === 2 && calls.every((call) => call.settled_at !== null);
  });
  await until('no timer left', async () => (await timerRows(database)) === 0);
  await scheduler.stop();
  await Promise.all(running.map((one) => one.stop()));
  expect(
    (await callRows()).map(({ status, inferred, reason }) => [status, inferred, reason]),
  ).toEqual(
    expect.arrayContaining([
      ['completed', true, 'provider_has_no_api'],
      ['failed', true, 'provider_has_no_api'],
    ]),
  );
  const names = timersOf(await factsIn(station)).map(({ name }) => name);
  expect(names.toSorted()).toEqual([
    ...['inference', 'inference', 'settle', 'settle', 'watchdog', 'watchdog'],
  ]);
  expect(station.events().map(({ body }) => body.type)).not.toContain('call.duplicate_seen');
});

test('what is not due stays, and a timer whose call goes on is moved by the call alone', async () => {
  const station = new Station(database);
  const later: TimerRules = {
    ...hasty,
    boundsOf: () => ({ ...defaultBounds, answered: 10 * 365 * 86_400_000 }),
  };
  await station.record([told('CA1', 'answered')]);
  const running = [station.processors({ timers: later }), station.projections()];
  const scheduler = startScheduler(station);
  await until('the timer is kept', async () => (await timerRows(database)) === 1);
  await until('the scheduler leads', () => scheduler.codes.includes('scheduler_leads'));
  await station.record([told('CA1', 'completed')]);
  await until('settled', async () => firstSettled());
  await scheduler.stop();
  await Promise.all(running.map((one) => one.stop()));
  expect(timersOf(await factsIn(station)).map(({ name }) => name)).toEqual(['settle']);
});

test('an hour that was missed is caught up in the order of the instants, over all tenants, at the rate that was set', async () => {
  const station = new Station(database);
  const hourAgo = Date.now() - 3_600_000;
  const dueAt = Array.from({ length: 300 }, (_, i) => hourAgo + ((i * 7_919) % 300) * 1_000);
  for (const [i, at] of dueAt.entries()) await keepTimer(database, acme, `call_${i}`, at);
  const begun = performance.now();
  const scheduler = startScheduler(station, { ratePerSecond: 100 });
  await until('all told', async () => timersOf(await factsIn(station)).length >= 300);
  const tookMs = performance.now() - begun;
  await scheduler.stop();
  const facts = timersOf(await factsIn(station)).map(({ occurredAt }) => occurredAt);
  expect(facts).toEqual(dueAt.toSorted((a, b) => a - b));
  // 100 at once, the others at 100 a second.
  expect(tookMs).toBeGreaterThan(1_900);
});

test('timers of other tenants are not held up by one that has most of them', async () => {
  const station = new Station(database);
  const now = Date.now();
  const other = tenantId('umbra');
  for (let i = 0; i < 40; i += 1) await keepTimer(database, acme, `call_${i}`, now - 1_000 - i);
  await keepTimer(database, other, 'call_x', now - 500_000);
  const scheduler = startScheduler(station, { ratePerSecond: 1 });
  await until('the first is told', () => {
    const all = [0, 1].flatMap((partition) => station.store.records('deliveries', partition));
    return all.some(({ key }) => key === other);
  });
  await scheduler.stop();
});

test('of two schedulers one is at work; when it stops the other goes on, and nothing counts twice', async () => {
  const station = new Station(database);
  const running = [station.processors({ timers: hasty }), station.projections()];
  const [a, b] = [startScheduler(station), startScheduler(station)];
  await station.record([told('CA1', 'ringing')]);
  await until('the first call ended', async () => firstSettled());
  const leader = a.codes.includes('scheduler_leads') ? a : b;
  const other = leader === a ? b : a;
  expect(other.codes).not.toContain('scheduler_leads');
  await leader.stop();
  await station.record([told('CA2', 'ringing')]);
  await until('the second call ended', async () => {
    const calls = await callRows();
    return calls.length === 2 && calls.every(({ settled_at }) => settled_at !== null);
  });
  expect(other.codes).toContain('scheduler_leads');
  await other.stop();
  await Promise.all(running.map((one) => one.stop()));
  expect(timersOf(await factsIn(station))).toHaveLength(6);
});

test('a scheduler that is killed between its append and the removal leaves a duplicate at most', async () => {
  const station = new Station(database);
  await station.record([told('CA1', 'ringing')]);
  const first = station.projections();
  const processors = station.processors({ timers: hasty });
  await until('the timer is kept', async () => (await timerRows(database)) === 1);
  await first.stop();
  // The projection stands still: the row stays after it was told.
  const killed = startScheduler(station);
  await until('told', async () => timersOf(await factsIn(station)).length === 1);
  await killed.stop();
  const next = startScheduler(station);
  await until('told again', async () => timersOf(await factsIn(station)).length === 2);
  const projections = station.projections();
  await until('settled', async () => firstSettled());
  await Promise.all([next.stop(), processors.stop(), projections.stop()]);
  const types = station.events().map(({ body }) => body.type);
  expect(types.filter((type) => type === 'call.overdue')).toHaveLength(1);
  expect(types.filter((type) => type === 'call.failed')).toHaveLength(1);
  expect(types.filter((type) => type === 'call.duplicate_seen')).toHaveLength(1);
});

test('a timer that was told is not told again while its row is still there', async () => {
  const station = new Station(database);
  await keepTimer(database, acme, 'call_1', Date.now() - 1_000);
  const scheduler = startScheduler(station);
  await until('told', async () => timersOf(await factsIn(station)).length === 1);
  await keepTimer(database, acme, 'call_2', Date.now() - 500);
  await until('the other told', async () => timersOf(await factsIn(station)).length === 2);
  await scheduler.stop();
  const subjects = timersOf(await factsIn(station)).map(({ callId }) => callId);
  expect(subjects).toEqual(['call_1', 'call_2']);
});

test('while Postgres is away nothing is told; when it is back the scheduler goes on by itself', async () => {
  const proxy = await flakyProxy(url);
  const through = openDatabase({ url: proxy.url, max: 4, applicationName: 'test-scheduler' });
  const station = new Station(database);
  const scheduler = startScheduler(station, { database: through });
  await until('the scheduler leads', () => scheduler.codes.includes('scheduler_leads'));
  proxy.cut();
  await until('it says so', () => scheduler.codes.includes('scheduler_retry'));
  await keepTimer(database, acme, 'call_1', Date.now() - 1_000);
  expect(timersOf(await factsIn(station))).toEqual([]);
  proxy.mend();
  await until('told', async () => timersOf(await factsIn(station)).length === 1);
  await scheduler.stop();
  await through.end();
  await proxy.close();
});

test('a log that does not acknowledge keeps the scheduler trying until it does', async () => {
  const station = new Station(database);
  await keepTimer(database, acme, 'call_1', Date.now() - 1_000);
  let isAway = true;
  const log = createMemoryLog(station.store);
  const scheduler = startScheduler(station, {
    log: {
      ...log,
      joinProcessors: () => Promise.resolve(),
      openAppender: () =>
        isAway ? Promise.reject(new Error('the log is away')) : log.openAppender(),
    },
  });
  await until('it tries again', () => scheduler.codes.includes('scheduler_retry'));
  isAway = false;
  await until('told', async () => timersOf(await factsIn(station)).length === 1);
  await scheduler.stop();
});

test('what health, doctor and the gateway say: nobody at work, timers that are late, all in order', async () => {
  const station = new Station(database);
  const look = async () => schedulerHealth(await lookAtScheduler(database));
  expect(await look()).toMatchObject({
    status: 'degraded',
    detail: expect.stringContaining('start the role `scheduler`'),
  });
  await keepTimer(database, acme, 'call_1', Date.now() - 3_600_000);
  expect(await look()).toMatchObject({
    status: 'failed',
    detail: expect.stringMatching(
      /^no scheduler holds the lease and 1 timers are late, the first by 3[56]\d\d s/,
    ),
  });
  const scheduler = startScheduler(station);
  await until('told', async () => timersOf(await factsIn(station)).length === 1);
  expect(await look()).toMatchObject({
    status: 'degraded',
    detail: expect.stringContaining('processors or projections lag'),
  });
  await database.query('delete from timers');
  expect(await look()).toMatchObject({ status: 'ok' });
  await scheduler.stop();
});

test('a row that is not what its call has armed is set right by the call, and the call ends', async () => {
  const station = new Station(database);
  await station.record([told('CA1', 'answered')]);
  const running = [station.processors({ timers: hasty }), station.projections()];
  await until('the timer is kept', async () => (await timerRows(database)) === 1);
  // As the projection keeps it for a call from before there were timers, whose last delivery came out of order.
  await database.query(
    `update timers set since = since - 5000, timer_id = 'watchdog:answered:' || (since - 5000)`,
  );
  const scheduler = startScheduler(station);
  await until('settled', firstSettled);
  await scheduler.stop();
  await Promise.all(running.map((one) => one.stop()));
  const types = station.events().map(({ body }) => body.type);
  expect(types).toEqual(expect.arrayContaining(['call.timer_moved', 'call.overdue']));
  expect(await callRows()).toMatchObject([{ status: 'completed', inferred: true }]);
});

test('timers of a partition whose read model is read in anew are not told before it has caught up', async () => {
  const station = new Station(database);
  await keepTimer(database, acme, 'call_1', Date.now() - 1_000_000);
  let next = 6_000;
  let nowMs = 0;
  const log = createMemoryLog(station.store);
  const bounds: typeof log.bounds = (topic, partition) =>
    topic === 'events' && partition === home
      ? Promise.resolve({ first: offset(0), next: offset(next) })
      : log.bounds(topic, partition);
  const names = ['umbra', 'nox', 'lux', 'sol', 'aer'].map(tenantId);
  const other = names.find((name) => partitionOf(name, 2) !== home);
  if (other === undefined) throw new Error('all in one partition');
  const scheduler = startScheduler(station, {
    log: { ...log, bounds },
    now: () => (nowMs += 50),
    leaseMs: 1e9,
  });
  await until('the scheduler leads', () => scheduler.codes.includes('scheduler_leads'));
  await keepTimer(database, other, 'call_2', Date.now() - 1_000);
  await until('the other partition’s timer', () =>
    station.store.records('deliveries', 1 - home).some(({ key }) => key === other),
  );
  expect(timersOf(await factsIn(station))).toEqual([]);
  next = 4_000;
  await until('told', async () => timersOf(await factsIn(station)).length === 1);
  await scheduler.stop();
});

test('two that are at work at once, because one does not know that it lost its lease, do no harm', async () => {
  const station = new Station(database);
  const running = [station.processors({ timers: hasty }), station.projections()];
  // Its clock hardly runs: it neither renews its lease nor notices that it is over.
  const zombie = startScheduler(station, { now: () => performance.now() / 10_000 });
  await until('the first leads', () => zombie.codes.includes('scheduler_leads'));
  const next = startScheduler(station);
  await until('the next leads', () => next.codes.includes('scheduler_leads'));
  expect(zombie.codes).not.toContain('scheduler_rests');
  const refs = Array.from({ length: 20 }, (_, i) => `CA${i}`);
  for (const ref of refs) await station.record([told(ref, 'ringing')]);
  await until('every call settled', async () => {
    const calls = await callRows();
    return calls.length === refs.length && calls.every(({ settled_at }) => settled_at !== null);
  });
  await Promise.all([zombie.stop(), next.stop()]);
  await Promise.all(running.map((one) => one.stop()));
  const types = station.events().map(({ body }) => body.type);
  const count = (type: string): number => types.filter((one) => one === type).length;
  expect(count('call.overdue')).toBe(refs.length);
  expect(count('call.failed')).toBe(refs.length);
  expect(count('call.settled')).toBe(refs.length);
  // Both told them.
  expect(count('call.duplicate_seen') + count('call.timer_moved')).toBeGreaterThan(0);
});
