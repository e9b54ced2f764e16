// What travels on `trunkline.events`, as Avro: EventEnvelope, version 1. A change is a new file in
// schemas/history and must be FULL_TRANSITIVE: only fields with a default come or go. Closed sets of
// words (statuses, causes) are strings: an Avro enum cannot grow in both directions.

const optional = (type: unknown) => ({ type: ['null', type], default: null });
const field = (name: string, type: unknown) => ({ name, type });
const maybe = (name: string, type: unknown) => ({ name, ...optional(type) });
const list = (items: unknown) => ({ type: 'array', items });
const map = (values: unknown) => ({ type: 'map', values });
const record = (name: string, fields: readonly object[]) => ({ type: 'record', name, fields });

const sealed = record('Sealed', [
  field('keyId', 'string'),
  field('nonce', 'string'),
  field('ciphertext', 'string'),
  field('tag', 'string'),
]);

const party = record('Party', [
  field('subjectId', 'string'),
  field('masked', 'string'),
  field('number', sealed),
]);

const orderKey = record('OrderKey', [
  field('phase', 'int'),
  field('atUs', 'long'),
  field('seq', 'long'),
]);

// One record for all signals, so that a reader of any language needs no union of records.
const signal = record('CallSignal', [
  field('type', 'string'),
  maybe('status', 'string'),
  maybe('cause', 'string'),
  maybe('reason', 'string'),
  maybe('name', 'string'),
]);

const details = map(['string', 'double', 'boolean']);

const storedCallFact = record('StoredCallFact', [
  field('factId', 'string'),
  field('eventType', 'string'),
  maybe('occurredAt', 'long'),
  field('receivedAt', 'long'),
  field('order', orderKey),
  field('legRef', 'string'),
  maybe('parentRef', 'string'),
  maybe('sessionRef', 'string'),
  maybe('direction', 'string'),
  field('signal', signal),
  maybe('durationSec', 'double'),
  maybe('providerCode', 'string'),
  field('details', details),
  maybe('from', party),
  maybe('to', 'Party'),
  field('personal', map('Sealed')),
]);

const legView = record('LegView', [
  field('legId', 'string'),
  field('legRef', 'string'),
  maybe('parentRef', 'string'),
  field('primary', 'boolean'),
  field('status', 'string'),
  maybe('cause', 'string'),
  maybe('providerCode', 'string'),
  maybe('direction', 'string'),
  maybe('from', 'Party'),
  maybe('to', 'Party'),
  field('startedAt', 'long'),
  maybe('answeredAt', 'long'),
  maybe('endedAt', 'long'),
  maybe('durationSec', 'double'),
]);

const callView = record('CallView', [
  field('callId', 'string'),
  field('provider', 'string'),
  field('status', 'string'),
  field('enteredAt', 'long'),
  maybe('reason', 'string'),
  maybe('sourceFact', 'string'),
  field('inferred', 'boolean'),
  maybe('cause', 'string'),
  maybe('providerCode', 'string'),
  maybe('direction', 'string'),
  maybe('from', 'Party'),
  maybe('to', 'Party'),
  field('startedAt', 'long'),
  maybe('ringingAt', 'long'),
  maybe('answeredAt', 'long'),
  maybe('endedAt', 'long'),
  maybe('durationSec', 'double'),
  maybe('amd', 'string'),
  field('recordings', 'int'),
  field('legs', list(legView)),
  field('factCount', 'int'),
  field('refusedCount', 'int'),
  maybe('mergedInto', 'string'),
  maybe('settledAt', 'long'),
]);

const timelineEntry = record('TimelineEntry', [
  field('entryId', 'string'),
  field('type', 'string'),
  maybe('legRef', 'string'),
  maybe('status', 'string'),
  field('order', 'OrderKey'),
  maybe('occurredAt', 'long'),
  field('receivedAt', 'long'),
  field('inferred', 'boolean'),
  field('late', 'boolean'),
  maybe('refused', 'string'),
  maybe('reason', 'string'),
  maybe('providerCode', 'string'),
  field('details', details),
]);

const timelineChange = record('TimelineChange', [
  field('upsert', list(timelineEntry)),
  field('remove', list('string')),
]);

const armedTimer = record('ArmedTimer', [
  field('name', 'string'),
  field('timerId', 'string'),
  field('since', 'long'),
  field('dueAt', 'long'),
]);

const callEvent = record('CallEvent', [
  field('type', 'string'),
  field('callId', 'string'),
  maybe('fact', storedCallFact),
  field('after', callView),
  field('timeline', timelineChange),
  field('aliases', list('string')),
  maybe('mergedFrom', 'string'),
  maybe('reason', 'string'),
  maybe('timer', armedTimer),
]);

const storedMessageFact = record('StoredMessageFact', [
  field('factId', 'string'),
  field('eventType', 'string'),
  maybe('occurredAt', 'long'),
  field('receivedAt', 'long'),
  field('order', 'OrderKey'),
  field('messageRef', 'string'),
  maybe('direction', 'string'),
  field('status', 'string'),
  field('providerStatus', 'string'),
  maybe('providerCode', 'string'),
  maybe('optOut', 'string'),
  field('details', details),
  maybe('from', 'Party'),
  maybe('to', 'Party'),
  maybe('body', 'Sealed'),
  field('personal', map('Sealed')),
]);

