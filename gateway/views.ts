// Gateway: what a client sees. In: views of calls, messages and records as events and rows carry them, and what
// was opened for this caller. Out: the JSON items of schemas/live-frames. The only place of the
// gateway where a sealed field turns into text.

import { TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { CallView, LegView, MessageView, TimelineEntry } from '../schemas/call-state.js';
import type { CallEventBody, EventEnvelope } from '../schemas/events.js';
import type { OrderKey } from '../schemas/facts.js';
import type { EventId, TenantId } from '../schemas/ids.js';
import type {
  CallItem,
  LegItem,
  LiveEvent,
  MessageItem,
  PartyItem,
  RecordItem,
  TimelineItem,
} from '../schemas/live-frames.js';
import type { RecordView } from '../schemas/record-state.js';
import { bodyPlace, fieldPlace, type Party, type Sealed } from '../schemas/sealed.js';

/** Sealed fields opened for one rendering; null where the key was destroyed (the law forgot it). */
export type Opened = ReadonlyMap<Sealed, string | null>;
/** What to render with: nothing opened, i.e. the masked view. */
export const masked: Opened = new Map();

/** A sealed field and the place it stands in. */
export interface Box {
  readonly sealed: Sealed;
  readonly place: string;
}

const dayMs = 86_400_000;
let day = Number.NaN;
let dayText = '';

/** RFC 3339 in UTC, as `toISOString`; the date is worked out once a day, because events are many. */
function time(ms: number): string {
  const today = Math.floor(ms / dayMs);
  if (today !== day) {
    dayText = new Date(ms).toISOString().slice(0, -13);
    day = today;
  }
  const rest = ms - today * dayMs;
  const seconds = Math.floor(rest / 1000);
  const minutes = Math.floor(seconds / 60);
  const tail = `${two(minutes % 60)}:${two(seconds % 60)}.${String(rest % 1000).padStart(3, '0')}`;
  return `${dayText}${two(Math.floor(minutes / 60))}:${tail}Z`;
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));
const timeOrNull = (ms: number | null): string | null => (ms === null ? null : time(ms));

function partyItem(party: Party | null, opened: Opened): PartyItem | null {
  if (party === null) return null;
  const number = opened.get(party.number);
  const item = { subjectId: party.subjectId, masked: party.masked };
  return typeof number === 'string' ? { ...item, number } : item;
}

function legItem(leg: LegView, opened: Opened): LegItem {
  return {
    id: leg.legId,
    status: leg.status,
    primary: leg.primary,
    direction: leg.direction,
    from: partyItem(leg.from, opened),
    to: partyItem(leg.to, opened),
    startedAt: time(leg.startedAt),
    answeredAt: timeOrNull(leg.answeredAt),
    endedAt: timeOrNull(leg.endedAt),
    durationSec: leg.durationSec,
    cause: leg.cause,
    providerCode: leg.providerCode,
  };
}

/** A call as one shape everywhere; numbers only where `opened` holds them. */
export function callItem(call: CallView, opened: Opened): CallItem {
  return {
    id: call.callId,
    provider: call.provider,
    status: call.status,
    enteredAt: time(call.enteredAt),
    reason: call.reason,
    inferred: call.inferred,
    cause: call.cause,
    providerCode: call.providerCode,
    direction: call.direction,
    from: partyItem(call.from, opened),
    to: partyItem(call.to, opened),
    startedAt: time(call.startedAt),
    ringingAt: timeOrNull(call.ringingAt),
    answeredAt: timeOrNull(call.answeredAt),
    endedAt: timeOrNull(call.endedAt),
    durationSec: call.durationSec,
    amd: call.amd,
    recordings: call.recordings,
    legs: call.legs.map((leg) => legItem(leg, opened)),
    factCount: call.factCount,
    refusedCount: call.refusedCount,
    settledAt: timeOrNull(call.settledAt),
    mergedInto: call.mergedInto,
  };
}

