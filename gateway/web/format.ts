// The live board: how values read. In: views of the protocol. Out: short text.

import type { CallItem } from '../../schemas/live-frames.js';

export const statusWords: Readonly<Record<CallItem['status'], string>> = {
  initiated: 'Initiated',
  ringing: 'Ringing',
  answered: 'Answered',
  on_hold: 'On hold',
  transferring: 'Transferring',
  completed: 'Completed',
  failed: 'Failed',
};

export const isEnded = (call: CallItem): boolean =>
  call.status === 'completed' || call.status === 'failed';

/** `m:ss` or `h:mm:ss` between two instants in ms; never negative. */
export function clockSpan(fromMs: number, toMs: number): string {
  const total = Math.max(0, Math.floor((toMs - fromMs) / 1000));
  const seconds = String(total % 60).padStart(2, '0');
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours === 0
    ? `${minutes}:${seconds}`
    : `${hours}:${String(minutes).padStart(2, '0')}:${seconds}`;
}

/** Wall time of an RFC 3339 instant, to the second. */
export const wallTime = (at: string): string =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** How long the call has been going, or took. */
export function callSpan(call: CallItem, nowMs: number): string {
  const start = Date.parse(call.startedAt);
  return clockSpan(start, call.endedAt === null ? nowMs : Date.parse(call.endedAt));
}

/** Why a call is where it is, in a few words. */
export const causeWords = (call: CallItem): string =>
  (call.cause ?? call.reason ?? '').replaceAll('_', ' ');
