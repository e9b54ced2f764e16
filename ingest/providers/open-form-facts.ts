// Ingest, providers: calls and messages in the JSON form of our own (docs/own-events.md). Comes in: one event.
// Goes out: its fact, or null where the event is about neither.

import {
  failureCauses,
  messageStatuses,
  type CallSignal,
  type CallStatus,
  type FailureCause,
  type MessageStatus,
  type ProviderFact,
} from '../../schemas/facts.js';
import {
  callFact,
  known,
  messageFact,
  millis,
  noteSignal,
  orderOf,
  reference,
  safeCode,
  safeName,
  statusSignal,
  type Details,
  type FactSource,
} from './fact-base.js';
import { numberField, objectField, textField, type JsonObject } from './json.js';
import { optOutOf } from './opt-out.js';
import { amountField, personalOf } from './record-base.js';

/** One event in the form, read as far as every event is alike. */
export interface OpenEvent {
  readonly source: FactSource;
  readonly factId: ProviderFact['factId'];
  /** As the sender names it; `event` where that is no name. */
  readonly type: string;
  /** Microseconds since 1970; null where the event tells no time. */
  readonly atUs: number | null;
  readonly body: JsonObject;
}

/** What follows `call.` in a type, and its place among events of one moment. */
const callWords: Readonly<Record<string, readonly [CallStatus, number]>> = {
  initiated: ['initiated', 0],
  ringing: ['ringing', 1],
  answered: ['answered', 2],
  held: ['on_hold', 3],
  on_hold: ['on_hold', 3],
  resumed: ['answered', 4],
  transferring: ['transferring', 5],
  completed: ['completed', 9],
  failed: ['failed', 9],
};

const isCause = (text: string): text is FailureCause =>
  (failureCauses as readonly string[]).includes(text);

const isStatus = (text: string): text is MessageStatus =>
  (messageStatuses as readonly string[]).includes(text);

/** `no-answer` and `no_answer` are one; what is no cause of ours is the sender's own code. */
function causeOf(call: JsonObject): FailureCause | null {
  const said = (textField(call, 'cause') ?? '').replaceAll('-', '_');
  return isCause(said) ? said : null;
}

function signalOf(word: string, call: JsonObject): CallSignal {
  const cause = causeOf(call);
  // `ended` leaves it to what is known of the call whether it was completed.
  if (word === 'ended' || word === 'hangup') return { type: 'hangup', cause: cause ?? 'canceled' };
  const [status = null] = Object.hasOwn(callWords, word) ? (callWords[word] ?? []) : [];
  if (status === null) return noteSignal(word);
  const reason = safeName(textField(call, 'reason'));
  return statusSignal(status, status === 'failed' ? (cause ?? 'provider') : null, reason);
}

const isEnd = (signal: CallSignal): boolean =>
  signal.type === 'hangup' ||
  (signal.type === 'status' && (signal.status === 'completed' || signal.status === 'failed'));

function directionOf(object: JsonObject): 'inbound' | 'outbound' | null {
  const said = textField(object, 'direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

const maxFields = 20;
const fieldName = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;

const fieldsOf = (object: JsonObject | null): readonly [string, unknown][] =>
  Object.entries(object ?? {})
    .filter(([name]) => fieldName.test(name))
    .slice(0, maxFields);

/** Values that say nothing about anybody: numbers, true and false, single words. */
function detailsOf(object: JsonObject): Details {
  const entries = fieldsOf(objectField(object, 'details')).map(([name, value]) => {
    const isPlain = typeof value === 'boolean' || (typeof value === 'number' && isFinite(value));
    const word = typeof value === 'string' ? (safeName(value) ?? safeCode(value)) : null;
    return [name, isPlain ? value : word] as const;
  });
  return known(Object.fromEntries(entries));
}

const sealedOf = (object: JsonObject): Record<string, string> =>
  personalOf(
    Object.fromEntries(
      fieldsOf(objectField(object, 'personal')).map(([name, value]) => [
        name,
        typeof value === 'string' ? value : null,
      ]),
    ),
  );

/** The word behind `call.` or `message.`; null where the type is of something else. */
const wordAfter = (type: string, noun: string): string | null =>
  type.startsWith(`${noun}.`) ? type.slice(noun.length + 1).replaceAll('-', '_') : null;

/** The fact of a `call.…` event that names its call. */
export function callFactOf({ source, factId, type, atUs, body }: OpenEvent): ProviderFact | null {
  const call = objectField(body, 'call');
  const legRef = reference(textField(call, 'id'));
  const word = wordAfter(type, 'call');
  if (call === null || legRef === null || word === null) return null;
  const signal = signalOf(word, call);
  const rank = Object.hasOwn(callWords, word) ? (callWords[word]?.[1] ?? 6) : 6;
  const seq = amountField(body, 'sequence') ?? rank;
  return callFact({
    factId,
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, isEnd(signal) ? 2 : 1, atUs, seq),
    legRef,
    parentRef: reference(textField(call, 'parent')),
    sessionRef: reference(textField(call, 'session')),
    direction: directionOf(call),
    signal,
    durationSec: numberField(call, 'durationSec'),
    providerCode: safeCode(textField(call, 'code')) ?? safeCode(textField(call, 'cause')),
    details: detailsOf(call),
    from: textField(call, 'from'),
    to: textField(call, 'to'),
    personal: sealedOf(call),
  });
}

const outcomes: ReadonlySet<MessageStatus> = new Set([
  'delivered',
  'undelivered',
  'failed',
  'read',
]);

/** The fact of a `message.…` event with a status we have and the message it names. */
export function messageFactOf(event: OpenEvent): ProviderFact | null {
  const { source, factId, type, atUs, body } = event;
  const message = objectField(body, 'message');
  const messageRef = reference(textField(message, 'id'));
  const status = wordAfter(type, 'message');
  if (message === null || messageRef === null || status === null || !isStatus(status)) return null;
  const text = textField(message, 'text');
  const isInbound = directionOf(message) === 'inbound' || status === 'received';
  const seq = amountField(body, 'sequence') ?? messageStatuses.indexOf(status);
  return messageFact({
    factId,
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, outcomes.has(status) ? 2 : 1, atUs, seq),
    messageRef,
    direction: isInbound ? 'inbound' : 'outbound',
    status,
    providerStatus: status,
    providerCode: safeCode(textField(message, 'code')),
    optOut: isInbound ? optOutOf(textField(message, 'optOut'), text) : null,
    details: {
      ...detailsOf(message),
      ...known({
        mediaCount: numberField(message, 'mediaCount'),
        segments: numberField(message, 'segments'),
      }),
    },
    from: textField(message, 'from'),
    to: textField(message, 'to'),
    body: text,
    personal: sealedOf(message),
  });
}
