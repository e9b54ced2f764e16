// The station against a real database: deliveries become events and states, a process is stopped and
// another goes on, faults are parked, and nothing personal gets out.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { nameOf } from '../../schemas/aggregates.js';
import { postgresStates } from '../../processors/lookup.js';
import { evolverVersion } from '../../processors/evolver.js';
import { callIdOf } from '../../processors/call/identity.js';
import type { Database } from '../../runtime/postgres.js';
import { factId, tenantId } from '../../schemas/ids.js';
import type { CallFact } from '../../schemas/facts.js';
import { freshStore } from '../projections/station.js';
import { storedDeliveries } from '../ingest/stored-deliveries.js';
import { until } from '../services/shared.js';
import { acme, sealedSamples, whoseOf } from './facts.js';
import { PureWorld } from './pure-world.js';
import { home, Station } from './station.js';

let database: Database;
let station: Station;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  ({ database } = await freshStore());
});
afterAll(() => database.end());
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
  await database.query(
    'truncate aggregate_state, marks, mark_sequences, calls, legs, call_timeline, messages, stats_minute, unattributed',
  );
});
const run = <T extends { stop(): Promise<void> }>(one: T): T => {
  running.push(one);
  return one;
};

const inbound = [
  '1-request',
  '2-dial-leg-initiated',
  '3-dial-leg-ringing',
  '4-dial-leg-answered',
  '5-dial-leg-completed',
  '6-dial-action',
  '7-completed',
].map((name) => `twilio-voice-inbound-${name}`);

test('deliveries become the same events as the pure decisions make', async () => {
  station = new Station(database);
  run(station.processors());
  const world = new PureWorld();
  for (const file of inbound) {
    world.take(whoseOf(file), ...(await sealedSamples([file])));
    await station.deliver(file);
  }
  const events = await station.untilEvents(world.events.length);
  expect(events.map(({ body }) => body.type)).toEqual(world.events.map(({ type }) => type));
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
  expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
  expect(events.at(-1)).toMatchObject({
    provider: 'twilio',
    ruleVersions: { call: 2 },
    body: { after: { status: 'completed', durationSec: 91 } },
  });
});

test('all samples, one process after the other: nothing twice, nothing skipped, states as one fold', async () => {
  station = new Station(database);
  run(station.projections());
  const files = storedDeliveries.map(({ file }) => file.replace(/\.json$/, ''));
  const world = new PureWorld();
  let process = station.processors({ maxInputs: 3 });
  for (const [i, file] of files.entries()) {
    world.take(whoseOf(file), ...(await sealedSamples([file])));
    await station.deliver(file);
    if (i % 20 !== 19) continue;
    await process.stop();
    process = station.processors({ maxInputs: 3 });
  }
  run(process);
  const events = await station.untilEvents(world.events.length);
  await station.untilProjected();
  expect(events.map(({ body }) => body.type)).toEqual(world.events.map(({ type }) => type));
  const { rows } = await database.query<{ kind: string; key: string; state: string }>(
    'select kind, key, state from aggregate_state',
  );
  const stored = Object.fromEntries(
    rows.map(({ kind, key, state }) => [`acme\0${kind}\0${key}`, state]),
  );
  expect(Object.keys(stored).sort()).toEqual([...world.states.keys()].sort());
  // Sealing keys differ between the two runs; what was decided from does not.
  for (const [name, state] of world.states) {
    const factIds = (text: string) =>
      [...text.matchAll(/"factId":"([^"]+)"/g)].map((match) => match[1]);
    expect(factIds(stored[name] ?? '')).toEqual(factIds(JSON.stringify(state)));
  }
  expect(station.lines.filter(({ code }) => code === 'fact_parked')).toEqual([]);
  const metrics = await station.metrics.metrics();
  expect(metrics).toContain('trunkline_processors_unattributed_facts_total 0');
  expect(metrics).toContain('trunkline_processors_ownership_ends_total{reason="loss"} 0');
  expect(metrics).toMatch(/trunkline_processors_takes_total [12]\n/);
});

