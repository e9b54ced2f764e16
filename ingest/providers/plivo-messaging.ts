// Ingest, providers, Plivo messages: inbound messages and the status of sent ones. Plivo signs neither a time
// nor a sequence here, so a status's rank is its sequence (provider sheet, section 10).

import type { MessageStatus, ProviderFact } from '../../schemas/facts.js';
import {
  identify,
  known,
  messageFact,
  notUnderstood,
  orderOf,
  plusNumber,
  reference,
  safeCode,
  safeName,
  wholeNumber,
} from './fact-base.js';
import { optOutOf } from './opt-out.js';
import type { PlivoContent } from './plivo-voice.js';
import { messagePhase } from './twilio-messaging.js';

const ranked: Readonly<Record<string, readonly [MessageStatus, number]>> = {
  queued: ['queued', 1],
  sent: ['sent', 2],
  delivered: ['delivered', 3],
  undelivered: ['undelivered', 3],
  failed: ['failed', 3],
  rejected: ['failed', 3],
  read: ['read', 4],
};

function mediaOf({ values }: PlivoContent): Record<string, string> {
  const media: Record<string, string> = {};
  for (const [name, value] of values)
    if (/^Media\d+$/.test(name)) media[`mediaUrl${name.slice(5)}`] = value;
  return media;
}

function mapInbound(content: PlivoContent, messageRef: string): ProviderFact {
  const { source, values } = content;
  const body = values.get('Text') ?? null;
  const media = mediaOf(content);
  return messageFact({
    factId: identify(source, ['message', messageRef], 'received'),
    eventType: 'received',
    order: orderOf(source, 0, null),
    messageRef,
    direction: 'inbound',
    status: 'received',
    providerStatus: 'received',
    optOut: optOutOf(null, body),
    details: known<string | number | boolean>({
      messageType: safeName(values.get('Type')),
      segments: wholeNumber(values.get('Units')),
      mediaCount: Object.keys(media).length,
    }),
    from: plusNumber(values.get('From')),
    to: plusNumber(values.get('To')),
    body,
    personal: media,
  });
}

/** The fact of a message callback: without a `Status` it is a message somebody sent to us. */
export function mapPlivoMessage(content: PlivoContent): ProviderFact {
  const { source, values } = content;
  const messageRef = reference(values.get('MessageUUID'));
  const said = values.get('Status')?.toLowerCase();
  if (messageRef !== null && (said === undefined || said === 'received')) {
    return mapInbound(content, messageRef);
  }
  const rank = said !== undefined && Object.hasOwn(ranked, said) ? ranked[said] : undefined;
  if (messageRef === null || said === undefined || rank === undefined) {
    const externalId = ['message', messageRef ?? '', said ?? ''];
    return notUnderstood(source, { reason: 'a message status we do not know', externalId });
  }
  const [status, seq] = rank;
  return messageFact({
    factId: identify(source, ['message', messageRef, said], said),
    eventType: said,
    order: orderOf(source, messagePhase(status), null, seq),
    messageRef,
    direction: 'outbound',
    status,
    providerStatus: said,
    providerCode: safeCode(values.get('ErrorCode')),
    details: known({ segments: wholeNumber(values.get('Units')) }),
    from: plusNumber(values.get('From')),
    to: plusNumber(values.get('To')),
  });
}
