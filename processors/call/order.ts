// Station processors, pure. Comes in: order keys of facts. Goes out: which stands first. The order is
// the provider's, never that of arrival, so that every permutation of a set sorts the same way.

import type { OrderKey } from '../../schemas/facts.js';

/** What a place in an order needs: the key, and an identity that decides between equal keys. */
export interface Ordered {
  readonly factId: string;
  readonly order: OrderKey;
}

/** Code-unit order, the same on every machine and in every locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** By phase, time, provider sequence: the order of `OrderKey`. */
export function compareOrder(a: OrderKey, b: OrderKey): number {
  return a.phase - b.phase || a.atUs - b.atUs || a.seq - b.seq;
}

/**
 * The order of the facts of one leg. The phase comes first: a fresh Twilio sequence number 0 may be
 * the end of a call (number-level StatusCallback), and an unsigned time is only our receipt.
 */
export function compareInLeg(a: Ordered, b: Ordered): number {
  return compareOrder(a.order, b.order) || compareText(a.factId, b.factId);
}

/** The order of facts of different legs: their phases say nothing about each other, time does. */
export function compareAcrossLegs(a: Ordered, b: Ordered): number {
  return (
    a.order.atUs - b.order.atUs || a.order.seq - b.order.seq || compareText(a.factId, b.factId)
  );
}

/** What tells two copies of one fact apart. */
interface Copy {
  readonly receivedAt: number;
  readonly order: OrderKey;
}

/**
 * Which of two copies of one fact is kept: the one received first. Identity is made of a few signed
 * fields, so copies of one millisecond may still say different things (a callback that is configured
 * twice): then the content decides, never which of them stands first in the log.
 */
export function isEarlierCopy<T extends Copy>(a: T, b: T): boolean {
  const byKey = a.receivedAt - b.receivedAt || compareOrder(a.order, b.order);
  return (byKey || compareText(canonical(a), canonical(b))) < 0;
}

/** The same text for equal content, however its fields are ordered. */
const canonical = (content: unknown): string =>
  JSON.stringify(content, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => compareText(x, y)))
      : value,
  );
