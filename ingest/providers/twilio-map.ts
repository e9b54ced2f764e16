// Ingest, providers, Twilio: from the kind of an event to the function that maps it.

import type { ProviderFact } from '../../schemas/facts.js';
import { bytesId, notUnderstood, reference } from './fact-base.js';
import { mapConference } from './twilio-conference.js';
import { kindOf, type TwilioContent, type TwilioKind } from './twilio-content.js';
import { mapInboundMessage, mapMessageStatus } from './twilio-messaging.js';
import {
  mapAnsweredBy,
  mapCallStatus,
  mapDialAction,
  mapRecordAction,
  mapRecording,
  mapVoiceRequest,
} from './twilio-voice.js';

type ReferenceMapper = (content: TwilioContent, ref: string) => ProviderFact;

const byCall: Partial<Record<TwilioKind, ReferenceMapper>> = {
  call_status: mapCallStatus,
  voice_request: mapVoiceRequest,
  dial_action: mapDialAction,
  record_action: mapRecordAction,
  answered_by: mapAnsweredBy,
  recording: mapRecording,
};

const byMessage: Partial<Record<TwilioKind, ReferenceMapper>> = {
  message_inbound: mapInboundMessage,
  message_status: mapMessageStatus,
};

function unread(content: TwilioContent, reason: string, legRef: string | null): ProviderFact {
  const sorted = [...content.values].map((pair) => JSON.stringify(pair)).sort();
  const externalId = ['values', bytesId(sorted.join('\n'))];
  return notUnderstood(content.source, { reason, externalId, legRef });
}

/** The fact of one event. What has no name we know, or no reference, is a fact of its own kind. */
export function mapTwilioContent(content: TwilioContent): ProviderFact {
  const { values } = content;
  const kind = kindOf(values);
  if (kind === 'conference') return mapConference(content);
  const call = reference(values.get('CallSid'));
  const message = reference(values.get('MessageSid') ?? values.get('SmsSid'));
  const mapCall = byCall[kind];
  if (mapCall !== undefined && call !== null) return mapCall(content, call);
  const mapMessage = byMessage[kind];
  if (mapMessage !== undefined && message !== null) return mapMessage(content, message);
  return unread(content, 'a callback of a kind we do not read', call);
}
