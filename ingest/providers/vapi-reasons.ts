// Ingest, providers, Vapi: how a call ended, from `endedReason`. @vapi-ai/server-sdk 2.0.1 knows 597 values
// and every release more: rules by the words they are made of, never a list.

import type { CallSignal, FailureCause } from '../../schemas/facts.js';
import { causeOfSipCode } from './causes.js';
import { statusSignal } from './fact-base.js';

/** Ends of a call that was talked on; `voicemail` was talked to. */
const completed =
  /^(customer-ended-call|assistant-ended-call|assistant-said-end-call-phrase|assistant-said-message-with-end-call|assistant-forwarded-call|silence-timed-out|exceeded-max-duration|voicemail|vonage-completed|vonage-disconnected)/;

/** Why a call that nobody talked on ended; the first rule that matches. */
const causes: readonly (readonly [RegExp, FailureCause])[] = [
  [/(^|[.-])busy($|[.-])/, 'busy'],
  [/did-not-answer|no-answer|not-answered|unanswered/, 'no_answer'],
  [/manually-canceled|cancel(l)?ed|call-deleted|hungup-before-call-connect/, 'canceled'],
  [/misdialed|invalid-(phone-)?number|unallocated|not-found-number/, 'invalid_number'],
  [/rejected|declined|blocked|forbidden/, 'rejected'],
  [/failed-to-connect/, 'network'],
];

/** `…-outbound-sip-486-…`: the carrier's own code says more than the words around it. */
const sipCode = /sip-([3-6]\d\d)(-|$)/;
/** Faults of models and services, whatever words their names are made of. */
const fault = /(^|[.-])(error|pipeline|providerfault|vapifault)/;

function causeOf(reason: string): FailureCause {
  const bySip = causeOfSipCode(sipCode.exec(reason)?.[1] ?? null);
  if (bySip !== null) return bySip;
  if (fault.test(reason) && !reason.includes('failed-to-connect')) return 'provider';
  return causes.find(([rule]) => rule.test(reason))?.[1] ?? 'provider';
}

/**
 * What a reason says. Everything but a plain end is a hangup: completed where the call was in progress,
 * else failed with the cause, so that an error in mid-call does not undo that it was answered.
 */
export function signalOfReason(reason: string | null): CallSignal {
  const text = reason ?? '';
  if (completed.test(text)) return statusSignal('completed');
  return { type: 'hangup', cause: causeOf(text) };
}

export const isVoicemail = (reason: string | null): boolean => reason === 'voicemail';
