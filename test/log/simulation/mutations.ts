// The protocol with one thing taken away. M1 to M16 and F1 to F14 name the mutations and the readings
// of a looser text that the model check of the protocol found fatal; A… is the reading's own number.

import { letterOf, readings } from './lookups.js';
import { everyFault, type Acts, type CallFaults, type Faults, type WorldOptions } from './world.js';

export interface Mutation {
  readonly name: string;
  readonly what: string;
  /** What is taken away, and the kind of world in which that shows soon. */
  readonly without: Omit<WorldOptions, 'seed'>;
}

/** The same kind of world with every clause: a violation there would be the world's own. */
export function soundWorldOf({ without }: Mutation): Omit<WorldOptions, 'seed'> {
  const { faults, acts, callFaults, hot: isHot, narrow, founded } = without;
  return Object.fromEntries(
    Object.entries({ faults, acts, callFaults, hot: isHot, narrow, founded }).filter(
      ([, value]) => value !== undefined,
    ),
  );
}

/** A driver whose appends never show up twice. */
const idempotent: Faults = { ...everyFault, twice: 0, copied_later: 0 };

/** A log that often stays silent and lets an append land later. */
const silent: Faults = { ...everyFault, ok: 6, unacked: 3, late: 6, twice: 0, copied_later: 0 };
/** A driver that repeats appends, at once or much later, and often stays silent. */
const repeating: Faults = { ok: 4, twice: 3, copied_later: 8, lost: 0, unacked: 2, late: 4 };

/** Redis often loses keys, is emptied and put back; the store stays as it is. */
const forgetful: Acts = {
  'Redis is emptied': 3,
  'a key of Redis goes': 8,
  'Redis is saved': 3,
  'Redis goes back': 3,
  'the store goes back': 0,
};
/** The store often loses its last commits. */
const failingOver: Acts = { 'the store goes back': 8 };
/** A log without faults: what is looked for lies elsewhere, and owners live long. */
const calm: Faults = { ok: 1, twice: 0, copied_later: 0, lost: 0, unacked: 0, late: 0 };
/** Calls to Redis are often given up, and done all the same or later. */
const slow: CallFaults = { ok: 8, unanswered: 2, lost: 2, late: 6 };
const hot = { hot: true, narrow: true, acts: forgetful } as const;
const cold = { hot: false, narrow: true } as const;

/** What the readings of 3.3 need to show themselves soon; the others do so in any world. */
const settings: Readonly<Record<string, Partial<Omit<WorldOptions, 'seed'>>>> = {
  A5: { ...cold, faults: calm },
  A9: { ...cold, faults: calm },
  A9b: { ...cold, faults: calm },
  A9c: { ...cold, faults: calm },
  A12: { hot: false, faults: silent },
  A13: { ...hot, faults: calm },
  A16: { ...hot, faults: silent },
  A18: { hot: false },
  A19: { hot: false, faults: calm, acts: failingOver },
  A19b: {
    ...cold,
    acts: { 'the store goes back': 30, 'an owner starts': 20, 'an owner leaves': 8 },
  },
  A20: { ...hot, faults: calm },
  M12: { ...hot, faults: calm },
};

/** The paragraph of the reference. */
const family = (letter: string): string => (['A13', 'A16', 'A20'].includes(letter) ? 'F11' : 'F10');

const readingMutations = readings
  .filter((one) => letterOf(one) !== 'A10')
  .map((reading): Mutation => {
    const letter = letterOf(reading);
    return {
      name: letter.startsWith('M') ? letter : `${family(letter)} (${letter})`,
      what: reading.slice(letter.length + 1),
      without: { reading: letter, ...settings[letter] },
    };
  });

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
  {
    name: 'M10',
    what: 'rows, then mark, in two transactions',
    without: { table: { transaction: 'rows first' } },
  },
  {
    name: 'M11',
    what: 'mark, then rows, in two transactions',
    without: { table: { transaction: 'mark first' } },
  },
  ...readingMutations,
  {
    name: 'F10 (A10b)',
    what: 'Redis is written before the commit, and its mark evicts',
    without: { ...hot, faults: calm, reading: 'A10', hotBeforeCommit: true },
  },
  {
    name: 'F11 (A14)',
    what: 'what was read is put into Redis without comparing marks',
    without: { ...hot, faults: calm, callFaults: slow, tier: { fillComparesMarks: false } },
  },
  {
    name: 'F11 (A15)',
    what: 'a slow projector writes over a newer one',
    without: { ...hot, faults: calm, tier: { slowWriter: 'write', holeBeginsAnew: false } },
  },
  {
    name: 'F11 (A15b)',
    what: 'a slow projector writes over a newer one, the higher mark stays',
    without: { ...hot, faults: calm, tier: { slowWriter: 'max', holeBeginsAnew: false } },
  },
  {
    name: 'F11 (A15c)',
    what: 'a hole is not noticed',
    without: { ...hot, faults: calm, tier: { holeBeginsAnew: false } },
  },
  {
    name: 'F11 (A15d)',
    what: 'a version per row',
    without: { ...hot, faults: calm, tier: { versionPerRow: true } },
  },
  {
    name: 'F11 (A15e)',
    what: 'the head is lost and the rows stay',
    without: { ...hot, faults: calm, tier: { randomGeneration: false } },
  },
  {
    name: 'F11 (A15f)',
    what: 'the mark is written before the rows',
    without: { ...hot, faults: calm, tier: { oneStep: false } },
  },
  {
    name: 'F13 (A22)',
    what: 'aggregate_state parks an event and moves on',
    without: { hot: false, table: { stopsAtPoison: false } },
  },
  {
    name: 'F14 (A17)',
    what: 'a live view begins in the middle without a mark',
    without: { faults: silent, viewStarts: 'without a mark' },
  },
  {
    name: 'F14 (A17b)',
    what: 'a live view begins without knowing the owner',
    without: { viewStarts: 'without the owner' },
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
    name: 'A25',
    what: 'no fault of the log at all',
    without: { faults: calm },
  },
  {
    name: 'A10',
    what: 'the hot tier’s mark evicts; Redis is written after the commit, the store never goes back',
    without: { ...hot, reading: 'A10' },
  },
  {
    name: 'A15 with holes',
    what: 'a slow projector writes over a newer one and takes the mark back; holes are noticed',
    without: { ...hot, callFaults: slow, tier: { slowWriter: 'write' } },
  },
  {
    name: 'A2b with maximum',
    what: 'a record speaks for its lane only, the maximum counts',
    without: { clauses: { coverageOfBothLanes: false } },
  },
];
