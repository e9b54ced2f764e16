// Ingest, providers, Twilio conferences: hold and unhold move the participant's call, everything else is
// a note. `SequenceNumber` counts per conference, not per call.

import type { CallSignal, ProviderFact } from '../../schemas/facts.js';
import {
  callFact,
  known,
  millis,
  noteSignal,
  notUnderstood,
  orderOf,
  reference,
  rfc2822Micros,
  safeName,
  statusSignal,
  wholeNumber,
} from './fact-base.js';
import type { TwilioContent } from './twilio-content.js';

// Keeps the two counters apart where both kinds of event fall into one second: a call's own progress
// (a handful of numbers) stands before what happens to it in a conference.
const conferenceSeqBase = 1000;

function signalOf(event: string): CallSignal {
  if (event === 'participant-hold') return statusSignal('on_hold');
  if (event === 'participant-unhold') return statusSignal('answered', null, 'resumed');
  return noteSignal(
    `conference_${event.replace(/^(conference|participant)-/, '').replaceAll('-', '_')}`,
  );
}

/** A conference event, as a fact of the participant's call. */
export function mapConference(content: TwilioContent): ProviderFact {
  const { source, values } = content;
  const event = safeName(values.get('StatusCallbackEvent')) ?? 'unknown';
  const sequence = values.get('SequenceNumber');
  const parts = [values.get('AccountSid'), values.get('ConferenceSid'), event, sequence];
  const atUs = rfc2822Micros(values.get('Timestamp'));
  const eventType = `conference.${event}`;
  const legRef =
    reference(values.get('CallSid')) ?? reference(values.get('CallSidEndingConference'));
  if (legRef === null) {
    return notUnderstood(source, {
      reason: 'a conference event that names no call',
      externalId: ['conference', ...parts.map((part) => part ?? '')],
      eventType,
      atUs,
    });
  }
  return callFact({
    factId: content.identify('conference', parts, eventType),
    eventType,
    occurredAt: millis(atUs),
    order: orderOf(source, 1, atUs, conferenceSeqBase + (wholeNumber(sequence) ?? 0)),
    legRef,
    signal: signalOf(event),
    details: known<string | number | boolean>({
      conferenceId: reference(values.get('ConferenceSid')),
      muted: values.has('Muted') ? values.get('Muted') === 'true' : null,
      reasonLeft: safeName(values.get('ReasonParticipantLeft')),
      reasonEnded: safeName(values.get('ReasonConferenceEnded')),
    }),
    personal: known({
      conferenceName: values.get('FriendlyName'),
      participantLabel: values.get('ParticipantLabel'),
    }),
  });
}
