// Station processors: the shape of facts. Comes in: the decoded content of a delivery. Goes out: its facts,
// when each has the fields that events are made of. A fact that could be decided but not encoded would
// stop its whole partition; this way it is parked.

import { z } from 'zod';
import {
  actNames,
  callStatuses,
  failureCauses,
  messageStatuses,
  recordAreas,
  type DeliveryContent,
  type SourceFact,
} from '../schemas/facts.js';
import { timerNames } from '../schemas/timers.js';

const text = z.string().nullable();
const base = {
  factId: z.string().min(1),
  eventType: z.string(),
  occurredAt: z.int().nullable(),
  order: z.object({ phase: z.literal([0, 1, 2]), atUs: z.int(), seq: z.int() }),
};
const direction = z.enum(['inbound', 'outbound']).nullable();
const details = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const personal = z.record(z.string(), z.string());
const parties = { from: text, to: text, personal, details, providerCode: text, direction };

const signal = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('status'),
    status: z.enum(callStatuses),
    cause: z.enum(failureCauses).nullable(),
    reason: text,
  }),
  z.object({ type: z.literal('hangup'), cause: z.enum(failureCauses) }),
  z.object({ type: z.literal('note'), name: z.string() }),
]);

const fact = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('call'),
    ...base,
    ...parties,
    legRef: z.string(),
    parentRef: text,
    sessionRef: text,
    signal,
    durationSec: z.number().nullable(),
  }),
  z.object({
    kind: z.literal('message'),
    ...base,
    ...parties,
    messageRef: z.string(),
    status: z.enum(messageStatuses),
    providerStatus: z.string(),
    optOut: z.enum(['stop', 'start', 'help']).nullable(),
    body: text,
  }),
  z.object({
    kind: z.literal('record'),
    ...base,
    area: z.enum(recordAreas),
    event: z.string(),
    objectType: z.string(),
    objectRef: z.string(),
    parentRef: text,
    status: text,
    deleted: z.boolean(),
    details,
    about: z.object({ objectType: z.string(), objectRef: z.string() }).nullable(),
    personal,
  }),
  z.object({ kind: z.literal('not_understood'), ...base, legRef: text, reason: z.string() }),
  z.object({
    kind: z.literal('act'),
    ...base,
    act: z.enum(actNames),
    about: z.string().min(1),
    actor: z.string().min(1),
    reason: z.string().min(1),
  }),
  z.object({
    kind: z.literal('timer'),
    ...base,
    callId: z.string().min(1),
    name: z.enum(timerNames),
    timerId: z.string().min(1),
    since: z.int(),
    status: z.enum(callStatuses),
    reason: text,
  }),
]);

const content = z.object({ facts: z.array(fact).min(1) });

/** The facts of a delivery's content, or null when one of them has another shape. */
export function factsOf(parsed: unknown): readonly SourceFact[] | null {
  return content.safeParse(parsed).success ? (parsed as DeliveryContent).facts : null;
}
