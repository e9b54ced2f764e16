// What a slow reader is sent comes to the same as everything it was not sent, whatever its filter is and
// wherever it stops in between.

import fc from 'fast-check';
import { expect, it } from 'vitest';

import { conflate } from '../../gateway/conflate.js';
import { Rings, type RingEntry } from '../../gateway/ring.js';
import { concernOf, noFilter, parseFilter, passes, type Filter } from '../../gateway/topics.js';
import { callStatuses } from '../../schemas/facts.js';
import { callEvent, type Made } from './events.js';

const calls = { kind: 'calls' } as const;

/** A view as a client folds it: the calls it holds, each with the seq of its state. */
type View = Map<string, number>;

function applyTo(view: View, entry: RingEntry, concern: 'event' | 'left'): void {
  const { callId } = entry;
  if (callId === null) return;
  if (concern === 'event') view.set(callId, entry.seq);
  else view.delete(callId);
  if (entry.mergedFrom !== null) view.delete(entry.mergedFrom);
}

const history = fc.array(
  fc.record({
    call: fc.constantFrom('p', 'q', 'r', 's'),
    status: fc.constantFrom(...callStatuses),
    direction: fc.constantFrom('inbound' as const, 'outbound' as const),
    merged: fc.option(fc.constantFrom('p', 'q', 'r', 's'), { freq: 6 }),
  }),
  { minLength: 1, maxLength: 60 },
);

const filters: readonly Filter[] = [
  noFilter,
  ...[{ status: 'active' }, { status: 'ringing' }, { direction: 'inbound' }].flatMap(
    (given) => parseFilter(calls, given) ?? [],
  ),
];

function entriesOf(steps: readonly (Omit<Made, 'tenant' | 'seq'> & { merged: string | null })[]) {
  const rings = new Rings({ eventsPerTenant: 1_000, totalBytes: 1e9, renderedBytes: 1e6 });
  return steps.flatMap((made, index) => {
    const mergedFrom =
      made.merged === null || made.merged === made.call ? {} : { mergedFrom: made.merged };
    const event = callEvent({ ...made, ...mergedFrom, tenant: 'a', seq: index + 1 });
    return rings.push(event, Buffer.alloc(1)) ?? [];
  });
}

it('folds to the same view as every event one by one', () => {
  fc.assert(
    fc.property(history, fc.nat(60), fc.constantFrom(...filters), (steps, from, filter) => {
      const entries = entriesOf(steps);
      const whole: View = new Map();
      const slow: View = new Map();
      for (const entry of entries) {
        const concern = concernOf(calls, filter, entry);
        if (concern === null) continue;
        applyTo(whole, entry, concern);
        if (entry.seq <= from) applyTo(slow, entry, concern);
      }
      const states = conflate(calls, filter, entries.slice(from));
      const seqs = states.map(({ entry }) => entry.seq);
      expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
      for (const { entry, concern } of states) applyTo(slow, entry, concern);
      expect(slow).toEqual(whole);
    }),
    { numRuns: 5_000 },
  );
});

it('may stop anywhere: going on from its last seq comes to the same', () => {
  fc.assert(
    fc.property(history, fc.nat(20), fc.constantFrom(...filters), (steps, stopAfter, filter) => {
      const entries = entriesOf(steps);
      const whole: View = new Map();
      const slow: View = new Map();
      for (const entry of entries) {
        const concern = concernOf(calls, filter, entry);
        if (concern !== null) applyTo(whole, entry, concern);
      }
      let cursor = 0;
      for (const { entry, concern } of conflate(calls, filter, entries).slice(0, stopAfter)) {
        applyTo(slow, entry, concern);
        cursor = entry.seq;
      }
      for (const entry of entries.slice(cursor)) {
        const concern = concernOf(calls, filter, entry);
        if (concern !== null) applyTo(slow, entry, concern);
      }
      expect(slow).toEqual(whole);
    }),
    { numRuns: 5_000 },
  );
});

it('a filtered view holds what passes the filter, merges included', () => {
  fc.assert(
    fc.property(history, fc.constantFrom(...filters), (steps, filter) => {
      const entries = entriesOf(steps);
      const view: View = new Map();
      const truth = new Map<string, { seq: number; passes: boolean }>();
      for (const entry of entries) {
        const concern = concernOf(calls, filter, entry);
        if (concern !== null) applyTo(view, entry, concern);
        if (entry.callId === null || entry.after === null) continue;
        truth.set(entry.callId, { seq: entry.seq, passes: passes(filter, entry.after) });
        if (entry.mergedFrom !== null) truth.delete(entry.mergedFrom);
      }
      const wanted = [...truth].filter(([, call]) => call.passes).map(([id, { seq }]) => [id, seq]);
      expect(new Map(view)).toEqual(new Map(wanted as [string, number][]));
    }),
    { numRuns: 5_000 },
  );
});
