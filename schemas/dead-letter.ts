// What travels on `trunkline.dead-letters`: a parked fact as it stands, each time that it changes. Derived from
// events; nothing of ours reads it, it is for whoever watches from outside.

import type { EventId, Offset, Seq, TenantId } from './ids.js';
import type { ParkedClass, ParkedFactView } from './parking.js';

/** A dead letter after one of its events. A copy of it has the same tenant and `seq`. Times in ms. */
export interface DeadLetter {
  readonly tenant: TenantId;
  readonly id: EventId;
  /** Of the event that it follows from: position and identity of this record. */
  readonly seq: Seq;
  readonly state: 'open' | 'retried' | 'discarded';
  readonly errorClass: ParkedClass;
  readonly errorCode: string;
  readonly error: string;
  readonly attempts: number;
  readonly queueId: EventId;
  readonly provider: string;
  readonly facts: readonly ParkedFactView[];
  readonly sourceTopic: string;
  readonly sourceOffset: Offset;
  readonly sourceAt: number;
  readonly recordBytes: number;
  readonly deliveryId: string | null;
  readonly endpoint: string | null;
  readonly correlationId: string;
  readonly updatedAt: number;
}
