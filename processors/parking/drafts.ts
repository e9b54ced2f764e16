// Station processors, pure. Events of parking. Comes in: an input or a fact that waits, and what became of it.
// Goes out: bodies that keep what a retry needs and show nothing personal.

import { laneTopics, type SourceRecord } from '../../log/lanes.js';
import type { ParkedBody } from '../../schemas/events.js';
import type { RecordedFact, SourceFact } from '../../schemas/facts.js';
import { offset, type EventId, type FactId } from '../../schemas/ids.js';
import { maskNumber } from '../../schemas/mask.js';
import type { ParkedFactView, ParkedEventType } from '../../schemas/parking.js';
import type { Fault } from './fault.js';
import type { WaitingState } from './state.js';

/** Facts of a delivery that are shown; nearly all have one. */
const maxShown = 8;

export interface NewlyParked {
  readonly input: SourceRecord;
  /** Its header, when that is readable. */
  readonly record: RecordedFact | null;
  readonly facts: readonly SourceFact[];
  readonly parkId: EventId;
  /** Its own id where it begins a queue. */
  readonly queueId: EventId;
  readonly names: readonly string[];
  readonly fault: Fault;
  /** A larger record stays in its source topic alone. */
  readonly maxCarriedBytes: number;
}

/** Body of the event that parks an input. */
export function parkedBody(parked: NewlyParked): ParkedBody {
  const { input, record, facts, parkId, queueId, names, fault, maxCarriedBytes } = parked;
  const { value } = input;
  const isCarried = value !== null && value.length <= maxCarriedBytes;
  return {
    kind: 'parked',
    type: 'fact.parked',
    sourceTopic: laneTopics[input.lane],
    sourceOffset: input.offset,
    errorCode: fault.errorCode,
    error: fault.error,
    parking: {
      parkId,
      queueId,
      errorClass: fault.errorClass,
      attempts: fault.errorClass === 'behind' ? 0 : 1,
      refs: names,
      facts: facts.slice(0, maxShown).map(viewOf),
      deliveryId: record?.deliveryId ?? null,
      endpoint: record?.endpoint ?? null,
      sourceAt: input.appendedAt,
      recordBytes: value?.length ?? 0,
      content: isCarried ? value : null,
      actId: null,
    },
  };
}

/** What stands in for a party is what read models show: the last digits at most. */
function viewOf(fact: SourceFact): ParkedFactView {
  const view = viewOfKind(fact);
  return { ...view, eventType: cut(view.eventType), ref: view.ref === null ? null : cut(view.ref) };
}

/** The event of a fact that is too large must itself be small. */
const cut = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 199)}…`);

function viewOfKind(fact: SourceFact): ParkedFactView {
  const { kind, eventType } = fact;
  switch (fact.kind) {
    case 'call':
      return { kind, eventType, ref: fact.legRef, ...maskedParties(fact) };
    case 'message':
      return { kind, eventType, ref: fact.messageRef, ...maskedParties(fact) };
    case 'record':
      return { kind, eventType, ref: fact.objectRef, from: null, to: null };
    case 'not_understood':
      return { kind, eventType, ref: fact.legRef, from: null, to: null };
    case 'timer':
      return { kind, eventType, ref: fact.callId, from: null, to: null };
    case 'act':
      return { kind, eventType, ref: fact.about, from: null, to: null };
  }
}

const maskedParties = ({ from, to }: { from: string | null; to: string | null }) => ({
  from: masked(from),
  to: masked(to),
});

function masked(number: string | null): string | null {
  if (number === null || number === '') return null;
  try {
    return cut(maskNumber(number));
  } catch {
    // What fails on this fact may be the masking: its event must come all the same.
    return '•••';
  }
}

/** What became of a fact that waited. */
export interface Outcome {
  readonly type: Exclude<ParkedEventType, 'fact.parked'>;
  readonly parkId: EventId;
  readonly state: WaitingState;
  readonly actId: FactId;
  /** Why it waits still; absent once it does not. */
  readonly fault?: Fault;
}

/** Body of the event that says so. */
export function outcomeBody({ type, parkId, state, actId, fault }: Outcome): ParkedBody {
  const isAttempt = fault !== undefined && fault.errorClass !== 'behind';
  return {
    kind: 'parked',
    type,
    sourceTopic: state.sourceTopic,
    sourceOffset: offset(state.sourceOffset),
    errorCode: fault?.errorCode ?? state.errorCode,
    error: fault?.error ?? '',
    parking: {
      parkId,
      queueId: state.queueId,
      errorClass: fault?.errorClass ?? state.errorClass,
      attempts: state.attempts + Number(isAttempt),
      ...{ refs: [], facts: [], deliveryId: null, endpoint: null },
      ...{ sourceAt: state.sourceAt, recordBytes: 0, content: null },
      actId,
    },
  };
}
