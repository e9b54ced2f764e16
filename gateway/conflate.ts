// Gateway: what a slow reader still needs. In: the events it has not got. Out: the last state of each
// call, message or record among them, in order of seq. Pure.

import type { RingEntry } from './ring.js';
import { concernOf, type Concern, type Filter, type Topic } from './topics.js';

/** One frame to send: the last entry of a thing, and how many earlier ones it stands for. */
export interface Conflated {
  readonly entry: RingEntry;
  readonly concern: Exclude<Concern, null>;
  readonly folded: number;
}

/**
 * The last state of each thing that concerns the subscription, by the seq of that state. A reader
 * that has applied these up to some seq may resume from it: whatever was folded below it is
 * superseded above it. Not folded: the events of one call's timeline, each of which adds lines, and
 * events that merge one call into another.
 */
export function conflate(
  topic: Topic,
  filter: Filter,
  entries: readonly RingEntry[],
): readonly Conflated[] {
  const last = new Map<string, Conflated>();
  for (const entry of entries) {
    const concern = concernOf(topic, filter, entry);
    // A call that has left stays where it left: told later, a reader that stops in between would miss it.
    if (concern === null) continue;
    const isOwn = topic.kind === 'call' || entry.key === null || entry.mergedFrom !== null;
    const key = isOwn ? `#${entry.seq}` : entry.key;
    const earlier = last.get(key);
    last.delete(key);
    last.set(key, { entry, concern, folded: earlier === undefined ? 0 : earlier.folded + 1 });
  }
  return [...last.values()];
}
