// Gateway: rows of the read models as views. In: a row as the driver hands it out. Out: the view that events
// carry; a row of another shape is an error, never half a view.

import { z } from 'zod';

import type { CallView, LegView, MessageView, TimelineEntry } from '../schemas/call-state.js';
import { callStatuses, failureCauses, messageStatuses, recordAreas } from '../schemas/facts.js';
import { callId, factId, legId, messageId, recordId, subjectId } from '../schemas/ids.js';
import type { StatsItem } from '../schemas/live-frames.js';
import type { RecordView } from '../schemas/record-state.js';
import type { Party, Sealed } from '../schemas/sealed.js';

const sealed = z.object({
  keyId: z.string(),
  nonce: z.string(),
  ciphertext: z.string(),
  tag: z.string(),
});
const party = z.object({ subjectId: z.string(), masked: z.string(), number: sealed });
const directions = z.enum(['inbound', 'outbound']).nullable();
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);
const partyCell = json(party)
  .nullable()
  .transform((cell): Party | null =>
    cell === null ? null : { ...cell, subjectId: subjectId(cell.subjectId) },
  );
const details = json(z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])));
const time = z.number();

const endColumns = {
  status: z.enum(callStatuses),
  cause: z.enum(failureCauses).nullable(),
  provider_code: z.string().nullable(),
  direction: directions,
  from_party: partyCell,
  to_party: partyCell,
  started_at: time,
  answered_at: time.nullable(),
  ended_at: time.nullable(),
  duration_sec: z.number().nullable(),
};
const callRow = z.object({
  ...endColumns,
  id: z.string(),
  provider: z.string(),
  entered_at: time,
  reason: z.string().nullable(),
  source_fact: z.string().nullable(),
  inferred: z.boolean(),
  ringing_at: time.nullable(),
  amd: z.string().nullable(),
  recordings: z.number(),
  fact_count: z.number(),
  refused_count: z.number(),
  settled_at: time.nullable(),
});
const legRow = z.object({
  ...endColumns,
  call_id: z.string(),
  leg_id: z.string(),
  leg_ref: z.string(),
  parent_ref: z.string().nullable(),
  is_primary: z.boolean(),
});
const messageRow = z.object({
  id: z.string(),
  provider: z.string(),
  direction: directions,
  status: z.enum(messageStatuses),
  provider_status: z.string(),
  provider_code: z.string().nullable(),
  opt_out: z.enum(['stop', 'start', 'help']).nullable(),
  from_party: partyCell,
  to_party: partyCell,
  body: json(sealed).nullable(),
  media_count: z.number(),
  created_at: time,
  updated_at: time,
  fact_count: z.number(),
});
const recordRow = z.object({
  id: z.string(),
  provider: z.string(),
  area: z.enum(recordAreas),
  object_type: z.string(),
  object_ref: z.string(),
  parent_ref: z.string().nullable(),
  status: z.string().nullable(),
  deleted: z.boolean(),
  last_event: z.string(),
  details,
  subject: z.string().nullable(),
  personal: json(z.record(z.string(), sealed)),
  created_at: time,
  updated_at: time,
  fact_count: z.number(),
});
const timelineRow = z.object({
  entry_id: z.string(),
  type: z.string(),
  leg_ref: z.string().nullable(),
  status: z.enum(callStatuses).nullable(),
  phase: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  at_us: z.number(),
  order_seq: z.number(),
  occurred_at: time.nullable(),
  received_at: time,
  inferred: z.boolean(),
  late: z.boolean(),
  refused: z.string().nullable(),
  reason: z.string().nullable(),
  provider_code: z.string().nullable(),
  details,
});

/** A row of `calls`; its legs are rows of their own. */
export function readCallRow(row: unknown): {
  readonly id: string;
  readonly withLegs: (legs: readonly LegView[]) => CallView;
} {
  const cells = callRow.parse(row);
  return { id: cells.id, withLegs: (legs) => callOf(cells, legs) };
}