/** A message; number and text only where `opened` holds them. */
export function messageItem(message: MessageView, opened: Opened): MessageItem {
  const body = message.body === null ? undefined : opened.get(message.body);
  return {
    id: message.messageId,
    provider: message.provider,
    direction: message.direction,
    status: message.status,
    providerStatus: message.providerStatus,
    providerCode: message.providerCode,
    optOut: message.optOut,
    from: partyItem(message.from, opened),
    to: partyItem(message.to, opened),
    ...(typeof body === 'string' ? { body } : {}),
    mediaCount: message.mediaCount,
    createdAt: time(message.createdAt),
    updatedAt: time(message.updatedAt),
  };
}

/** A record; its personal values only where `opened` holds any of them. */
export function recordItem(record: RecordView, opened: Opened): RecordItem {
  const texts = Object.entries(record.personal).flatMap(([name, sealed]): [string, string][] => {
    const text = opened.get(sealed);
    return typeof text === 'string' ? [[name, text]] : [];
  });
  return {
    id: record.recordId,
    provider: record.provider,
    area: record.area,
    type: record.objectType,
    ref: record.objectRef,
    parent: record.parentRef,
    status: record.status,
    deleted: record.deleted,
    lastEvent: record.lastEvent,
    details: record.details,
    subjectId: record.subject,
    ...(texts.length === 0 ? {} : { personal: Object.fromEntries(texts) }),
    createdAt: time(record.createdAt),
    updatedAt: time(record.updatedAt),
    factCount: record.factCount,
  };
}

/** A line of a timeline; it holds nothing personal. */
export function timelineItem(entry: TimelineEntry): TimelineItem {
  return {
    id: entry.entryId,
    type: entry.type,
    status: entry.status,
    leg: entry.legRef,
    occurredAt: timeOrNull(entry.occurredAt),
    receivedAt: time(entry.receivedAt),
    inferred: entry.inferred,
    late: entry.late,
    refused: entry.refused,
    reason: entry.reason,
    providerCode: entry.providerCode,
    order: orderText(entry.order),
    details: entry.details,
  };
}

/** Sorts as text the way order keys sort: phase, then time, then the provider's sequence. */
const orderText = ({ phase, atUs, seq }: OrderKey): string =>
  `${phase}.${String(atUs).padStart(16, '0')}.${String(seq).padStart(10, '0')}`;

/** `summary`: for lists. `detail`: with the timeline's change, for one call and `/v1/events`. */
export type Shape = 'summary' | 'detail';

/** An event as a client sees it. */
export function liveEvent(event: EventEnvelope, shape: Shape, opened: Opened): LiveEvent {
  const { body } = event;
  const base = { type: body.type, at: time(event.receivedAt) };
  switch (body.kind) {
    case 'call': {
      const timeline = shape === 'detail' ? timelineChange(body.timeline) : mergedCalls(body);
      const reason = body.reason === null ? {} : { reason: body.reason };
      return {
        ...base,
        callId: body.callId,
        call: callItem(body.after, opened),
        ...timeline,
        ...reason,
      };
    }
    case 'message':
      return {
        ...base,
        message: messageItem(body.after, opened),
        ...(body.reason === null ? {} : { reason: body.reason }),
      };
    case 'record':
      return {
        ...base,
        event: body.event,
        record: recordItem(body.after, opened),
        ...(body.reason === null ? {} : { reason: body.reason }),
      };
    case 'not_understood':
      return {
        ...base,
        ...(body.callId === null ? {} : { callId: body.callId }),
        ...(shape === 'detail' ? timelineChange(body.timeline) : {}),
        reason: body.reason,
      };
    case 'parked':
      return { ...base, reason: body.errorCode, ...deadLetter(body.parking?.parkId) };
    case 'act':
      return { ...base, reason: body.refused ?? body.act, ...deadLetter(body.about) };
  }
}

const deadLetter = (id: EventId | undefined): Pick<LiveEvent, 'deadLetter'> =>
  id === undefined ? {} : { deadLetter: id };

