// Makes a batch ready for its transaction: decode, cut where marks of the group differ, reduce, make
// the parameters. Pure apart from giving way to other work; runs while the batch before is committed.

import type { ValidBatch, ValidEvent } from '../log/consume.js';
import type { Codec } from '../log/event-codec.js';
import type { Mark } from '../log/mark.js';
import { TrunklineError, toError } from '../runtime/errors.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { PreparedCommit } from './commit.js';
import { eventsPerTurn, giveWay } from './give-way.js';
import type { Fold, Projection } from './projection.js';
import { statementsOf, type Statement, type TableChange } from './table.js';

/** A projection in a lane: where it stands once everything prepared so far is committed. */
export interface Member {
  readonly projection: Projection;
  /** Null for pure projections. */
  readonly fold: Fold | null;
  mark: Mark;
}

/** Events between two marks, with the projections that stand at the first. */
interface Segment {
  readonly before: Mark;
  readonly after: Mark;
  readonly events: readonly ValidEvent[];
  readonly members: readonly Member[];
}

/**
 * Prepares the commits of a batch, in order, and moves the members' marks on paper. Usually one:
 * all projections stand at the batch's begin. After a new version or a rebuild some stand further;
 * then the batch is cut at their marks.
 */
export async function prepareBatch(
  codec: Codec,
  members: readonly Member[],
  batch: ValidBatch,
): Promise<PreparedCommit[]> {
  const prepared: PreparedCommit[] = [];
  // A schema that a newer process registered is fetched here, before the synchronous decoding.
  await codec.learn(batch.events.map(({ value }) => value));
  for (const segment of segmentsOf(members, batch)) {
    const events = await decodeAll(codec, segment.events);
    prepared.push({
      keys: segment.members.map(({ projection: { name, version } }) => ({
        projection: name,
        version,
        partition: batch.partition,
      })),
      before: segment.before,
      after: segment.after,
      events,
      statements: await reduceAll(segment.members, events),
      folds: segment.members.flatMap(({ fold }) => (fold === null ? [] : [fold])),
    });
    for (const member of segment.members) member.mark = segment.after;
  }
  return prepared;
}

/** A mark is a function of the log below it, so another projection's mark can be stopped at. */
function segmentsOf(members: readonly Member[], batch: ValidBatch): Segment[] {
  const inside = members
    .map(({ mark }) => mark)
    .filter(({ next }) => next > batch.before.next && next < batch.mark.next)
    .sort((a, b) => a.next - b.next);
  const stops = [...new Map(inside.map((mark) => [mark.next, mark])).values(), batch.mark];
  const segments: Segment[] = [];
  const at = new Map(members.map((member) => [member, member.mark.next]));
  let before = batch.before;
  for (const after of stops) {
    const present = members.filter((member) => at.get(member) === before.next);
    for (const member of present) at.set(member, after.next);
    const from = before.next;
    const events = batch.events.filter(({ offset }) => offset >= from && offset < after.next);
    if (present.length > 0) segments.push({ before, after, events, members: present });
    before = after;
  }
  return segments;
}

/** Decodes events; one that cannot be decoded is a `projection_stopped`, never skipped. */
export async function decodeAll(
  codec: Codec,
  events: readonly ValidEvent[],
): Promise<EventEnvelope[]> {
  const decoded: EventEnvelope[] = [];
  for (const event of events) {
    if (decoded.length % eventsPerTurn === eventsPerTurn - 1) await giveWay();
    try {
      decoded.push(codec.decodeEvent(event.value));
    } catch (thrown) {
      throw new TrunklineError(
        'projection_stopped',
        `the event at offset ${event.offset} (sequence ${event.seq}) cannot be decoded`,
        { cause: toError(thrown) },
      );
    }
  }
  return decoded;
}

async function reduceAll(
  members: readonly Member[],
  events: readonly EventEnvelope[],
): Promise<Statement[]> {
  if (events.length === 0) return [];
  const changes: TableChange[] = [];
  for (const { projection } of members) {
    if ('reduce' in projection) changes.push(...projection.reduce(events));
    if (events.length >= eventsPerTurn) await giveWay();
  }
  return statementsOf(changes);
}