test('the lookup reads aliases, the calls behind them and the mark in one statement', async () => {
  station = new Station(database);
  run(station.projections());
  run(station.processors());
  await station.deliver('twilio-voice-inbound-2-dial-leg-initiated');
  await station.deliver('twilio-sms-inbound');
  await station.untilEvents(4);
  await station.untilProjected();
  const [sealed] = await sealedSamples(['twilio-voice-inbound-2-dial-leg-initiated']);
  if (sealed?.kind !== 'call') throw new Error('no call');
  const read = postgresStates(database, evolverVersion);
  const alias = { tenant: acme, kind: 'alias', key: `twilio:${sealed.fact.legRef}` } as const;
  const { mark, rows } = await read(home, [alias, { ...alias, key: 'twilio:unknown' }]);
  const callId = callIdOf(acme, 'twilio', sealed.fact.parentRef ?? '');
  expect(mark).toBe(station.store.bounds('events', home).next);
  expect(rows.get(nameOf(alias))).toEqual({ callId });
  expect(rows.get(nameOf({ tenant: acme, kind: 'call', key: callId }))).toMatchObject({ callId });
  expect(rows.size).toBe(2);
  expect(await read(99, [])).toEqual({ mark: 0, rows: new Map(), rebuilds: 0 });
});

test('rows that other rules folded stop the partition and say how to go on', async () => {
  station = new Station(database);
  await database.query(
    `insert into aggregate_state (tenant_id, kind, key, partition, version, state)
     values ('acme', 'alias', 'twilio:x', $1, 99, '{}')`,
    [home],
  );
  const read = postgresStates(database, evolverVersion);
  await expect(
    read(home, [{ tenant: acme, kind: 'alias', key: 'twilio:x' }]),
  ).rejects.toMatchObject({
    code: 'state_version',
    message: expect.stringContaining('trunkline projections rebuild aggregate_state'),
  });
});

