// Station processors, pure. Comes in: two timelines of a call. Goes out: what changed between them.

import type { TimelineChange, TimelineEntry } from '../../schemas/call-state.js';

/** No line changes. */
export const noChange: TimelineChange = { upsert: [], remove: [] };

/** The lines to set and to take away, so that `before` becomes `after`. */
export function changeBetween(
  before: readonly TimelineEntry[],
  after: readonly TimelineEntry[],
): TimelineChange {
  if (before.length === 0) return { upsert: after, remove: [] };
  const left = new Map(before.map((entry) => [entry.entryId, entry]));
  const upsert: TimelineEntry[] = [];
  for (const entry of after) {
    const known = left.get(entry.entryId);
    left.delete(entry.entryId);
    if (known === undefined || !isSameEntry(known, entry)) upsert.push(entry);
  }
  return { upsert, remove: [...left.keys()] };
}

function isSameEntry(a: TimelineEntry, b: TimelineEntry): boolean {
  return (
    a.status === b.status &&
    a.late === b.late &&
    a.refused === b.refused &&
    a.reason === b.reason &&
    a.legRef === b.legRef &&
    a.receivedAt === b.receivedAt &&
    a.occurredAt === b.occurredAt &&
    a.order.phase === b.order.phase &&
    a.order.atUs === b.order.atUs &&
    a.order.seq === b.order.seq &&
    a.type === b.type &&
    a.providerCode === b.providerCode &&
    (a.details === b.details || JSON.stringify(a.details) === JSON.stringify(b.details))
  );
}