/** A row of `legs`. */
export function readLegRow(row: unknown): { readonly callId: string; readonly leg: LegView } {
  const cells = legRow.parse(row);
  return { callId: cells.call_id, leg: legOf(cells) };
}

/** A row of `call_timeline`. */
export function timelineOf(row: unknown): TimelineEntry {
  const cells = timelineRow.parse(row);
  return {
    entryId: cells.entry_id,
    type: cells.type,
    legRef: cells.leg_ref,
    status: cells.status,
    order: { phase: cells.phase, atUs: cells.at_us, seq: cells.order_seq },
    occurredAt: cells.occurred_at,
    receivedAt: cells.received_at,
    inferred: cells.inferred,
    late: cells.late,
    refused: cells.refused,
    reason: cells.reason,
    providerCode: cells.provider_code,
    details: cells.details,
  };
}

/** A row of `stats_minute`. */
export function statsOf(row: Readonly<Record<string, number>>): StatsItem {
  const count = (name: string): number => row[name] ?? 0;
  return {
    minute: new Date(count('minute')).toISOString(),
    started: count('started'),
    answered: count('answered'),
    completed: count('completed'),
    failed: count('failed'),
    inboundMessages: count('inbound_messages'),
    outboundMessages: count('outbound_messages'),
    duplicates: count('duplicates'),
    refused: count('refused'),
    notUnderstood: count('not_understood'),
    parked: count('parked'),
    records: count('records'),
  };
}

const endOf = (cells: z.output<typeof legRow> | z.output<typeof callRow>) => ({
  status: cells.status,
  cause: cells.cause,
  providerCode: cells.provider_code,
  direction: cells.direction,
  from: cells.from_party,
  to: cells.to_party,
  startedAt: cells.started_at,
  answeredAt: cells.answered_at,
  endedAt: cells.ended_at,
  durationSec: cells.duration_sec,
});

const legOf = (cells: z.output<typeof legRow>): LegView => ({
  ...endOf(cells),
  legId: legId(cells.leg_id),
  legRef: cells.leg_ref,
  parentRef: cells.parent_ref,
  primary: cells.is_primary,
});

const callOf = (cells: z.output<typeof callRow>, legs: readonly LegView[]): CallView => ({
  ...endOf(cells),
  callId: callId(cells.id),
  provider: cells.provider,
  enteredAt: cells.entered_at,
  reason: cells.reason,
  sourceFact: cells.source_fact === null ? null : factId(cells.source_fact),
  inferred: cells.inferred,
  ringingAt: cells.ringing_at,
  amd: cells.amd,
  recordings: cells.recordings,
  legs,
  factCount: cells.fact_count,
  refusedCount: cells.refused_count,
  settledAt: cells.settled_at,
  mergedInto: null,
});

/** A row of `messages`. */
export function messageOf(row: unknown): MessageView {
  const cells = messageRow.parse(row);
  const body: Sealed | null = cells.body;
  return {
    messageId: messageId(cells.id),
    provider: cells.provider,
    direction: cells.direction,
    status: cells.status,
    providerStatus: cells.provider_status,
    providerCode: cells.provider_code,
    optOut: cells.opt_out,
    from: cells.from_party,
    to: cells.to_party,
    body,
    mediaCount: cells.media_count,
    createdAt: cells.created_at,
    updatedAt: cells.updated_at,
    factCount: cells.fact_count,
  };
}

/** A row of `records`. */
export function recordOf(row: unknown): RecordView {
  const cells = recordRow.parse(row);
  return {
    recordId: recordId(cells.id),
    provider: cells.provider,
    area: cells.area,
    objectType: cells.object_type,
    objectRef: cells.object_ref,
    parentRef: cells.parent_ref,
    status: cells.status,
    deleted: cells.deleted,
    lastEvent: cells.last_event,
    details: cells.details,
    subject: cells.subject === null ? null : subjectId(cells.subject),
    personal: cells.personal,
    createdAt: cells.created_at,
    updatedAt: cells.updated_at,
    factCount: cells.fact_count,
  };
}
