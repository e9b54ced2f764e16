// Simulator: activities with their truth. Steps and how they end come in, an activity goes out.

import type { CallStatus, FailureCause, MessageStatus, ProviderName } from '../../schemas/facts.js';
import type { Activity, Said, Step, Truth } from './activity.js';

/** How a call ends; a call has one leg unless it says otherwise. */
export interface CallEnding {
  readonly scenario: string;
  readonly direction: NonNullable<Truth['direction']>;
  readonly status: CallStatus;
  readonly cause?: FailureCause | null;
  readonly legs?: number;
  readonly said?: Said;
}

/** A call that a receiver finds by `ref`, the provider's id of its leg. */
export function endedCall(
  provider: ProviderName,
  ref: string,
  steps: readonly Step[],
  { cause = null, legs = 1, ...ending }: CallEnding,
): Activity {
  return { steps, truth: { provider, kind: 'call', ref, cause, legs, ...ending } };
}

/** A message that a receiver finds by `ref`. */
export function settledMessage(
  provider: ProviderName,
  ref: string,
  steps: readonly Step[],
  ending: { readonly direction: NonNullable<Truth['direction']>; readonly status: MessageStatus },
): Activity {
  const isInbound = ending.direction === 'inbound';
  const scenario = isInbound ? 'message-inbound' : `message-${ending.status}`;
  const base = { provider, kind: 'message', scenario, ref, cause: null, legs: 0 } as const;
  return { steps, truth: { ...base, ...ending } };
}
