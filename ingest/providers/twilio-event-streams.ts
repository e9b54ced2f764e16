// Ingest, providers, Twilio Event Streams: an array of CloudEvents, or a single one, whose data is an
// object or JSON in a string. Each event becomes a fact, known by its own id (sheet 3).

import type { ProviderFact } from '../../schemas/facts.js';
import {
  bytesId,
  callFact,
  identify,
  isoMicros,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  safeName,
  wholeNumber,
  type FactSource,
} from './fact-base.js';
import { asObject, objectField, parseJson, textField, type JsonObject } from './json.js';
import type { TwilioContent } from './twilio-content.js';
import { mapTwilioContent } from './twilio-map.js';

interface StreamEvent {
  readonly source: FactSource;
  readonly id: string;
  readonly type: string;
  readonly atUs: number | null;
  readonly data: JsonObject | null;
}

/** Event Streams names of message data, as the callbacks write them. */
const messageNames: Readonly<Record<string, string>> = {
  accountSid: 'AccountSid',
  messageSid: 'MessageSid',
  messageStatus: 'MessageStatus',
  messagingServiceSid: 'MessagingServiceSid',
  errorCode: 'ErrorCode',
  from: 'From',
  to: 'To',
  body: 'Body',
  numSegments: 'NumSegments',
  numMedia: 'NumMedia',
  optOutType: 'OptOutType',
};

function content(event: StreamEvent, values: ReadonlyMap<string, string>): TwilioContent {
  return {
    source: event.source,
    values,
    url: '',
    identify: (_kind, _parts, eventType) => identify(event.source, ['event', event.id], eventType),
  };
}

/** The same values as a status callback, under `data.request.parameters`. */
function callbackValues(data: JsonObject | null): ReadonlyMap<string, string> | null {
  const parameters = objectField(objectField(data, 'request'), 'parameters');
  if (parameters === null) return null;
  return new Map(Object.entries(known(namedTexts(parameters, Object.keys(parameters)))));
}

function namedTexts(object: JsonObject, names: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(names.map((name) => [name, textField(object, name)]));
}

function messageValues(data: JsonObject | null): ReadonlyMap<string, string> | null {
  if (data === null || textField(data, 'messageSid') === null) return null;
  const texts = known(namedTexts(data, Object.keys(messageNames)));
  return new Map(Object.entries(texts).map(([name, value]) => [messageNames[name] ?? name, value]));
}

function mapInsights(event: StreamEvent, legRef: string): ProviderFact {
  const { data, source, atUs } = event;
  return callFact({
    factId: identify(source, ['event', event.id], event.type),
    eventType: event.type,
    occurredAt: millis(atUs),
    order: orderOf(source, 1, atUs),
    legRef,
    parentRef: reference(textField(data, 'parent_call_sid')),
    signal: noteSignal('insights'),
    details: known<string | number | boolean>({
      callState: safeName(textField(data, 'call_state')),
      processingState: safeName(textField(data, 'processing_state')),
      connectSec: wholeNumber(textField(data, 'connect_duration')),
    }),
  });
}

/** A message event keeps the event's own time, which its callback does not have. */
function timed(fact: ProviderFact, { source, atUs }: StreamEvent): ProviderFact {
  if (fact.kind !== 'message' || atUs === null) return fact;
  const order = orderOf(source, fact.order.phase, atUs, fact.order.seq);
  return { ...fact, order, occurredAt: millis(atUs) };
}

function mapEvent(event: StreamEvent): ProviderFact {
  const values = callbackValues(event.data) ?? messageValues(event.data);
  if (values !== null) return timed(mapTwilioContent(content(event, values)), event);
  const callSid = reference(textField(event.data, 'call_sid') ?? textField(event.data, 'callSid'));
  if (callSid !== null && event.type.includes('.insights.')) return mapInsights(event, callSid);
  return notUnderstood(event.source, {
    reason: 'an event of a type we do not read',
    externalId: ['event', event.id],
    eventType: event.type,
    legRef: callSid,
    atUs: event.atUs,
  });
}

function readEvent(source: FactSource, value: unknown): ProviderFact {
  const event = asObject(value);
  const id = reference(textField(event, 'id'));
  if (event === null || id === null) {
    const externalId = ['event', bytesId(JSON.stringify(value))];
    return notUnderstood(source, { reason: 'an event without an id', externalId });
  }
  const data = event['data'];
  return mapEvent({
    source,
    id,
    type: safeName(textField(event, 'type')) ?? 'unknown',
    atUs: isoMicros(textField(event, 'time')),
    data: asObject(typeof data === 'string' ? parseJson(data) : data),
  });
}

/** The events of a JSON body, in the order they stand there. */
export function mapEventStreams(
  source: FactSource,
  body: Buffer,
): readonly [ProviderFact, ...ProviderFact[]] {
  const parsed = parseJson(body);
  const values: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  const [first, ...rest] = values.filter((value) => value !== null);
  if (first === undefined) {
    const externalId = ['body', bytesId(body)];
    return [notUnderstood(source, { reason: 'a JSON body that holds no event', externalId })];
  }
  return [readEvent(source, first), ...rest.map((value) => readEvent(source, value))];
}

/** Account ids a JSON body names; none where it names none or cannot be read. */
export function accountsOf(body: Buffer): readonly string[] {
  const parsed = parseJson(body);
  const events: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return events.flatMap((value) => {
    const event = asObject(value);
    const raw = event?.['data'];
    const data = asObject(typeof raw === 'string' ? parseJson(raw) : raw);
    const parameters = objectField(objectField(data, 'request'), 'parameters');
    const inSource = /\/Accounts\/([A-Za-z0-9]+)/.exec(textField(event, 'source') ?? '')?.[1];
    return [
      textField(data, 'accountSid'),
      textField(data, 'account_sid'),
      textField(parameters, 'AccountSid'),
      inSource ?? null,
    ].filter((account): account is string => account !== null && account !== '');
  });
}
