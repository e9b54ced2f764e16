// Restoring (design 3.2, rule 2): the mark, then `events[p]` up to and including the own marker.
// Comes in: a marker of ours. Goes out: the reader and the state the ownership starts from.

import { offset } from '../schemas/ids.js';
import type { Restored } from './decider.js';
import { OwnershipEnd } from './ownership-end.js';
import { PartitionReader, type ValidEvent } from './sequence.js';
import { openReader, readUntil, type Attempt, type Taken } from './take.js';

export interface Restoration {
  readonly restored: Restored;
  /** Stands after the own marker; the owner checks its acks with it. */
  readonly reader: PartitionReader;
}

/**
 * Reads the state that valid records leave up to the own marker at its acked offset. Ends the
 * attempt if the owner there is another: that one's records count from there on, not ours.
 */
export async function restore(attempt: Attempt, taken: Taken): Promise<Restoration> {
  const { partition, clauses } = attempt;
  const reader = await openReader(attempt);
  const mark = reader.mark();
  const tail: ValidEvent[] = [];
  await readUntil(attempt, reader, taken.readUntil, (verdict) => {
    if (verdict.kind === 'event') tail.push(verdict.event);
    const isOwnMarker = verdict.kind === 'marker' && verdict.owner === taken.owner;
    return isOwnMarker && !clauses.restoreToAckedMarker ? 'stop' : undefined;
  });
  const isTrusted = !clauses.markerAwaited || !clauses.restoreToMarker;
  if (isTrusted) return trusting({ partition, mark, tail, after: reader.mark() }, taken, attempt);
  if (reader.owner !== taken.owner) {
    throw new OwnershipEnd('refused', `at its marker, events[${partition}] belongs to another`);
  }
  return { restored: { partition, mark, tail, after: reader.mark() }, reader };
}

/** Only without a clause: the state read so far is taken for the state at the own marker. */
function trusting(read: Restored, taken: Taken, { clauses }: Attempt): Restoration {
  const { owner, term, epoch, marker } = taken;
  const next = offset(Math.max(read.after.next, marker + 1));
  const after = { ...read.after, owner, term, epoch, next };
  const reader = new PartitionReader(after, `events[${read.partition}]`, clauses);
  return { restored: { ...read, after }, reader };
}
