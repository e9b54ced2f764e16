// Our own clock under suspicion: what the operator reads in log, metrics, health and refusals.

import { Registry as PromRegistry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';

import { ClockWatch } from '../../ingest/clock-watch.js';
import { createHealth } from '../../runtime/health.js';
import { recordingLogger } from './fixtures.js';
import {
  deliver,
  endpoints,
  startStation,
  telnyxJson,
  type Station,
  type StationOptions,
} from './station.js';
import { endpointId } from '../../schemas/ids.js';

const truth = Date.parse('2026-03-01T12:00:00Z');

function setUp(offMs: number) {
  const state = { offMs, database: truth };
  const { logger, lines } = recordingLogger();
  const metrics = new PromRegistry();
  const health = createHealth();
  const clock = (): number => truth + state.offMs;
  const databaseTime = () => Promise.resolve(state.database);
  const watch = new ClockWatch({ clock, databaseTime, logger, metrics, health });
  const told = () => lines.map(({ level, fields }) => `${level} ${String(fields['source'])}`);
  return { watch, state, lines, told, metrics, health, clock };
}

test('30 s beside the database is warned of once, 60 s is an alarm, and the end is said', async () => {
  const { watch, state, told, health, clock } = setUp(10_000);
  await watch.askDatabase();
  watch.report();
  expect(told()).toEqual([]);
  state.offMs = 31_000;
  await watch.askDatabase();
  watch.report();
  watch.report();
  expect(told()).toEqual(['warn database']);
  const [check] = (await health.report()).checks;
  expect(check).toMatchObject({ name: 'clock', status: 'degraded' });
  expect(check?.detail).toContain('ours is the suspect: set it by NTP');
  state.offMs = 61_000;
  await watch.askDatabase();
  watch.report();
  expect(told()).toEqual(['warn database', 'error database']);
  expect(watch.suspectsOwnClock(clock())).toMatchObject({ level: 'alarm', sources: ['database'] });
  state.offMs = 0;
  await watch.askDatabase();
  watch.report();
  expect(told().at(-1)).toBe('info database');
  expect(watch.suspectsOwnClock(clock())).toBeNull();
});

test('a database that is off beside a log that agrees with us is suspected itself', async () => {
  const { watch, state, health, clock } = setUp(0);
  state.database = truth - 90_000;
  await watch.askDatabase();
  watch.noteAppended(truth - 5, 10);
  expect(watch.suspectsOwnClock(clock())).toBeNull();
  const [check] = (await health.report()).checks;
  expect(check?.detail).toBe(
    'our clock differs from database by 90 s; the others agree with ours, so theirs is the suspect',
  );
});

test('the gauge has a value for every source that is known, and for no other', async () => {
  const { watch, metrics } = setUp(45_000);
  await watch.askDatabase();
  watch.noteAppended(undefined, 10);
  const text = await metrics.metrics();
  expect(text).toMatch(/trunkline_ingest_clock_drift_seconds\{source="database"\} 45/);
  expect(text).not.toContain('source="log"');
  expect(text).toContain('trunkline_ingest_clock_suspect 1');
});

test('a database that does not answer, and an ack that took long, say nothing', async () => {
  const { watch, clock } = setUp(90_000);
  watch.noteAppended(truth, 30_000);
  expect(watch.drifts(clock())).toEqual({});
});

let station: Station;
let toStop: Station | null = null;
afterEach(async () => {
  await toStop?.stop();
  toStop = null;
});
async function begin(options: StationOptions): Promise<void> {
  station = await startStation(options);
  toStop = station;
}

const third = endpointId('ep_TelnyxTelnyx0003');
const ask = async () => (await station.metrics.metrics()).split('\n');
const refusedAs = () =>
  station.lines
    .filter(({ fields }) => fields['code'] === 'delivery_refused')
    .map(({ fields }) => fields['reason']);

test('a signed time that is refused while our clock is the suspect is called that', async () => {
  await begin({
    clock: () => Date.now() + 400_000,
    databaseTime: () => Promise.resolve(Date.now()),
  });
  await expect
    .poll(async () => (await ask()).includes('trunkline_ingest_clock_suspect 1'))
    .toBe(true);
  const answer = await deliver(station, telnyxJson('{}'));
  expect(answer.status).toBe(403);
  expect(await answer.text()).not.toContain('clock');
  expect(refusedAs()).toEqual(['clock_suspect']);
  const line = station.lines.find(({ fields }) => fields['reason'] === 'clock_suspect');
  expect(line?.fields['detail']).toBe('our clock is 400 s ahead of database');
  expect((await ask()).join('\n')).toContain('layer="timestamp",code="clock_suspect"');
  expect(station.lines.map(({ fields }) => fields['code'])).toContain('clock_drift');
  const { checks, ready } = await station.health.report();
  expect(ready).toBe(true);
  expect(checks.find(({ name }) => name === 'clock')?.status).toBe('degraded');
});

test('with a clock that is right a stale time is the sender’s fault', async () => {
  await begin({ databaseTime: () => Promise.resolve(Date.now()) });
  await deliver(station, telnyxJson('{}', Date.now() - 400_000));
  expect(refusedAs()).toEqual(['timestamp_stale']);
});

test('without database and log, enough senders that are off alike reveal our clock', async () => {
  const all = endpoints();
  const telnyx = all[1];
  if (telnyx === undefined) throw new Error('no Telnyx endpoint');
  const more = [2, 3].map((n) => ({ ...telnyx, id: endpointId(`ep_TelnyxTelnyx000${n}`) }));
  await begin({
    endpoints: [...all, ...more],
    clock: () => Date.now() - 400_000,
  });
  for (const one of [telnyx, ...more]) {
    for (let i = 0; i < 3; i += 1) {
      const delivery = telnyxJson(`{"n":${i}}`, Date.now() + i * 1000);
      await deliver(station, { ...delivery, target: `/v1/webhooks/${one.id}` });
    }
  }
  // The verdict is kept for a second of the station's clock.
  await expect
    .poll(async () => {
      await deliver(station, { ...telnyxJson('{}'), target: `/v1/webhooks/${third}` });
      return refusedAs();
    })
    .toContain('clock_suspect');
  expect(refusedAs()).toContain('timestamp_future');
});
