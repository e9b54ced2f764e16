// Simulator: what happens at a provider (a call, a message) as steps in time, and what is true of it in
// the end. Scenarios make activities; traffic turns them into deliveries.

import type { CallStatus, FailureCause, MessageStatus, ProviderName } from '../../schemas/facts.js';

/** What a provider posts. JSON is text, because its bytes are what is signed. */
export type Content =
  | { readonly type: 'form'; readonly fields: Readonly<Record<string, string>> }
  | { readonly type: 'json'; readonly text: string };

/** One webhook of an activity. */
export interface Step {
  /** Milliseconds after the activity's start. */
  readonly atMs: number;
  /** False for what can be lost without changing how the activity ends. */
  readonly decides: boolean;
  /** The content where the activity started at `startMs`; `attempt` counts from 1. */
  content(startMs: number, attempt: number): Content;
}

/** How an activity ends. `ref` is the provider's id that a receiver finds it by. */
export interface Truth {
  readonly provider: ProviderName;
  readonly kind: 'call' | 'message';
  readonly scenario: string;
  readonly ref: string;
  readonly status: CallStatus | MessageStatus;
  readonly cause: FailureCause | null;
  readonly direction: 'inbound' | 'outbound';
  readonly legs: number;
}

export interface Activity {
  readonly steps: readonly Step[];
  readonly truth: Truth;
}

/** When the activity's last step happens. */
export function lengthMs(activity: Activity): number {
  return activity.steps.reduce((latest, step) => Math.max(latest, step.atMs), 0);
}
