// One owner per partition (design 3.2): take, restore, work, and again from the start whenever the
// ownership ends. Comes in: inputs of both lanes of partition p, and a decider. Goes out: records of
// `events[p]`, nothing else (rule 10).

import { randomUUID } from 'node:crypto';
import { toError } from '../runtime/errors.js';
import { linkedController, Opened, orAborted } from './abort.js';
import { everyClause, type Clauses } from './clauses.js';
import type { Fetcher } from './event-log.js';
import type { Lane } from './lanes.js';
import type { OwnerOptions } from './owner-options.js';
import { Ownership } from './ownership.js';
import { endReasonOf, OwnershipEnd } from './ownership-end.js';
import { pause } from './pause.js';
import { restore } from './restore.js';
import { takePartition, type Attempt, type Taken } from './take.js';

export type { Decider, EncodeEvent, PlacedDraft, Restored } from './decider.js';
export type { Lane, SourceRecord } from './lanes.js';
export type { OwnerObserver, OwnerOptions } from './owner-options.js';
export type { EndReason } from './ownership-end.js';

/** Back-off before the next attempt: random up to a bound that doubles with each quick end. */
const backOffMs = { first: 100, most: 5_000 } as const;
/** An ownership that lasted this long was no fight over the partition. */
const settledMs = 30_000;
const defaultMaxTail = 50_000;

/**
 * Owns the partition until the signal aborts: takes it, works, and takes it again after a random
 * back-off whenever the ownership ends. Rejects only on a loss (`log_loss`, `log_position`,
 * `record_invalid`): the partition then stands still, loudly, because going on would skip something.
 */
export async function ownPartition(options: OwnerOptions): Promise<void> {
  const { partition, signal, logger, observe } = options;
  const { random = Math.random, sleep = pause, now = () => performance.now() } = options;
  const isStopped = (): boolean => signal.aborted;
  let quickEnds = 0;
  while (!isStopped()) {
    const startedMs = now();
    const error = await ownOnce(options);
    const reason = isStopped() ? 'stopped' : endReasonOf(error);
    observe?.ended?.({ partition, reason });
    const line = { code: 'ownership_ended', partition, reason, err: error };
    if (reason === 'stopped') return;
    if (reason === 'loss') {
      logger?.error(line, 'the partition stops: records are missing or unreadable');
      throw error;
    }
    if (reason === 'error') logger?.error(line, 'the ownership failed');
    else logger?.warn(line, 'the ownership ended');
    quickEnds = now() - startedMs >= settledMs ? 0 : quickEnds + 1;
    const bound = Math.min(backOffMs.first * 2 ** quickEnds, backOffMs.most);
    await sleep(random() * bound, signal);
  }
}

/** One attempt with an id and a producer of its own. Resolves with what ended it. */
async function ownOnce(options: OwnerOptions): Promise<Error> {
  const { log, partition, readMark, newId = randomUUID, clauses = everyClause } = options;
  const { maxTail = defaultMaxTail } = options;
  const { controller, unlink } = linkedController(options.signal);
  const { signal } = controller;
  const opened = new Opened();
  try {
    const appender = await opened.add(log.openAppender(), signal);
    const events = await opened.add(log.openFetcher(), signal);
    const realtime = await opened.add(log.openFetcher(), signal);
    const bulk = await opened.add(log.openFetcher(), signal);
    const parts = { log, partition, appender, events, readMark };
    const attempt = { ...parts, newId, maxTail, clauses, signal };
    return await hold(options, attempt, { realtime, bulk });
  } catch (thrown) {
    return toError(thrown);
  } finally {
    unlink();
    controller.abort(new OwnershipEnd('stopped', 'the ownership is over'));
    await opened.close();
  }
}

async function hold(
  options: OwnerOptions,
  attempt: Attempt,
  sources: Readonly<Record<Lane, Fetcher>>,
): Promise<Error> {
  const { partition, observe } = options;
  let taken = await takePartition(attempt);
  for (;;) {
    const restoration = await restore(attempt, taken);
    const { restored } = restoration;
    const decider = await orAborted(options.begin(restored, attempt.signal), attempt.signal);
    if (decider === 'again') return new OwnershipEnd('begin_again', 'the store asks for it');
    observe?.taken?.({ partition, term: taken.term, tail: restored.tail.length });
    observe?.covered?.({ partition, covered: restored.after.covered });
    const ownership = new Ownership({ options, attempt, restoration, decider });
    const error = await ownership.work(sources);
    const goesOn = await goOnUnderSameId(attempt, { error, taken, next: restoration.reader.next });
    if (goesOn === null) return error;
    taken = goesOn;
  }
}

/** Null, but for tests that take the clause `afterUnknown` away: then the id is used again. */
async function goOnUnderSameId(
  { log, partition, clauses }: { log: Attempt['log']; partition: number; clauses: Clauses },
  { error, taken, next }: { error: Error; taken: Taken; next: Taken['readUntil'] },
): Promise<Taken | null> {
  if (endReasonOf(error) !== 'unknown_append') return null;
  if (clauses.afterUnknown === 'decide_again') return { ...taken, readUntil: next };
  if (clauses.afterUnknown !== 'read_and_go_on') return null;
  const bounds = await log.bounds('events', partition);
  return { ...taken, readUntil: bounds.next };
}
