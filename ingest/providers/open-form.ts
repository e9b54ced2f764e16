// Ingest, providers: the JSON form of our own (docs/own-events.md), for every sender that has no file here: calls
// and messages as they are told, everything else as a record of the area `external`. Nothing is dropped.

import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  bytesId,
  isoMicros,
  known,
  notUnderstood,
  reference,
  safeName,
  sourceOf,
} from './fact-base.js';
import { asObject, objectField, parseJson, textField, type JsonObject } from './json.js';
import { callFactOf, messageFactOf, type OpenEvent } from './open-form-facts.js';
import {
  amountField,
  eventFactId,
  flagField,
  objectId,
  recordFact,
  referenceField,
  snakeCase,
  wordField,
} from './record-base.js';

/** Events of one delivery that are facts of their own; a longer list is one record as a whole. */
const maxEvents = 100;
/** Characters of an event's content that a record keeps, sealed. */
const maxContentChars = 4096;

/** A time as RFC 3339, or as a number of seconds or milliseconds, in microseconds. */
function timeOf(body: JsonObject): number | null {
  for (const name of ['occurredAt', 'occurred_at', 'timestamp', 'createdAt', 'created_at']) {
    const micros = isoMicros(textField(body, name));
    if (micros !== null) return micros;
    const number = amountField(body, name);
    // As seconds this many would be the year 5138.
    if (number !== null && number > 0) return number * (number >= 1e11 ? 1_000 : 1_000_000);
  }
  return null;
}

/** The parts of a name before its last, as one word: `user.created` is about a `user`. */
function objectTypeOf(type: string): string {
  const dot = type.lastIndexOf('.');
  return dot < 1 ? 'event' : snakeCase(type.slice(0, dot));
}

/** Its JSON; null where it is nested deeper than anybody's stack, which parsing survives and writing does not. */
function textOf(value: JsonObject): string | null {
  try {
    return JSON.stringify(value);
  } catch {
    return null;
  }
}

function externalFact(event: OpenEvent): ProviderFact {
  const { type, body } = event;
  const data = objectField(body, 'data');
  const content = textOf(data ?? body);
  return recordFact(event, {
    area: 'external',
    what: snakeCase(type),
    objectType: objectTypeOf(type),
    objectRef: objectId(textField(data, 'id')),
    parentRef: referenceField(data, 'parent'),
    status: wordField(data, 'status'),
    deleted: type.endsWith('.deleted') || flagField(data, 'deleted') === true,
    details: known({ contentChars: content?.length }),
    personal: content === null || content.length > maxContentChars ? {} : { content },
  });
}

function factOf(delivery: VerifiedDelivery, body: JsonObject, id: string | null): ProviderFact {
  const type = safeName(textField(body, 'type')) ?? 'event';
  const signedUs = delivery.signedAtMs === null ? null : delivery.signedAtMs * 1000;
  const event = {
    source: sourceOf(delivery),
    factId: eventFactId(delivery, id, type),
    type,
    // The time of signing is that of the attempt, which is near it.
    atUs: timeOf(body) ?? signedUs,
    body,
  };
  return callFactOf(event) ?? messageFactOf(event) ?? externalFact(event);
}

/** Each event of a list has an id of its own, or its place in the delivery. */
function listFacts(delivery: VerifiedDelivery, list: readonly unknown[]): readonly ProviderFact[] {
  const message = delivery.messageId ?? bytesId(delivery.raw.body);
  return list.map((value, index) => {
    const body = asObject(value) ?? { data: { value } };
    const own = reference(textField(body, 'id'));
    return factOf(delivery, body, own ?? `${message}#${index}`);
  });
}

/** The facts of a delivery in our own form, at least one. */
export function mapOpenForm(
  delivery: VerifiedDelivery,
): readonly [ProviderFact, ...ProviderFact[]] {
  const { body } = delivery.raw;
  const parsed = parseJson(body);
  const id = delivery.messageId;
  if (Array.isArray(parsed) && parsed.length <= maxEvents) {
    const [first, ...rest] = listFacts(delivery, parsed as unknown[]);
    if (first !== undefined) return [first, ...rest];
  }
  const whole = asObject(parsed);
  if (whole !== null) return [factOf(delivery, whole, id)];
  if (parsed !== null || body.toString('latin1').trim() === 'null') {
    return [factOf(delivery, { data: { value: parsed } }, id)];
  }
  const externalId = id === null ? ['body', bytesId(body)] : ['event', id];
  return [notUnderstood(sourceOf(delivery), { reason: 'a body that is no JSON', externalId })];
}