/** In lists `removed` names calls: one that turned out to be a leg of this call. */
const mergedCalls = (body: CallEventBody): Pick<LiveEvent, 'removed'> =>
  body.mergedFrom === null || body.mergedFrom === body.callId ? {} : { removed: [body.mergedFrom] };

function timelineChange(change: {
  readonly upsert: readonly TimelineEntry[];
  readonly remove: readonly string[];
}): Pick<LiveEvent, 'entries' | 'removed'> {
  return { entries: change.upsert.map(timelineItem), removed: change.remove };
}

/** The boxes an open view of a call needs. */
export function boxesOfCall(tenant: TenantId, call: CallView): Box[] {
  const parties = [call.from, call.to, ...call.legs.flatMap((leg) => [leg.from, leg.to])];
  return boxesOfParties(tenant, parties);
}

/** The boxes an open view of a message needs. */
export function boxesOfMessage(tenant: TenantId, message: MessageView): Box[] {
  const boxes = boxesOfParties(tenant, [message.from, message.to]);
  if (message.body === null) return boxes;
  return [...boxes, { sealed: message.body, place: bodyPlace(tenant, message) }];
}

/** The boxes an open view of a record needs. */
export const boxesOfRecord = (tenant: TenantId, { recordId, personal }: RecordView): Box[] =>
  Object.entries(personal).map(([name, sealed]) => ({
    sealed,
    place: fieldPlace(tenant, recordId, `personal.${name}`),
  }));

/** The boxes an open view of an event needs. */
export function boxesOfEvent(event: EventEnvelope): Box[] {
  switch (event.body.kind) {
    case 'call':
      return boxesOfCall(event.tenant, event.body.after);
    case 'message':
      return boxesOfMessage(event.tenant, event.body.after);
    case 'record':
      return boxesOfRecord(event.tenant, event.body.after);
    case 'not_understood':
    case 'parked':
    case 'act':
      return [];
  }
}

function boxesOfParties(tenant: TenantId, parties: readonly (Party | null)[]): Box[] {
  return parties
    .filter((party) => party !== null)
    .map(({ number, subjectId }) => ({
      sealed: number,
      place: fieldPlace(tenant, subjectId, 'number'),
    }));
}

/**
 * JSON for clients. Postgres text cannot hold NUL, so a row has U+FFFD in its place: so has everything
 * else, and an item is the same whether it came by snapshot or by event.
 */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!json.includes('\\u0000')) return json;
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'string' ? part.replaceAll('\0', '\ufffd') : part,
  );
}

/**
 * Opens boxes of one tenant in one round trip; rejects when the key store is away. A box that does not
 * open (its key was destroyed or never made, or it was altered) is null: the masked form stays.
 */
export async function openBoxes(
  keyRing: KeyRing,
  tenant: TenantId,
  boxes: readonly Box[],
): Promise<Opened> {
  if (boxes.length === 0) return masked;
  const texts = await keyRing.open(tenant, boxes).catch((thrown: unknown) => {
    if (!doesNotOpen(thrown)) throw thrown;
    return openEach(keyRing, tenant, boxes);
  });
  return new Map(boxes.map(({ sealed }, index) => [sealed, texts[index] ?? null]));
}

/** One bad box must not keep the others shut. */
const openEach = (
  keyRing: KeyRing,
  tenant: TenantId,
  boxes: readonly Box[],
): Promise<readonly (string | null)[]> =>
  Promise.all(
    boxes.map((box) =>
      keyRing.open(tenant, [box]).then(
        ([text]) => text ?? null,
        (thrown: unknown) => {
          if (!doesNotOpen(thrown)) throw thrown;
          return null;
        },
      ),
    ),
  );

const doesNotOpen = (thrown: unknown): boolean =>
  thrown instanceof TrunklineError &&
  (thrown.code === 'unseal_failed' || thrown.code === 'key_missing');
