// Ingest, providers, Bandwidth voice: one event in, its facts out (provider sheet, section 12). Bandwidth has
// no ringing event, no event id and no duration; a transfer tells of the leg it made and of its parent.

import type {
  CallFact,
  CallSignal,
  Direction,
  FailureCause,
  ProviderFact,
} from '../../schemas/facts.js';
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
  safeCode,
  safeName,
  statusSignal,
  type Details,
  type FactSource,
} from './fact-base.js';
import { objectField, textField, type JsonObject } from './json.js';

interface Reading {
  readonly signal: CallSignal;
  readonly phase?: 0 | 1 | 2;
  /** When it happened, where that is not the time of the event. */
  readonly atUs?: number | null;
  readonly parts?: Partial<CallFact>;
}

const causes: Readonly<Record<string, FailureCause>> = {
  busy: 'busy',
  timeout: 'no_answer',
  cancel: 'canceled',
  rejected: 'rejected',
  'node-capacity-exceeded': 'network',
};

const timeOf = (event: JsonObject, name: string): number | null =>
  isoMicros(textField(event, name));

/** A hangup completes what was answered; what was not was given up. Every other cause is a failure. */
function endSignal(event: JsonObject): CallSignal {
  const cause = textField(event, 'cause') ?? 'unknown';
  if (cause === 'hangup') {
    const isAnswered = textField(event, 'answerTime') !== null;
    return isAnswered ? statusSignal('completed') : statusSignal('failed', 'canceled');
  }
  const named = Object.hasOwn(causes, cause) ? causes[cause] : undefined;
  return statusSignal('failed', named ?? 'provider');
}

/** From answer to end; Bandwidth leaves it to us. */
function durationOf(event: JsonObject): number | null {
  const answered = timeOf(event, 'answerTime');
  const ended = timeOf(event, 'endTime');
  if (answered === null || ended === null || ended < answered) return null;
  return Math.round((ended - answered) / 1_000_000);
}

const readEnd = (event: JsonObject): Reading => ({
  signal: endSignal(event),
  phase: 2,
  atUs: timeOf(event, 'endTime'),
  parts: { durationSec: durationOf(event), providerCode: safeCode(textField(event, 'cause')) },
});

const period = /^PT(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,7}(?:\.\d{1,9})?)S)?$/;

