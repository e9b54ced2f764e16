// Ingest, providers, Bandwidth messages: one event of the list in, one fact out (provider sheet, section 12).

import type { MessageStatus, ProviderFact } from '../../schemas/facts.js';
import {
  bytesId,
  identify,
  isoMicros,
  known,
  messageFact,
  millis,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  safeName,
  type FactSource,
} from './fact-base.js';
import { listField, numberField, objectField, textField, type JsonObject } from './json.js';
import { optOutOf } from './opt-out.js';
import { messagePhase } from './twilio-messaging.js';

const ranked: Readonly<Record<string, readonly [MessageStatus, number]>> = {
  'message-received': ['received', 0],
  'message-sending': ['sending', 1],
  'message-delivered': ['delivered', 2],
  'message-failed': ['failed', 2],
  'message-read': ['read', 3],
};

function mediaOf(message: JsonObject | null): Record<string, string> {
  const urls = listField(message, 'media').filter((url) => typeof url === 'string');
  return Object.fromEntries(urls.map((url, at) => [`mediaUrl${String(at)}`, url]));
}

/** The recipient an event is about, by its place in the message: a number would be guessed from a digest. */
function recipientOf(event: JsonObject, message: JsonObject | null): string {
  return String(listField(message, 'to').indexOf(textField(event, 'to')));
}

/** The fact of a message event. */
export function mapBandwidthMessage(source: FactSource, event: JsonObject): ProviderFact {
  const message = objectField(event, 'message');
  const messageRef = reference(textField(message, 'id'));
  const type = textField(event, 'type') ?? '';
  const found = Object.hasOwn(ranked, type) ? ranked[type] : undefined;
  const atUs = isoMicros(textField(event, 'time'));
  if (messageRef === null || found === undefined) {
    const externalId = ['message', bytesId(JSON.stringify(event))];
    const reason = 'a message event without a message or a type we know';
    return notUnderstood(source, { reason, externalId, eventType: safeName(type), atUs });
  }
  const [status, seq] = found;
  const isInbound = status === 'received';
  const text = textField(message, 'text');
  const media = mediaOf(message);
  return messageFact({
    factId: identify(source, ['message', messageRef, recipientOf(event, message)], type),
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, messagePhase(status), atUs, seq),
    messageRef,
    direction: isInbound ? 'inbound' : 'outbound',
    status,
    providerStatus: type,
    providerCode: safeCode(textField(event, 'errorCode')),
    optOut: isInbound ? optOutOf(null, text) : null,
    details: known<string | number | boolean>({
      segments: numberField(message, 'segmentCount'),
      mediaCount: isInbound ? Object.keys(media).length : null,
      description: isInbound ? null : safeName(textField(event, 'description')),
    }),
    from: textField(message, 'from'),
    to: textField(event, 'to'),
    // Status events repeat the text of some messages and leave it empty in others.
    body: isInbound || text !== '' ? text : null,
    personal: media,
  });
}
