// Ingest, providers, Twilio messages: inbound SMS/MMS and status callbacks. Twilio signs neither a time
// nor a sequence here, so a status's rank is its sequence (sheet 2b).

import type { MessageFact, MessageStatus, OrderKey, ProviderFact } from '../../schemas/facts.js';
import {
  known,
  messageFact,
  notUnderstood,
  orderOf,
  reference,
  safeCode,
  wholeNumber,
} from './fact-base.js';
import { optOutOf } from './opt-out.js';
import type { TwilioContent } from './twilio-content.js';

/** Twilio's statuses in the order a message goes through them; equal numbers never follow each other. */
const ranked: Readonly<Record<string, readonly [MessageStatus, number]>> = {
  accepted: ['queued', 1],
  scheduled: ['queued', 1],
  queued: ['queued', 2],
  sending: ['sending', 3],
  sent: ['sent', 4],
  partially_delivered: ['sent', 5],
  delivered: ['delivered', 6],
  undelivered: ['undelivered', 6],
  failed: ['failed', 6],
  canceled: ['failed', 6],
  read: ['read', 7],
  receiving: ['received', 1],
  received: ['received', 2],
};

/** Phase of a message status: what opens it, what is on the way, what settles it. */
export function messagePhase(status: MessageStatus): OrderKey['phase'] {
  if (status === 'received') return 0;
  return ['delivered', 'undelivered', 'failed', 'read'].includes(status) ? 2 : 1;
}

function mediaOf({ values }: TwilioContent): Record<string, string> {
  const media: Record<string, string> = {};
  for (const [name, value] of values)
    if (/^MediaUrl\d+$/.test(name)) media[`m${name.slice(1)}`] = value;
  return media;
}

/** A message somebody sent to us. */
export function mapInboundMessage(content: TwilioContent, messageRef: string): MessageFact {
  const { source, values } = content;
  const body = values.get('Body') ?? null;
  return messageFact({
    factId: content.identify('message_inbound', [values.get('AccountSid'), messageRef], 'received'),
    eventType: 'received',
    order: orderOf(source, 0, null),
    messageRef,
    direction: 'inbound',
    status: 'received',
    providerStatus: 'received',
    optOut: optOutOf(values.get('OptOutType') ?? null, body),
    details: known<string | number | boolean>({
      mediaCount: wholeNumber(values.get('NumMedia')),
      segments: wholeNumber(values.get('NumSegments')),
      messagingServiceId: reference(values.get('MessagingServiceSid')),
    }),
    from: values.get('From') ?? null,
    to: values.get('To') ?? null,
    body,
    personal: mediaOf(content),
  });
}

/** A step of a message we sent. Event Streams writes the status in capitals. */
export function mapMessageStatus(content: TwilioContent, messageRef: string): ProviderFact {
  const { source, values } = content;
  const said = (values.get('MessageStatus') ?? values.get('SmsStatus') ?? '').toLowerCase();
  const code = values.get('ErrorCode');
  const parts = [values.get('AccountSid'), messageRef, said, code];
  const rank = Object.hasOwn(ranked, said) ? ranked[said] : undefined;
  if (rank === undefined) {
    const externalId = ['message_status', ...parts.map((part) => part ?? '')];
    return notUnderstood(source, { reason: 'a message status we do not know', externalId });
  }
  const [status, seq] = rank;
  return messageFact({
    factId: content.identify('message_status', parts, said),
    eventType: said,
    order: orderOf(source, messagePhase(status), null, seq),
    messageRef,
    direction: status === 'received' ? 'inbound' : 'outbound',
    status,
    providerStatus: said,
    providerCode: safeCode(code),
    details: known<string | number | boolean>({
      messagingServiceId: reference(values.get('MessagingServiceSid')),
    }),
    from: values.get('From') ?? null,
    to: values.get('To') ?? null,
  });
}