/** The seconds of an ISO 8601 duration (`PT1M51.05S`), as Bandwidth writes them; null when it is none. */
export function secondsOf(text: string | null): number | null {
  const match = text === null || text === 'PT' ? null : period.exec(text);
  if (match === null) return null;
  const [, hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** `human`, `answering-machine`, `silence`, `timeout`, `error` … */
function answeredBy(value: string | null): string {
  if (value === 'human' || value === 'fax') return value;
  return value === 'answering-machine' ? 'machine' : 'unknown';
}

function readMachine(event: JsonObject): Reading {
  const value = textField(objectField(event, 'machineDetectionResult'), 'value');
  const details = known({ amd: answeredBy(value), answeredBy: safeName(value) });
  return { signal: noteSignal('amd'), parts: { details } };
}

function readRecording(event: JsonObject): Reading {
  const status = safeName(textField(event, 'status'));
  const details: Details = known<string | number | boolean>({
    recordingId: reference(textField(event, 'recordingId')),
    recordingStatus: status === null || status === 'complete' ? 'completed' : status,
    recordingSec: secondsOf(textField(event, 'duration')),
    recordingFormat: safeName(textField(event, 'fileFormat')),
  });
  const personal = known({ recordingUrl: textField(event, 'mediaUrl') });
  return { signal: noteSignal('recording'), parts: { details, personal } };
}

/** The leg that a transfer made; the parties of the event are those of its parent. */
const transferLeg = (event: JsonObject): Partial<CallFact> => ({
  parentRef: reference(textField(event, 'parentCallId')),
  direction: 'outbound',
  from: textField(event, 'transferCallerId'),
  to: textField(event, 'transferTo'),
});

const readings: Readonly<Record<string, (event: JsonObject) => Reading>> = {
  initiate: () => ({ signal: statusSignal('ringing'), phase: 0 }),
  answer: () => ({ signal: statusSignal('answered') }),
  disconnect: readEnd,
  transferAnswer: (event) => ({ signal: statusSignal('answered'), parts: transferLeg(event) }),
  transferDisconnect: (event) => {
    const end = readEnd(event);
    return { ...end, parts: { ...end.parts, ...transferLeg(event) } };
  },
  // The parent is back from its transfer, which may have failed before it was ever answered.
  transferComplete: (event) => ({
    signal:
      textField(event, 'answerTime') === null
        ? noteSignal('transfer_ended')
        : statusSignal('answered', null, 'transfer ended'),
    parts: { providerCode: safeCode(textField(event, 'cause')) },
  }),
  machineDetectionComplete: readMachine,
  recordingAvailable: readRecording,
  recordComplete: readRecording,
};

function readingOf(event: JsonObject, eventType: string): Reading {
  const read = Object.hasOwn(readings, eventType) ? readings[eventType] : undefined;
  if (read !== undefined) return read(event);
  // Speech, tones, bridges, conferences: what happens in a call without moving it.
  return {
    signal: noteSignal(eventType.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)),
  };
}

/** Events after which Bandwidth waits for BXML. */
const asking: ReadonlySet<string> = new Set([
  'initiate',
  'answer',
  'gather',
  'redirect',
  'transferAnswer',
  'transferComplete',
  'bridgeComplete',
  'bridgeTargetComplete',
  'recordComplete',
]);

export const waitsForBxml = (event: JsonObject): boolean =>
  asking.has(textField(event, 'eventType') ?? '');

function directionOf(event: JsonObject): Direction | null {
  const said = textField(event, 'direction');
  return said === 'inbound' || said === 'outbound' ? said : null;
}

/** An answered transfer: while its leg is told of, its parent is being transferred. */
function parentOf(source: FactSource, told: CallFact): readonly CallFact[] {
  if (told.eventType !== 'transferAnswer' || told.parentRef === null) return [];
  const { parentRef, order, occurredAt } = told;
  const eventType = 'transferAnswer.parent';
  return [
    callFact({
      factId: identify(source, ['voice', parentRef, told.legRef, String(order.atUs)], eventType),
      ...{ eventType, occurredAt, legRef: parentRef },
      // Before the leg's answer, which ends it.
      order: { ...order, seq: 0 },
      signal: statusSignal('transferring'),
    }),
  ];
}

/** The facts of a voice event: one, and for an answered transfer one about the parent. */
export function mapBandwidthVoice(
  source: FactSource,
  event: JsonObject,
): readonly [ProviderFact, ...ProviderFact[]] {
  const legRef = reference(textField(event, 'callId'));
  const eventType = safeName(textField(event, 'eventType'));
  const eventTime = textField(event, 'eventTime');
  const eventUs = isoMicros(eventTime);
  if (legRef === null || eventType === null) {
    const reason = 'an event that names no call';
    const externalId = ['event', bytesId(JSON.stringify(event))];
    return [notUnderstood(source, { reason, externalId, eventType, legRef, atUs: eventUs })];
  }
  const reading = readingOf(event, eventType);
  const atUs = reading.atUs ?? eventUs;
  const told = callFact({
    factId: identify(source, ['voice', legRef, eventTime ?? ''], eventType),
    ...{ eventType, legRef, signal: reading.signal, occurredAt: millis(atUs) },
    order: orderOf(source, reading.phase ?? 1, atUs, eventType === 'transferAnswer' ? 1 : 0),
    direction: directionOf(event),
    from: textField(event, 'from'),
    to: textField(event, 'to'),
    ...reading.parts,
  });
  return [told, ...parentOf(source, told)];
}
