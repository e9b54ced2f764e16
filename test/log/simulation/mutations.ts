// The protocol with one thing taken away. M1 to M15 and F1 to F9 name the mutations and the readings
// of a looser text that the model check of the protocol found fatal; A… is the reading's own number.

import { everyFault, type Faults, type WorldOptions } from './world.js';

export interface Mutation {
  readonly name: string;
  readonly what: string;
  readonly without: Omit<WorldOptions, 'seed'>;
}

/** A driver whose appends never show up twice. */
const idempotent: Faults = { ...everyFault, twice: 0, copied_later: 0 };

/** A log that often stays silent and lets an append land later. */
const silent: Faults = { ...everyFault, ok: 6, unacked: 3, late: 6, twice: 0, copied_later: 0 };
/** A driver that repeats appends, at once or much later, and often stays silent. */
const repeating: Faults = { ok: 4, twice: 3, copied_later: 8, lost: 0, unacked: 2, late: 4 };

/** Each of these must be found. */
export const fatal: readonly Mutation[] = [
  { name: 'M1', what: 'no owner test', without: { faults: silent, clauses: { ownerTest: false } } },
  { name: 'M2', what: 'the marker is not awaited', without: { clauses: { markerAwaited: false } } },
  {
    name: 'M3',
    what: 'read, then mark',
    without: { faults: silent, clauses: { restoreToMarker: false } },
  },
  {
    name: 'M4',
    what: 'the marker is sent again, any marker counts, restore stops at the first own one',
    without: {
      faults: silent,
      clauses: { markerGivenUp: false, terms: false, restoreToAckedMarker: false },
    },
  },
  {
    name: 'M4b',
    what: 'the marker is sent again, any marker counts, restore reads to the acked one',
    without: { faults: silent, clauses: { markerGivenUp: false, terms: false } },
  },
  {
    name: 'M5b',
    what: 'the same batch is sent again, the last coverage counts',
    without: { clauses: { afterUnknown: 'resend', coverageMaximum: false } },
  },
  {
    name: 'M6',
    what: 'after unknown, decide again under the same id',
    without: { faults: silent, clauses: { afterUnknown: 'decide_again' } },
  },
  {
    name: 'A27',
    what: 'after unknown, read the log and go on under the same id',
    without: { faults: silent, clauses: { afterUnknown: 'read_and_go_on' } },
  },
  {
    name: 'M7',
    what: 'unknown is taken for success',
    without: { clauses: { afterUnknown: 'take_for_success' } },
  },
  {
    name: 'M8',
    what: 'no sequence test',
    without: { faults: repeating, clauses: { sequenceTest: false } },
  },
  { name: 'M9', what: 'no compare-and-set', without: { table: { compareAndSet: false } } },
  { name: 'M15', what: 'one batch per output', without: { clauses: { wholeInputs: false } } },
  {
    name: 'F1 (A3)',
    what: 'no coverage in the mark',
    without: { table: { keepsCoverage: false } },
  },
  { name: 'F1 (A3b)', what: 'resume at a group offset', without: { groupOffsets: true } },
  {
    name: 'F2 (A3c)',
    what: 'resume a bit earlier',
    without: { clauses: { resumeAfterCovered: false } },
  },
  {
    name: 'F3 (A1)',
    what: 'an owner id per process',
    without: { faults: silent, ownerPerProcess: true },
  },
  { name: 'F4 (A8)', what: 'two in flight', without: { clauses: { oneInFlight: false } } },
  {
    name: 'F5 (A6)',
    what: 'acks are not checked',
    without: { faults: silent, clauses: { ackGapCheck: false } },
  },
  { name: 'F5 (A6d)', what: 'never taken again', without: { neverTakesAgain: true } },
  {
    name: 'F6 (A7)',
    what: 'any marker counts',
    without: { faults: repeating, clauses: { terms: false } },
  },
  {
    name: 'F7a (A2c)',
    what: 'coverage of dropped records counts',
    without: { clauses: { coverageOfValidOnly: false } },
  },
  {
    name: 'F7b (A2d)',
    what: 'checkpoints need no owner',
    without: { faults: silent, clauses: { checkpointOwnerTest: false } },
  },
  {
    name: 'F7c (A2b)',
    what: 'a record speaks for its lane only, the last one counts',
    without: { clauses: { coverageOfBothLanes: false, coverageMaximum: false } },
  },
  {
    name: 'F7d (A2)',
    what: 'the last coverage counts',
    without: { faults: repeating, clauses: { coverageMaximum: false } },
  },
  {
    name: 'F8 (A4)',
    what: 'the owner of the last event',
    without: { table: { ownerFromMarkers: false } },
  },
  {
    name: 'F8 (A26b)',
    what: 'a torn mark',
    without: { faults: silent, table: { readInOneStatement: false } },
  },
  {
    name: 'F9 (A24)',
    what: 'sequence before owner',
    without: { faults: silent, clauses: { ownerTestFirst: false } },
  },
];

/** Each of these is harmless, as the reference found: a search that cries wolf proves nothing. */
export const harmless: readonly Mutation[] = [
  {
    name: 'M5',
    what: 'the same batch is sent again',
    without: { clauses: { afterUnknown: 'resend' } },
  },
  {
    name: 'M8b',
    what: 'no sequence test, appends are idempotent',
    without: { clauses: { sequenceTest: false }, faults: idempotent },
  },
  { name: 'M14', what: 'appends are idempotent', without: { faults: idempotent } },
  {
    name: 'M4 with terms',
    what: 'the marker is sent again, but only a higher term counts',
    without: { clauses: { markerGivenUp: false }, faults: silent },
  },
  {
    name: 'A2b with maximum',
    what: 'a record speaks for its lane only, the maximum counts',
    without: { clauses: { coverageOfBothLanes: false } },
  },
];
