// Ingest, providers, Vonage messages: inbound messages and the status of sent ones, of the Messages API
// (developer.vonage.com, Messages API v1 webhooks). One event in, one fact out.

import type { MessageStatus, ProviderFact } from '../../schemas/facts.js';
import {
  bytesId,
  identify,
  known,
  messageFact,
  millis,
  notUnderstood,
  isoMicros,
  orderOf,
  plusNumber,
  reference,
  safeCode,
  safeName,
} from './fact-base.js';
import { numberField, objectField, textField, type JsonObject } from './json.js';
import { optOutOf } from './opt-out.js';
import { messagePhase } from './twilio-messaging.js';
import type { VonageEvent } from './vonage-voice.js';

/** A status of the Messages API, and its place among those of one message. */
const ranked: Readonly<Record<string, readonly [MessageStatus, number]>> = {
  submitted: ['sent', 1],
  delivered: ['delivered', 2],
  rejected: ['failed', 2],
  undeliverable: ['undelivered', 2],
  read: ['read', 3],
};

function outcomeOf(said: string | null): readonly [MessageStatus, number] | undefined {
  if (said === null) return ['received', 0];
  return Object.hasOwn(ranked, said) ? ranked[said] : undefined;
}

/** A number, or where an object names the party, its number or id. */
function partyOf(fields: JsonObject, name: string): string | null {
  const party = objectField(fields, name);
  if (party === null) return plusNumber(textField(fields, name));
  return plusNumber(textField(party, 'number') ?? textField(party, 'id'));
}

function mediaOf(fields: JsonObject): Record<string, string> {
  const kinds = ['image', 'video', 'audio', 'file', 'vcard'];
  const urls = kinds.flatMap((kind) => textField(objectField(fields, kind), 'url') ?? []);
  return Object.fromEntries(urls.map((url, at) => [`mediaUrl${String(at)}`, url]));
}

/** The last part of an error's address is its number; the rest is the same for all. */
function errorOf(fields: JsonObject): string | null {
  const error = objectField(fields, 'error');
  const type = textField(error, 'type')?.split(/[#/]/).at(-1) ?? null;
  return safeCode(textField(error, 'title')) ?? safeCode(type);
}

/** The fact of a message event: without a `status` it is a message somebody sent to us. */
export function mapVonageMessage(event: VonageEvent): ProviderFact {
  const { source, fields, contentId } = event;
  const messageRef = reference(textField(fields, 'message_uuid'));
  const said = textField(fields, 'status');
  const outcome = outcomeOf(said);
  const atUs = isoMicros(textField(fields, 'timestamp'));
  if (messageRef === null || outcome === undefined) {
    const externalId = ['message', contentId ?? bytesId(JSON.stringify(fields))];
    return notUnderstood(source, { reason: 'a message status we do not know', externalId, atUs });
  }
  const [status, seq] = outcome;
  const eventType = said ?? 'inbound';
  const isInbound = status === 'received';
  const body = isInbound ? textField(fields, 'text') : null;
  const media = isInbound ? mediaOf(fields) : {};
  const externalId = contentId === null ? ['message', messageRef] : ['token', contentId];
  return messageFact({
    factId: identify(source, externalId, eventType),
    eventType,
    occurredAt: millis(atUs),
    order: orderOf(source, messagePhase(status), atUs, seq),
    messageRef,
    direction: isInbound ? 'inbound' : 'outbound',
    status,
    providerStatus: said ?? 'received',
    providerCode: errorOf(fields),
    optOut: isInbound ? optOutOf(null, body) : null,
    details: known<string | number | boolean>({
      channel: safeName(textField(fields, 'channel')),
      mediaCount: isInbound ? Object.keys(media).length : null,
      segments: numberField(objectField(fields, 'sms'), 'num_messages'),
    }),
    from: partyOf(fields, 'from'),
    to: partyOf(fields, 'to'),
    body,
    personal: media,
  });
}
