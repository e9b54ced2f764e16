// Station processors: what an ownership starts from (design 3.3, takeover). Comes in: the tail of valid
// events that restore read. Goes out: the overlay and its floor; or that the attempt must begin again.

import type { Codec } from '../log/event-codec.js';
import type { Restored } from '../log/owner.js';
import {
  nameOf,
  type AggregateRef,
  type AggregateState,
  type Evolver,
} from '../schemas/aggregates.js';
import type { EventEnvelope } from '../schemas/events.js';
import { offset as offsetOf, type Offset } from '../schemas/ids.js';
import { evolver } from './evolver.js';
import type { ReadStates, Snapshot } from './lookup.js';
import { isQueue, Overlay } from './overlay.js';

/** The overlay of a new ownership, and the mark its rows were read with. */
export interface TakenOver {
  readonly overlay: Overlay;
  readonly floor: Offset;
  /** Of the table those rows came from. */
  readonly rebuilds: number;
}

interface TailEvent {
  readonly offset: Offset;
  readonly event: EventEnvelope;
  readonly refs: readonly AggregateRef[];
}

/**
 * Reads the rows of every aggregate in the tail with their mark m1, and folds the events at offsets
 * ≥ m1 on them, earlier ones not: those rows have them already. m1 before the start of the tail: the
 * store has lost commits since the mark was read, and the events between are not in the tail. `read` brings
 * the queues of the partition too, asked for or not.
 */
export async function takeOver(
  { partition, mark, tail }: Restored,
  codec: Codec,
  read: ReadStates,
  rules: Evolver = evolver,
): Promise<TakenOver | 'again'> {
  await codec.learn(tail.map(({ value }) => value));
  const events = tail.map(({ offset, value }): TailEvent => {
    const event = codec.decodeEvent(value);
    return { offset, event, refs: rules.touched(event) };
  });
  const touched = new Map<string, AggregateRef>();
  for (const ref of events.flatMap(({ refs }) => refs)) touched.set(nameOf(ref), ref);
  const snapshot = await read(partition, [...touched.values()]);
  if (snapshot.mark < mark.next) return 'again';
  const { mark: floor, rebuilds } = snapshot;
  return { overlay: foldTail(rules, events, snapshot), floor, rebuilds };
}

const beforeAll = offsetOf(-1);

function foldTail(rules: Evolver, events: readonly TailEvent[], { mark, rows }: Snapshot): Overlay {
  const states = new Map<string, { state: AggregateState; last: Offset }>();
  for (const { offset, event, refs } of events) {
    if (offset < mark) continue;
    for (const ref of refs) {
      const name = nameOf(ref);
      const before = states.get(name)?.state ?? rows.get(name) ?? null;
      states.set(name, { state: rules.evolve(ref, before, event), last: offset });
    }
  }
  const overlay = new Overlay();
  // All queues of the partition come with the rows: those that the tail does not touch too.
  for (const [name, state] of rows) {
    if (isQueue(name) && !states.has(name)) overlay.restore(name, state, beforeAll);
  }
  for (const [name, { state, last }] of states) overlay.restore(name, state, last);
  overlay.restored();
  return overlay;
}
