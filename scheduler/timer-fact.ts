// Scheduler: the fact of a timer. Comes in: a row that is due, or whose call nobody knows of. Goes out: what is
// appended to `deliveries`: the same however often it is said, so that a repeat is a duplicate.

import { ownFactId, type OwnFact } from '../log/own-facts.js';
import type { TimerRow } from './due.js';

/** Why the end of a call is inferred. */
export const inferenceReasons = [
  'provider_has_no_api',
  'no_credentials',
  'credentials_refused',
  'provider_does_not_know_it',
  'provider_unreachable',
] as const;
export type InferenceReason = (typeof inferenceReasons)[number];

/** The fact that the timer ran out; `reason` for an inference, which need not have. */
export function timerFactOf(row: TimerRow, reason: InferenceReason | null): OwnFact {
  const { tenant, callId, provider, name, timerId, since, status, dueAt } = row;
  return {
    tenant,
    provider,
    fact: {
      kind: 'timer',
      factId: ownFactId(tenant, 'timer', callId, timerId),
      eventType: `timer.${name}`,
      occurredAt: dueAt,
      order: { phase: 1, atUs: dueAt * 1000, seq: 0 },
      ...{ callId, name, timerId, since, status, reason },
    },
  };
}
