// Gateway: the JSON of answers as zod schemas, for OpenAPI and for tests that hold answers to it. Each is
// tied to its type of schemas/live-frames, so that neither can change alone.

import { z } from 'zod';

import { callStatuses, failureCauses, messageStatuses, recordAreas } from '../../schemas/facts.js';
import type {
  CallItem,
  LegItem,
  LiveEvent,
  MessageItem,
  PartyItem,
  RecordItem,
  StatsItem,
  TimelineItem,
} from '../../schemas/live-frames.js';

const instant = z.string().meta({ format: 'date-time' });
const direction = z.enum(['inbound', 'outbound']).nullable();
const text = z.string().nullable();

/** Seq and epoch: the position an answer stands at; subscribe with it as `since`. */
export const cursorSchema = z.object({ epoch: z.string(), seq: z.number().int() });

const party = z.object({
  subjectId: z.string(),
  masked: z.string(),
  number: z.string().optional(),
});

const ends = {
  direction,
  from: party.nullable(),
  to: party.nullable(),
  startedAt: instant,
  answeredAt: instant.nullable(),
  endedAt: instant.nullable(),
  durationSec: z.number().nullable(),
  cause: z.enum(failureCauses).nullable(),
  providerCode: text,
};

const leg = z.object({
  id: z.string(),
  status: z.enum(callStatuses),
  primary: z.boolean(),
  ...ends,
});

export const callSchema = z.object({
  id: z.string(),
  provider: z.string(),
  status: z.enum(callStatuses),
  enteredAt: instant,
  reason: text,
  inferred: z.boolean(),
  ringingAt: instant.nullable(),
  amd: text,
  recordings: z.number().int(),
  legs: z.array(leg),
  factCount: z.number().int(),
  refusedCount: z.number().int(),
  settledAt: instant.nullable(),
  mergedInto: text,
  ...ends,
});

export const timelineSchema = z.object({
  id: z.string(),
  type: z.string(),
  status: z.enum(callStatuses).nullable(),
  leg: text,
  occurredAt: instant.nullable(),
  receivedAt: instant,
  inferred: z.boolean(),
  late: z.boolean(),
  refused: text,
  reason: text,
  providerCode: text,
  order: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

export const messageSchema = z.object({
  id: z.string(),
  provider: z.string(),
  direction,
  status: z.enum(messageStatuses),
  providerStatus: z.string(),
  providerCode: text,
  optOut: z.enum(['stop', 'start', 'help']).nullable(),
  from: party.nullable(),
  to: party.nullable(),
  body: z.string().optional(),
  mediaCount: z.number().int(),
  createdAt: instant,
  updatedAt: instant,
});

export const recordSchema = z.object({
  id: z.string(),
  provider: z.string(),
  area: z.enum(recordAreas),
  type: z.string(),
  ref: z.string(),
  parent: text,
  status: text,
  deleted: z.boolean(),
  lastEvent: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  subjectId: text,
  personal: z.record(z.string(), z.string()).optional(),
  createdAt: instant,
  updatedAt: instant,
  factCount: z.number().int(),
});

export const statsSchema = z.object({
  minute: instant,
  started: z.number().int(),
  answered: z.number().int(),
  completed: z.number().int(),
  failed: z.number().int(),
  inboundMessages: z.number().int(),
  outboundMessages: z.number().int(),
  duplicates: z.number().int(),
  refused: z.number().int(),
  notUnderstood: z.number().int(),
  parked: z.number().int(),
  records: z.number().int(),
});

export const eventSchema = z.object({
  type: z.string(),
  at: instant,
  callId: z.string().optional(),
  call: callSchema.optional(),
  message: messageSchema.optional(),
  record: recordSchema.optional(),
  event: z.string().optional(),
  entries: z.array(timelineSchema).optional(),
  removed: z.array(z.string()).optional(),
  reason: z.string().optional(),
  deadLetter: z.string().optional(),
});

/** A page of a list: `next` is null on the last one. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    data: z.array(item),
    page: z.object({ next: z.string().nullable() }),
    asOf: cursorSchema,
  });

type Same<A extends string, B extends string> = [A] extends [B]
  ? [B] extends [A]
    ? true
    : never
  : never;
type Keys<T extends z.ZodType> = Extract<keyof z.output<T>, string>;
/** Holds at compile time that schemas and types name the same fields. */
export const sameFields: readonly [
  Same<Keys<typeof callSchema>, keyof CallItem>,
  Same<Keys<typeof leg>, keyof LegItem>,
  Same<Keys<typeof party>, keyof PartyItem>,
  Same<Keys<typeof timelineSchema>, keyof TimelineItem>,
  Same<Keys<typeof messageSchema>, keyof MessageItem>,
  Same<Keys<typeof recordSchema>, keyof RecordItem>,
  Same<Keys<typeof statsSchema>, keyof StatsItem>,
  Same<Keys<typeof eventSchema> | 'stats' | 'left' | 'conflated', keyof LiveEvent>,
] = [true, true, true, true, true, true, true, true];
