// Station processors: drafts. Comes in: a delivery and what was decided. Goes out: event drafts with ids
// that follow from the input's place in the log, so that deciding it again gives the same ids.

import { hash } from 'node:crypto';
import type { SourceRecord } from '../log/owner.js';
import type { EventBody, EventDraft, ParkedBody } from '../schemas/events.js';
import type { RecordedFact } from '../schemas/facts.js';
import type { ActBody } from '../schemas/parking.js';
import { eventId, tenantId, type EventId, type FactId } from '../schemas/ids.js';
import { callRuleVersion } from './call/decide.js';
import { messageRuleVersion } from './message/decide.js';
import { recordRuleVersion } from './record/decide.js';

/** An event of a fact of a delivery. */
export interface Decided {
  readonly factId: FactId;
  readonly occurredAt: number | null;
  readonly body: EventBody;
}

const ruleVersions: Readonly<Record<EventBody['kind'], Readonly<Record<string, number>>>> = {
  call: { call: callRuleVersion },
  message: { message: messageRuleVersion },
  record: { record: recordRuleVersion },
  not_understood: { call: callRuleVersion },
  parked: {},
  act: {},
};

/**
 * Lane and offset name an input once in a log's life; a fact alone does not, as it may be delivered
 * again. Hashed together so that an id tells nothing.
 */
function eventIdOf(input: SourceRecord, factId: string, index: number): EventId {
  const name = `${input.key}\0${input.lane}\0${input.offset}\0${factId}\0${index}`;
  return eventId(`evt_${hash('sha256', name, 'base64url').slice(0, 22)}`);
}

/**
 * Drafts of one input, in order. `released`: the parked fact whose turn came by this input, an act; of two
 * copies that wait in one queue each has events of its own.
 */
export function draftsOf(
  input: SourceRecord,
  record: RecordedFact,
  decided: readonly Decided[],
  released = '',
): readonly EventDraft[] {
  return decided.map(({ factId, occurredAt, body }, index) => ({
    tenant: record.tenant,
    eventId: eventIdOf(input, released + factId, index),
    factId,
    provider: record.provider,
    occurredAt,
    receivedAt: record.receivedAt,
    correlationId: record.correlationId,
    traceId: record.traceId,
    ruleVersions: ruleVersions[body.kind],
    body,
  }));
}

/** Id of the event that parks an input; it names the dead letter too. */
export const parkIdOf = (input: SourceRecord): EventId => eventIdOf(input, 'parked', 0);

/** The one draft of an input that cannot be processed. `record`: its header, when that is readable. */
export const parkedDraft = (
  input: SourceRecord,
  record: RecordedFact | null,
  body: ParkedBody,
): EventDraft => ({
  // The key's tenant: its sequence is of this partition, whatever the value claims.
  tenant: tenantId(input.key),
  eventId: parkIdOf(input),
  factId: null,
  provider: record?.provider ?? null,
  occurredAt: null,
  receivedAt: record?.receivedAt ?? input.appendedAt,
  correlationId: record?.correlationId ?? '',
  traceId: record?.traceId ?? '',
  ruleVersions: ruleVersions.parked,
  body,
});

/** What an act is and what became of parked facts by it: drafts of the act's own record. */
export const actDraft = (
  input: SourceRecord,
  record: RecordedFact,
  body: ActBody | ParkedBody,
): EventDraft => ({
  tenant: record.tenant,
  eventId: eventIdOf(input, body.kind === 'act' ? 'act' : (body.parking?.parkId ?? ''), 0),
  factId: body.kind === 'act' ? body.actId : null,
  provider: record.provider,
  occurredAt: null,
  receivedAt: record.receivedAt,
  correlationId: record.correlationId,
  traceId: record.traceId,
  ruleVersions: ruleVersions.parked,
  body,
});