const messageView = record('MessageView', [
  field('messageId', 'string'),
  field('provider', 'string'),
  maybe('direction', 'string'),
  field('status', 'string'),
  field('providerStatus', 'string'),
  maybe('providerCode', 'string'),
  maybe('optOut', 'string'),
  maybe('from', 'Party'),
  maybe('to', 'Party'),
  maybe('body', 'Sealed'),
  field('mediaCount', 'int'),
  field('createdAt', 'long'),
  field('updatedAt', 'long'),
  field('factCount', 'int'),
]);

const messageEvent = record('MessageEvent', [
  field('type', 'string'),
  field('messageId', 'string'),
  maybe('fact', storedMessageFact),
  field('after', messageView),
  maybe('reason', 'string'),
]);

const storedRecordFact = record('StoredRecordFact', [
  field('factId', 'string'),
  field('eventType', 'string'),
  maybe('occurredAt', 'long'),
  field('receivedAt', 'long'),
  field('order', 'OrderKey'),
  field('area', 'string'),
  field('event', 'string'),
  field('objectType', 'string'),
  field('objectRef', 'string'),
  maybe('parentRef', 'string'),
  maybe('status', 'string'),
  field('deleted', 'boolean'),
  field('details', details),
  maybe('subject', 'string'),
  field('personal', map('Sealed')),
]);

const recordView = record('RecordView', [
  field('recordId', 'string'),
  field('provider', 'string'),
  field('area', 'string'),
  field('objectType', 'string'),
  field('objectRef', 'string'),
  maybe('parentRef', 'string'),
  maybe('status', 'string'),
  field('deleted', 'boolean'),
  field('lastEvent', 'string'),
  field('details', details),
  maybe('subject', 'string'),
  field('personal', map('Sealed')),
  field('createdAt', 'long'),
  field('updatedAt', 'long'),
  field('factCount', 'int'),
]);

const recordEvent = record('RecordEvent', [
  field('type', 'string'),
  field('recordId', 'string'),
  field('event', 'string'),
  maybe('fact', storedRecordFact),
  field('after', recordView),
  maybe('reason', 'string'),
]);

const notUnderstood = record('NotUnderstood', [
  field('type', 'string'),
  maybe('callId', 'string'),
  maybe('legRef', 'string'),
  field('eventType', 'string'),
  field('receivedAt', 'long'),
  field('reason', 'string'),
  field('timeline', 'TimelineChange'),
]);

const parkedFact = record('ParkedFact', [
  field('kind', 'string'),
  field('eventType', 'string'),
  maybe('ref', 'string'),
  maybe('from', 'string'),
  maybe('to', 'string'),
]);

const parking = record('Parking', [
  field('parkId', 'string'),
  field('queueId', 'string'),
  field('errorClass', 'string'),
  field('attempts', 'int'),
  field('refs', list('string')),
  field('facts', list(parkedFact)),
  maybe('deliveryId', 'string'),
  maybe('endpoint', 'string'),
  field('sourceAt', 'long'),
  field('recordBytes', 'int'),
  maybe('content', 'bytes'),
  maybe('actId', 'string'),
]);

const parked = record('Parked', [
  field('type', 'string'),
  field('sourceTopic', 'string'),
  field('sourceOffset', 'long'),
  field('errorCode', 'string'),
  field('error', 'string'),
  maybe('parking', parking),
]);

const act = record('Act', [
  field('type', 'string'),
  field('actId', 'string'),
  field('act', 'string'),
  field('about', 'string'),
  field('actor', 'string'),
  field('reason', 'string'),
  maybe('refused', 'string'),
  field('released', 'int'),
  field('remaining', 'int'),
  maybe('failed', 'string'),
]);

const coverage = record('Coverage', [field('realtime', 'long'), field('bulk', 'long')]);

/**
 * Avro schema of `EventEnvelope` (schemas/events.ts), field by field. The body is one of six optional
 * fields, exactly one of them set: a new kind of body is then a compatible change.
 */
export const eventEnvelopeSchema = {
  type: 'record',
  name: 'EventEnvelope',
  namespace: 'trunkline',
  fields: [
    field('schemaVersion', 'int'),
    field('tenant', 'string'),
    field('seq', 'long'),
    field('epoch', 'string'),
    field('owner', 'string'),
    field('covered', coverage),
    field('eventId', 'string'),
    maybe('factId', 'string'),
    maybe('provider', 'string'),
    maybe('occurredAt', 'long'),
    field('receivedAt', 'long'),
    field('correlationId', 'string'),
    field('traceId', 'string'),
    field('ruleVersions', map('int')),
    maybe('call', callEvent),
    maybe('message', messageEvent),
    maybe('notUnderstood', notUnderstood),
    maybe('parked', parked),
    maybe('record', recordEvent),
    maybe('act', act),
  ],
} as const;