describe('a fact that cannot be processed', () => {
  const clear: CallFact = {
    kind: 'call',
    factId: factId('f1'),
    eventType: 'ringing',
    occurredAt: null,
    order: { phase: 1, atUs: 1, seq: 0 },
    legRef: 'CA1',
    parentRef: null,
    sessionRef: null,
    direction: null,
    signal: { type: 'note', name: 'dtmf' },
    durationSec: null,
    providerCode: null,
    details: {},
    from: '+15550100',
    to: null,
    personal: {},
  };

  test('is parked, and the partition goes on', async () => {
    station = new Station(database);
    run(station.processors());
    station.land(Buffer.from('damaged'));
    station.land(null);
    await station.record([clear], { dayKey: '2020-01-01' });
    await station.record([{ ...clear, occurredAt: 'noon' } as unknown as CallFact]);
    await station.record([clear]);
    const events = await station.untilEvents(6);
    expect(events.map(({ body }) => (body.kind === 'parked' ? body.errorCode : body.type))).toEqual(
      [
        'value_unreadable',
        'value_unreadable',
        'key_missing',
        'schema_unknown',
        'call.discovered',
        'call.noted',
      ],
    );
    expect(events[0]).toMatchObject({
      tenant: 'acme',
      body: { sourceTopic: 'deliveries', sourceOffset: 0 },
    });
    expect(JSON.stringify([events, station.lines])).not.toContain('5550100');
  });

  test('is parked when its outputs are no values of the schema', async () => {
    station = new Station(database);
    run(station.processors());
    await station.record([{ ...clear, order: { phase: 1, atUs: 1, seq: 2 ** 52 } }]);
    await station.record([{ ...clear, legRef: 'CA2' }]);
    const events = await station.untilEvents(3);
    expect(events).toMatchObject([
      { seq: 1, body: { type: 'fact.parked', errorCode: 'outputs_not_encodable' } },
      { seq: 2, body: { type: 'call.discovered' } },
      { seq: 3, body: { type: 'call.noted', after: { factCount: 1 } } },
    ]);
  });

  test('is parked for the tenant of its key, whatever tenant its value names', async () => {
    station = new Station(database);
    run(station.processors());
    await station.record([clear], { tenant: tenantId('globex') });
    const events = await station.untilEvents(1);
    expect(events).toMatchObject([{ tenant: 'acme', seq: 1, body: { type: 'fact.parked' } }]);
  });

  test('is parked when its outputs are larger than a batch, and those of its call behind it', async () => {
    station = new Station(database, { maxBatchBytes: 12_000 });
    run(station.processors());
    const large = { ...clear, factId: factId('f2'), details: { said: 'x'.repeat(12_000) } };
    await station.record([clear]);
    await station.record([large]);
    await station.record([{ ...clear, factId: factId('f3') }]);
    await station.record([{ ...clear, factId: factId('f4'), legRef: 'CA2' }]);
    const events = await station.untilEvents(6);
    expect(events.slice(1)).toMatchObject([
      { body: { type: 'call.noted', fact: { factId: 'f1' } } },
      { body: { type: 'fact.parked', errorCode: 'outputs_too_large' } },
      { body: { type: 'fact.parked', errorCode: 'behind' } },
      { body: { type: 'call.discovered' } },
      { body: { type: 'call.noted', fact: { factId: 'f4' }, after: { factCount: 1 } } },
    ]);
  });

  test('is told when it is not understood, in the timeline of the leg it names', async () => {
    station = new Station(database);
    run(station.processors());
    const odd = {
      kind: 'not_understood',
      factId: factId('n1'),
      eventType: 'call.new_thing',
      occurredAt: null,
      order: { phase: 1, atUs: 5, seq: 0 },
      legRef: 'CA1',
      reason: 'an event of a type we do not read',
    } as const;
    await station.record([clear]);
    await station.record([odd, { ...odd, factId: factId('n2'), legRef: null }]);
    await station.record([odd]);
    const events = await station.untilEvents(6);
    expect(events.map(({ body }) => body.type).slice(2)).toEqual([
      'call.noted',
      'delivery.not_understood',
      'delivery.not_understood',
      'call.duplicate_seen',
    ]);
    expect(events[3]?.body).toMatchObject({
      callId: callIdOf(acme, 'twilio', 'CA1'),
      timeline: { upsert: [{ entryId: 'n1', details: { reason: odd.reason } }] },
    });
    expect(events[4]?.body).toMatchObject({ callId: null, timeline: { upsert: [] } });
  });
});

test('a full overlay waits for the store instead of growing', async () => {
  station = new Station(database);
  run(station.processors({ maxInputs: 1, maxOverlay: 4 }));
  for (const end of ['busy', 'failed', 'canceled', 'no-answer'])
    await station.deliver(`twilio-voice-outbound-${end}`);
  await station.untilEvents(6);
  const before = station.events().length;
  run(station.projections());
  await until(
    'the rest',
    () => station.events().length > before && station.events().length >= 12,
    10_000,
  );
  expect(station.events().filter(({ body }) => body.type === 'call.failed')).toHaveLength(4);
});

test('a partition whose log holds what nobody can read stops, and the alert says why', async () => {
  station = new Station(database);
  const stopped: number[] = [];
  run(station.processors({ onStopped: (partition) => stopped.push(partition) }));
  const alert =
    'trunkline_consumer_stopped_partitions{station="processors",reason="record_invalid"}';
  await station.deliver('twilio-voice-inbound-1-request');
  await station.untilEvents(1);
  expect(await station.metrics.metrics()).toContain(`${alert} 0`);
  station.store.land('events', home, [{ key: '', header: 'no header of ours', value: null }]);
  await station.deliver('twilio-voice-inbound-7-completed');
  await until('the stop', () => stopped.includes(home));
  expect(await station.metrics.metrics()).toContain(`${alert} 1`);
});
