// Station processors, pure. What is kept of parked facts between events: queues, and each fact that waits.
// Comes in: a state and an event of parking. Goes out: the state after it.

import type { AggregateRef, AggregateState } from '../../schemas/aggregates.js';
import type { ParkedBody } from '../../schemas/events.js';
import type { EventId, FactId, Offset, TenantId } from '../../schemas/ids.js';
import type { ActBody, ParkedClass, Parking } from '../../schemas/parking.js';

/** State of the aggregate `queue`: who waits for whom. A type, so that it is an AggregateState. */
export type QueueState = {
  /** Names of what the waiting facts are about; a fact about any of them waits too. */
  readonly refs: readonly string[];
  /** In the order in which they came; the first is what holds up the others. Empty: it is no queue any more. */
  readonly waiting: readonly EventId[];
};

/** State of the aggregate `parked` while the fact waits. */
export type WaitingState = {
  readonly queueId: EventId;
  readonly sourceTopic: string;
  readonly sourceOffset: Offset;
  readonly sourceAt: number;
  readonly refs: readonly string[];
  readonly errorCode: string;
  readonly errorClass: ParkedClass;
  readonly attempts: number;
  /** The record's value in base64; null where only the source topic has it. */
  readonly content: string | null;
  readonly acts: readonly FactId[];
};

/** State of the aggregate `parked` once the fact waits no more: kept, so that a late act does nothing. */
export type DoneState = {
  readonly queueId: EventId;
  readonly outcome: 'released' | 'discarded';
  readonly acts: readonly FactId[];
};

export type ParkedState = WaitingState | DoneState;

/** Reads a row that `evolve` made. */
export const queueStateOf = (state: AggregateState): QueueState => state as QueueState;
export const parkedStateOf = (state: AggregateState): ParkedState => state as ParkedState;

export const queueRef = (tenant: TenantId, queueId: EventId): AggregateRef => ({
  tenant,
  kind: 'queue',
  key: queueId,
});
export const parkedRef = (tenant: TenantId, parkId: EventId): AggregateRef => ({
  tenant,
  kind: 'parked',
  key: parkId,
});

/** The aggregates that an event of parking touches: none where it is from before there were queues. */
export function touchedByParking(tenant: TenantId, body: ParkedBody | ActBody): AggregateRef[] {
  if (body.kind === 'act')
    return body.type === 'act.applied' ? [parkedRef(tenant, body.about)] : [];
  if (body.parking === null) return [];
  const { queueId, parkId } = body.parking;
  return [queueRef(tenant, queueId), parkedRef(tenant, parkId)];
}

export function evolveParking(
  ref: AggregateRef,
  state: AggregateState | null,
  body: ParkedBody | ActBody,
): AggregateState {
  if (body.kind === 'act') return withAct(state ?? {}, body.actId);
  const { parking } = body;
  if (parking === null) return state ?? {};
  return ref.kind === 'queue'
    ? evolveQueue(state, body.type, parking)
    : evolveParked(state, body, parking);
}

/**
 * Most facts of one queue. One more is parked alone and is decided alone when its turn comes: the state of a call
 * is a function of the set of its facts, so what is lost is their order in the log, not the result.
 */
export const maxWaiting = 500;

/** A queue after the last of it went: the row stays. */
export const noQueue: QueueState = { refs: [], waiting: [] };

function evolveQueue(
  state: AggregateState | null,
  type: ParkedBody['type'],
  { parkId, refs }: Parking,
): QueueState {
  const before = state === null ? noQueue : queueStateOf(state);
  switch (type) {
    case 'fact.parked': {
      const known = new Set(before.refs);
      const added = refs.filter((name) => !known.has(name));
      return { refs: [...before.refs, ...added], waiting: [...before.waiting, parkId] };
    }
    case 'fact.still_parked':
      return before;
    case 'fact.released':
    case 'fact.discarded': {
      const waiting = before.waiting.filter((one) => one !== parkId);
      return waiting.length === 0 ? noQueue : { ...before, waiting };
    }
  }
}

function evolveParked(
  state: AggregateState | null,
  { type, sourceTopic, sourceOffset, errorCode }: ParkedBody,
  parking: Parking,
): ParkedState {
  const { queueId, errorClass, attempts, actId } = parking;
  const acts = state === null ? [] : parkedStateOf(state).acts;
  switch (type) {
    case 'fact.parked': {
      const { sourceAt, refs, content } = parking;
      const kept = content === null ? null : Buffer.from(content).toString('base64');
      const source = { sourceTopic, sourceOffset, sourceAt };
      return { queueId, ...source, refs, errorCode, errorClass, attempts, content: kept, acts };
    }
    case 'fact.still_parked':
      return { ...(state as WaitingState), errorCode, errorClass, attempts };
    case 'fact.released':
    case 'fact.discarded': {
      const outcome = type === 'fact.released' ? 'released' : 'discarded';
      return { queueId, outcome, acts: actId === null ? acts : withActId(acts, actId) };
    }
  }
}

/** Acts that are remembered of one fact; the same request comes again within minutes, if at all. */
const maxActs = 16;

const withActId = (acts: readonly FactId[], actId: FactId): readonly FactId[] =>
  acts.includes(actId) ? acts : [...acts, actId].slice(-maxActs);

function withAct(state: AggregateState, actId: FactId): AggregateState {
  const { acts = [] } = state as Partial<ParkedState>;
  return { ...state, acts: withActId(acts, actId) };
}
