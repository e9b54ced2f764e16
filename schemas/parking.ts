// What travels when a fact cannot be processed (design 3.4): how it was parked, what is kept of it for a
// retry, and what an operator did about it (decision 0013).

import type { ActName } from './facts.js';
import type { EventId, FactId } from './ids.js';

export const parkedEventTypes = [
  'fact.parked',
  'fact.still_parked',
  'fact.released',
  'fact.discarded',
] as const;
/** A fact is parked; a retry failed again; a retry succeeded; an operator let go of it. */
export type ParkedEventType = (typeof parkedEventTypes)[number];

export const parkedClasses = ['poison', 'schema', 'bug', 'behind'] as const;
/**
 * Why a fact waits. `poison`: the record itself cannot be used (damaged, its key gone, too large).
 * `schema`: written by a version we do not know yet. `bug`: our rules failed on it. `behind`: nothing is
 * wrong with it, an earlier fact of its call waits. What passes by itself (a service away) parks nothing.
 */
export type ParkedClass = (typeof parkedClasses)[number];

/** One fact of a parked delivery, for people: nothing personal in the clear. */
export interface ParkedFactView {
  readonly kind: string;
  readonly eventType: string;
  /** The provider's reference of the leg, message or object. */
  readonly ref: string | null;
  /** Masked numbers, where the fact names parties. */
  readonly from: string | null;
  readonly to: string | null;
}

/** What is known of a parked fact. On `fact.parked` all of it, later only what changed. */
export interface Parking {
  /** The id of the event that parked it, and of the dead letter. */
  readonly parkId: EventId;
  /** The queue it waits in, by the `parkId` of the fact that began it. */
  readonly queueId: EventId;
  readonly errorClass: ParkedClass;
  /** How often it was decided without success; 0 while it only waits behind another. */
  readonly attempts: number;
  /** What it is about, by name; later facts about any of these wait behind it. */
  readonly refs: readonly string[];
  /** The first of its facts; empty where the content cannot be read. */
  readonly facts: readonly ParkedFactView[];
  readonly deliveryId: string | null;
  readonly endpoint: string | null;
  /** When the log took the record, by its own clock, in ms. */
  readonly sourceAt: number;
  readonly recordBytes: number;
  /** The record as it stands in the source topic, sealed; null where it is too large to be carried. */
  readonly content: Uint8Array | null;
  /** The act that this event is an outcome of. */
  readonly actId: FactId | null;
}

export const actEventTypes = ['act.applied', 'act.refused', 'act.duplicate_seen'] as const;
export type ActEventType = (typeof actEventTypes)[number];

export const actRefusals = ['unknown', 'already_released', 'already_discarded'] as const;
/** Why an act did nothing: no such parked fact, or it is no longer parked. */
export type ActRefusal = (typeof actRefusals)[number];

/** An operator's act and what came of it: the audit entry. One event per act. */
export interface ActBody {
  readonly kind: 'act';
  readonly type: ActEventType;
  readonly actId: FactId;
  readonly act: ActName;
  readonly about: EventId;
  readonly actor: string;
  readonly reason: string;
  readonly refused: ActRefusal | null;
  /** Facts that were processed by it. */
  readonly released: number;
  /** Facts of the queue that wait still. */
  readonly remaining: number;
  /** The error code of the fact that failed again and holds up the rest; null when none did. */
  readonly failed: string | null;
}
