import { expect, test } from 'vitest';

import { callTimeline } from '../../projections/call-timeline.js';
import { calls } from '../../projections/calls.js';
import { collectChanges } from '../../projections/changes.js';
import { legs } from '../../projections/legs.js';
import { stats } from '../../projections/stats.js';
import type { Table, TableChange } from '../../projections/table.js';
import type { CallView, LegView } from '../../schemas/call-state.js';
import type { CallEventBody, EventEnvelope } from '../../schemas/events.js';
import {
  callId,
  epoch,
  eventId,
  legId,
  offset,
  ownerId,
  seq,
  tenantId,
} from '../../schemas/ids.js';

const minute = 1_760_000_040_000;

const view = (id: string, more: Partial<CallView> = {}): CallView => ({
  ...{ callId: callId(id), provider: 'twilio', status: 'answered', enteredAt: 5, reason: null },
  ...{ sourceFact: null, inferred: false, cause: null, providerCode: null, direction: null },
  ...{ from: null, to: null, startedAt: 1, ringingAt: null, answeredAt: 5, endedAt: null },
  ...{ durationSec: null, amd: null, recordings: 0, factCount: 1, refusedCount: 0, legs: [] },
  ...{ settledAt: null, mergedInto: null, ...more },
});

let last = 0;
function event(after: CallView, more: Partial<CallEventBody> = {}): EventEnvelope {
  last += 1;
  const body: CallEventBody = {
    ...{ kind: 'call', type: 'call.noted', callId: after.callId, fact: null, after },
    ...{
      timeline: { upsert: [], remove: [] },
      aliases: [],
      mergedFrom: null,
      timer: null,
      reason: null,
      ...more,
    },
  };
  return {
    ...{ tenant: tenantId('t'), eventId: eventId(`e${last}`), factId: null, provider: 'twilio' },
    ...{ occurredAt: null, receivedAt: minute + 7, correlationId: 'c', traceId: 't', body },
    ...{
      ruleVersions: {},
      schemaVersion: 1,
      seq: seq(last),
      epoch: epoch('e'),
      owner: ownerId('o'),
    },
    covered: { realtime: offset(0), bulk: offset(-1) },
  };
}

const keys = (change: TableChange | undefined): unknown[] =>
  change?.upsert.map((row) => row.slice(0, change.table.key.length)) ?? [];

test('the last event of a batch is the row of its call', () => {
  const [change] = calls.reduce([
    event(view('a')),
    event(view('b')),
    event(view('a', { amd: 'human' })),
  ]);
  expect(keys(change)).toEqual([
    ['t', 'a'],
    ['t', 'b'],
  ]);
  expect(change?.upsert[0]).toContain('human');
  expect(change?.upsert[0]?.at(-1)).toBe(last);
});

test('a merged call loses its rows, whichever of the two events says so, and can come back', () => {
  const merged = event(view('a', { mergedInto: callId('b') }), { type: 'call.merged' });
  const taken = event(view('b'), { type: 'call.merged', mergedFrom: callId('a') });
  for (const gone of [
    [event(view('a')), merged],
    [event(view('a')), taken],
  ]) {
    expect(calls.reduce(gone)[0]?.remove).toEqual([['t', 'a']]);
    expect(keys(calls.reduce(gone)[0])).not.toContainEqual(['t', 'a']);
    expect(legs.reduce(gone)[0]?.remove).toContainEqual(['t', 'a']);
    expect(callTimeline.reduce(gone)[0]?.remove).toEqual([['t', 'a']]);
  }
  expect(keys(calls.reduce([merged, event(view('a'))])[0])).toEqual([['t', 'a']]);
});

test('the leg that stood for a session goes when a leg of its own is known', () => {
  const leg = (id: string): LegView => ({
    ...{ legId: legId(id), legRef: id, parentRef: null, primary: true, status: 'answered' },
    ...{ cause: null, providerCode: null, direction: null, from: null, to: null, startedAt: 1 },
    ...{ answeredAt: null, endedAt: null, durationSec: null },
  });
  const told = [
    event(view('a', { legs: [leg('session')] }), { type: 'call.discovered', aliases: ['session'] }),
    event(view('a', { legs: [leg('own')] }), { aliases: ['own'] }),
  ];
  const [before, after] = told.map((one) => legs.reduce([one])[0]);
  expect(before?.remove).toEqual([]);
  expect(keys(before)).toEqual([['t', 'a', 'session']]);
  // In a batch of its own or together: what is left is the last event's.
  for (const change of [after, legs.reduce(told)[0]]) {
    expect(change?.remove).toEqual([['t', 'a']]);
    expect(keys(change)).toEqual([['t', 'a', 'own']]);
  }
});

test('an answer counts once: reported, inferred, not again after a transfer', () => {
  const counted = (events: readonly EventEnvelope[]): unknown => stats.reduce(events)[0]?.upsert;
  const answered = 'answered';
  expect(counted([event(view('a'), { type: 'call.answered' })])).toEqual([
    ['t', minute, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ]);
  expect(
    counted([event(view('a'), { type: 'call.inferred', reason: `ringing,${answered}` })]),
  ).toEqual([['t', minute, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]);
  expect(counted([event(view('a', { enteredAt: 9 }), { type: 'call.answered' })])).toBeUndefined();
});

test('a key that is removed and set again in one batch stands', () => {
  const table: Table = {
    name: 'x',
    key: ['a', 'b'],
    columns: { a: 'text', b: 'text' },
    mode: 'replace',
  };
  const changes = collectChanges(table);
  changes.set(['1', 'x']);
  changes.set(['1', 'y']);
  changes.remove(['1']);
  changes.set(['1', 'y']);
  changes.remove(['1', 'z']);
  expect(changes.done()).toEqual({ table, remove: [['1'], ['1', 'z']], upsert: [['1', 'y']] });
});
