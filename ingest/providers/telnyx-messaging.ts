// Ingest, providers, Telnyx messages: the outcome is in `to[].status`, not in the event's name
// (provider sheet 4d). `from` is an object and `to` a list here, unlike in voice.

import type { MessageStatus, ProviderFact } from '../../schemas/facts.js';
import {
  known,
  messageFact,
  millis,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  safeName,
} from './fact-base.js';
import {
  asObject,
  listField,
  numberField,
  objectField,
  textField,
  type JsonObject,
} from './json.js';
import { optOutOf } from './opt-out.js';
import type { TelnyxEvent } from './telnyx-event.js';
import { messagePhase } from './twilio-messaging.js';

/** A recipient's status, and its rank: of several recipients the worst one names the message. */
const ranked: Readonly<Record<string, readonly [MessageStatus, number]>> = {
  delivered: ['delivered', 1],
  queued: ['queued', 2],
  sending: ['sending', 3],
  sent: ['sent', 4],
  delivery_unconfirmed: ['sent', 5],
  expired: ['undelivered', 6],
  delivery_failed: ['undelivered', 7],
  sending_failed: ['failed', 8],
};

/** Place of a status among those of one message, for events of the same moment. */
const sequence: Readonly<Record<MessageStatus, number>> = {
  received: 1,
  queued: 2,
  sending: 3,
  sent: 4,
  delivered: 6,
  undelivered: 6,
  failed: 6,
  read: 7,
};

interface Outcome {
  readonly status: MessageStatus;
  readonly providerStatus: string;
}

function outcomeOf(type: string, recipients: readonly (JsonObject | null)[]): Outcome | null {
  if (type === 'message.received') return { status: 'received', providerStatus: 'received' };
  if (type === 'message.read') return { status: 'read', providerStatus: 'read' };
  if (type !== 'message.sent' && type !== 'message.finalized') return null;
  let worst: (Outcome & { readonly rank: number }) | null = null;
  for (const recipient of recipients) {
    const said = textField(recipient, 'status') ?? '';
    const found = Object.hasOwn(ranked, said) ? ranked[said] : undefined;
    if (found === undefined) continue;
    const [status, rank] = found;
    if (worst === null || rank > worst.rank) worst = { status, providerStatus: said, rank };
  }
  return worst;
}

function mediaOf(payload: JsonObject): Record<string, string> {
  const urls = listField(payload, 'media').map((item) => textField(asObject(item), 'url'));
  return known(Object.fromEntries(urls.map((url, index) => [`mediaUrl${String(index)}`, url])));
}

/** The fact of a message event. */
export function mapTelnyxMessage(event: TelnyxEvent): ProviderFact {
  const { source, payload, type, atUs } = event;
  const messageRef = reference(textField(payload, 'id'));
  const recipients = listField(payload, 'to').map(asObject);
  const outcome = outcomeOf(type, recipients);
  if (messageRef === null || outcome === null) {
    const reason = 'a message event without a message or a status we know';
    return notUnderstood(source, {
      reason,
      externalId: ['event', event.id],
      eventType: type,
      atUs,
    });
  }
  const { status, providerStatus } = outcome;
  const body = textField(payload, 'text');
  const [error = null] = listField(payload, 'errors').map(asObject);
  const isInbound = textField(payload, 'direction') === 'inbound' || status === 'received';
  return messageFact({
    factId: event.factId,
    eventType: type,
    occurredAt: millis(atUs),
    order: orderOf(source, messagePhase(status), atUs, sequence[status]),
    messageRef,
    direction: isInbound ? 'inbound' : 'outbound',
    status,
    providerStatus,
    providerCode: safeCode(textField(error, 'code')),
    optOut: isInbound ? optOutOf(textField(payload, 'autoresponse_type'), body) : null,
    details: known<string | number | boolean>({
      mediaCount: listField(payload, 'media').length,
      segments: numberField(payload, 'parts'),
      messageType: safeName(textField(payload, 'type')),
    }),
    from: textField(objectField(payload, 'from'), 'phone_number'),
    to: textField(recipients[0] ?? null, 'phone_number'),
    body,
    personal: mediaOf(payload),
  });
}
