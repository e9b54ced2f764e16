// The clauses of the log protocol as switches, so that tests can take one away and show that it was
// needed: M and F name the mutations and readings of docs/decisions/0001-log-protocol.md.
// Production code never sets them; a test holds that.

/** What an owner does when an append ends without an ack. Only `end` is sound, see rule 7. */
export type AfterUnknown =
  'end' | 'resend' | 'decide_again' | 'read_and_go_on' | 'take_for_success';

/** Every clause stands; each switch names its rule and the reading that breaks without it. */
export interface Clauses {
  /** Rule 3: records by anyone but the accepted owner are dropped. (M1) */
  readonly ownerTest: boolean;
  /** 3.1: the owner test comes before the sequence test. (F9) */
  readonly ownerTestFirst: boolean;
  /** Rule 3: a marker counts only if its term is higher. (F6, M4, M4b) */
  readonly terms: boolean;
  /** 3.1: a used number is a duplicate and is dropped. (M8) */
  readonly sequenceTest: boolean;
  /** 3.1: a record dropped by the owner test leaves coverage alone. (F7a) */
  readonly coverageOfValidOnly: boolean;
  /** Rule 3: the owner test is for checkpoints too. (F7b) */
  readonly checkpointOwnerTest: boolean;
  /** Rule 8: readers keep the maximum, not the last. (F7d, M5b) */
  readonly coverageMaximum: boolean;
  /** Rule 1: a marker without an ack is given up, not sent again. (M4, M4b) */
  readonly markerGivenUp: boolean;
  /** Rule 1: nothing is done before the marker is acknowledged. (M2) */
  readonly markerAwaited: boolean;
  /** Rule 2: restore reads up to the own marker, not to an end seen before it. (M3) */
  readonly restoreToMarker: boolean;
  /** Rule 2: … at the acked offset, not at the first marker of that id. (M4) */
  readonly restoreToAckedMarker: boolean;
  /** Rule 2: resume exactly after what is covered, not a bit earlier. (F2) */
  readonly resumeAfterCovered: boolean;
  /** Rule 4: at most one append in flight. (F4) */
  readonly oneInFlight: boolean;
  /** Rule 4: all outputs of an input are in one batch. (M15) */
  readonly wholeInputs: boolean;
  /** Rule 8: every record carries the coverage of both lanes. (F7c) */
  readonly coverageOfBothLanes: boolean;
  /** Rule 7: an ack that is not the next offset makes the owner read the gap. (F5) */
  readonly ackGapCheck: boolean;
  /** Rule 7: unknown is everything but an ack. (M5, M6, M7) */
  readonly afterUnknown: AfterUnknown;
}

/** The protocol as it is. */
export const everyClause: Clauses = {
  ownerTest: true,
  ownerTestFirst: true,
  terms: true,
  sequenceTest: true,
  coverageOfValidOnly: true,
  checkpointOwnerTest: true,
  coverageMaximum: true,
  markerGivenUp: true,
  markerAwaited: true,
  restoreToMarker: true,
  restoreToAckedMarker: true,
  resumeAfterCovered: true,
  oneInFlight: true,
  wholeInputs: true,
  coverageOfBothLanes: true,
  ackGapCheck: true,
  afterUnknown: 'end',
};
