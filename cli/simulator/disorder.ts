// Simulator: from what happened to what is sent: deliveries are delayed, doubled, swapped and lost as
// providers and networks do it. Pure; the same chance gives the same plan.

import { lengthMs, type Activity, type Step } from './activity.js';
import type { Random } from './random.js';

/** Probabilities per delivery, 0 to 1. */
export interface Disorder {
  readonly duplicates: number;
  readonly reorders: number;
  readonly drops: number;
}

export interface PlannedDelivery {
  /** Milliseconds after the activity's first possible send, in our time. */
  readonly sendAtMs: number;
  readonly step: Step;
  readonly attempt: number;
}

export interface Plan {
  /** By `sendAtMs`. */
  readonly deliveries: readonly PlannedDelivery[];
  readonly dropped: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** True when nothing that decides the ending was lost: a receiver must find the truth. */
  readonly isDecided: boolean;
}

/** Milliseconds between a webhook's moment and its arrival, and between a delivery and its retry. */
const latencyMs = [15, 180] as const;
const retryMs = [40, 2500] as const;

function swapTimes(planned: PlannedDelivery[], random: Random, probability: number): number {
  let swapped = 0;
  for (let index = 0; index + 1 < planned.length; index += 1) {
    const here = planned[index];
    const next = planned[index + 1];
    if (here === undefined || next === undefined || !random.chance(probability)) continue;
    planned[index] = { ...next, sendAtMs: here.sendAtMs };
    planned[index + 1] = { ...here, sendAtMs: next.sendAtMs };
    swapped += 1;
  }
  return swapped;
}

/** Plans an activity's deliveries; `speed` 10 plays ten seconds in one. */
export function planDeliveries(
  activity: Activity,
  disorder: Disorder,
  speed: number,
  random: Random,
): Plan {
  const kept = activity.steps.filter(() => !random.chance(disorder.drops));
  const planned: PlannedDelivery[] = kept.map((step) => ({
    sendAtMs: step.atMs / speed + random.between(...latencyMs),
    step,
    attempt: 1,
  }));
  planned.sort((a, b) => a.sendAtMs - b.sendAtMs);
  const reordered = swapTimes(planned, random, disorder.reorders);
  const retries = planned
    .filter(() => random.chance(disorder.duplicates))
    .map((first) => ({
      ...first,
      sendAtMs: first.sendAtMs + random.between(...retryMs),
      attempt: 2,
    }));
  const lost = activity.steps.filter((step) => !kept.includes(step));
  return {
    deliveries: [...planned, ...retries].sort((a, b) => a.sendAtMs - b.sendAtMs),
    dropped: lost.length,
    duplicated: retries.length,
    reordered,
    isDecided: lost.every((step) => !step.decides),
  };
}

/**
 * The provider's time at which an activity started that we begin to send at `sendMs`: played faster than
 * life, it lies in the past, so that its last step happens when it is sent and none in the future.
 */
export function providerStart(activity: Activity, sendMs: number, speed: number): number {
  const length = lengthMs(activity);
  return Math.floor(sendMs - (length - length / speed));
}
