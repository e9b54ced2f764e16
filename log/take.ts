// Taking a partition (design 3.2, rule 1): a new owner id, a new producer, an ownership marker.
// Comes in: the partition. Goes out: a marker in the log, of which restore must still read what it
// is worth.

import { TrunklineError } from '../runtime/errors.js';
import { epoch, offset, ownerId, type Epoch, type Offset, type OwnerId } from '../schemas/ids.js';
import { orAborted } from './abort.js';
import type { Clauses } from './clauses.js';
import type { AppendAck, Appender, EventLog, Fetcher, LogRecord } from './event-log.js';
import type { Mark } from './mark.js';
import { OwnershipEnd } from './ownership-end.js';
import { formatHeader, noTenant } from './record-header.js';
import { PartitionReader, type Verdict } from './sequence.js';

/** What taking and restoring need. The fetcher is theirs alone while they run. */
export interface Attempt {
  readonly log: EventLog;
  readonly partition: number;
  readonly appender: Appender;
  readonly events: Fetcher;
  readonly readMark: (partition: number) => Promise<Mark>;
  readonly newId: () => string;
  /** Most records of `events[p]` after the mark; with more the store is waited for. */
  readonly maxTail: number;
  readonly clauses: Clauses;
  readonly signal: AbortSignal;
}

/** A marker of ours is in the log. Whether it counts is known once restore has read up to it. */
export interface Taken {
  readonly owner: OwnerId;
  readonly term: number;
  readonly epoch: Epoch;
  /** Where the marker stands. */
  readonly marker: Offset;
  /** Restore reads everything before this offset. */
  readonly readUntil: Offset;
}

/**
 * Appends an ownership marker with a term above every term read. Without an ack it rejects with
 * `append_unknown`: the attempt and its id are given up, because the marker may still land.
 */
export async function takePartition(attempt: Attempt): Promise<Taken> {
  const { log, partition, newId, clauses } = attempt;
  const owner = ownerId(newId());
  const reader = await openReader(attempt);
  const { next: end } = await log.bounds('events', partition);
  if (end < reader.next) {
    const detail = `events[${partition}] ends at ${end}, before the mark at ${reader.next}`;
    throw new TrunklineError('log_loss', detail);
  }
  const behind = end - reader.next;
  if (behind > attempt.maxTail) {
    // Before the marker: whoever owns the partition now may be able to go on.
    throw new OwnershipEnd(
      'begin_again',
      `the store is ${behind} records behind: it is waited for`,
    );
  }
  await readUntil(attempt, reader, end);
  const term = reader.term + 1;
  const logEpoch = reader.epoch ?? epoch(newId());
  const header = formatHeader({ kind: 'marker', owner, term, epoch: logEpoch });
  const sending = appendMarker(attempt, { key: noTenant, header, value: null });
  if (!clauses.markerAwaited) {
    sending.catch(() => undefined);
    return { owner, term, epoch: logEpoch, marker: end, readUntil: end };
  }
  const { baseOffset: marker } = await orAborted(sending, attempt.signal);
  const after = clauses.restoreToMarker ? offset(marker + 1) : end;
  return { owner, term, epoch: logEpoch, marker, readUntil: after };
}

/** A reader from the stored mark on, which it reads in one statement. */
export async function openReader(attempt: Attempt): Promise<PartitionReader> {
  const mark = await attempt.readMark(attempt.partition);
  return new PartitionReader(mark, `events[${attempt.partition}]`, attempt.clauses);
}

/**
 * Reads everything before `until`, which must be in the log or about to be. `seen` is told of each
 * record and may end the reading by returning `stop`.
 */
export async function readUntil(
  { partition, events, signal }: Pick<Attempt, 'partition' | 'events' | 'signal'>,
  reader: PartitionReader,
  until: Offset,
  seen?: (verdict: Verdict) => 'stop' | undefined,
): Promise<void> {
  const limits = { maxWaitMs: 500, maxBytesPerPartition: 4 << 20 };
  while (reader.next < until) {
    const position = { topic: 'events', partition, from: reader.next } as const;
    const [fetched] = await events.fetch([position], limits, signal);
    for (const record of fetched?.records ?? []) {
      if (record.offset >= until) break;
      const verdict = reader.read(record);
      if (seen?.(verdict) === 'stop') return;
    }
  }
}

async function appendMarker(attempt: Attempt, marker: LogRecord): Promise<AppendAck> {
  const { appender, partition, clauses } = attempt;
  for (;;) {
    try {
      return await appender.append('events', partition, [marker]);
    } catch (thrown) {
      const isUnknown = thrown instanceof TrunklineError && thrown.code === 'append_unknown';
      if (clauses.markerGivenUp || !isUnknown || attempt.signal.aborted) throw thrown;
    }
  }
}
