// The projections station: every partition of `events` becomes rows, exactly once. Comes in: the log.
// Goes out: read models with their marks; who leads which partition is settled by the fence alone.

import { setTimeout as pause } from 'node:timers/promises';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { HotTier } from '../log/hot-tier.js';
import type { Mark } from '../log/mark.js';
import type { Clock } from '../runtime/clock.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Database } from '../runtime/postgres.js';
import { noteStopped, watchStops } from '../runtime/stopped.js';
import type { Evolver } from '../schemas/aggregates.js';
import type { Seq, TenantId } from '../schemas/ids.js';
import { Announcer } from './announce.js';
import { describeError } from './describe-error.js';
import type { Committed, LaneEnd } from './lane.js';
import { createProjectionMetrics, type ProjectionMetrics } from './metrics.js';
import { projectPartitions } from './pipeline.js';
import { lowest, markIn, readMarks } from './positions.js';
import type { Projection } from './projection.js';
import { createProjections } from './registry.js';
import { Standby } from './standby.js';
import { ProjectionStatus } from './status.js';
import { wentBack } from './watch-marks.js';

export interface ProjectionDeps {
  readonly log: EventLog;
  readonly codec: Codec;
  /** A pool of at least three connections; its role owns the tables. */
  readonly database: Database;
  /** The fold that the processors use; its version is that of `aggregate_state`. */
  readonly evolver: Evolver;
  /** Told what aggregate_state has committed; absent without Redis. */
  readonly hotTier?: HotTier | null;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For how long; it must not jump. */
  readonly clock: Clock;
  /** Asked by `/health`; made here when absent. */
  readonly status?: ProjectionStatus;
  /** In process, right after the commit; `mark` is what every read model of the partition has reached. */
  readonly onCommitted?: (
    partition: number,
    mark: Mark,
    lastSeqs: ReadonlyMap<TenantId, Seq>,
  ) => void;
  /** Most events of one transaction. */
  readonly maxEvents?: number;
  /** A partition with lag whose mark another projector has not moved for this long is taken over. */
  readonly takeOverMs?: number;
  /** How often the stored marks are looked at, beside the commits. Default 5,000. */
  readonly lookBackMs?: number;
}

const backOffMs = { first: 100, most: 5_000 } as const;
const sampleMs = 5_000;

/**
 * Projects all partitions until the signal aborts; resolves when the commits under way are done. Any
 * number of processes may run: for each partition one is ahead, the others wait as standbys. Nothing
 * that happens to one partition ends the others, and nothing but the signal ends the station.
 */
export async function runProjections(deps: ProjectionDeps, signal: AbortSignal): Promise<void> {
  const station = openStation(deps);
  const sampling = sampleUntil(station, signal);
  try {
    for (let failures = 0; !signal.aborted;) {
      const before = station.commits;
      const troubled = await runTerm(station, signal);
      failures = troubled && station.commits === before ? failures + 1 : 0;
      if (troubled) await backOff(failures, signal);
    }
  } finally {
    await sampling;
    await station.announcer.close();
  }
}

/** What lasts for the run of the station; a term is the time in which nothing changes hands. */
interface Station {
  readonly deps: ProjectionDeps;
  readonly projections: readonly Projection[];
  readonly metrics: ProjectionMetrics;
  readonly status: ProjectionStatus;
  readonly announcer: Announcer;
  readonly standby: Standby;
  readonly stopped: Set<number>;
  commits: number;
}

function openStation(deps: ProjectionDeps): Station {
  const projections = createProjections(deps.evolver, deps.hotTier);
  const status = deps.status ?? new ProjectionStatus(deps.clock);
  status.begin(deps.log.partitions);
  watchStops(deps.metrics, 'projections');
  return {
    deps,
    projections,
    metrics: createProjectionMetrics(deps.metrics),
    status,
    announcer: new Announcer(deps.database, deps.logger),
    standby: new Standby(deps.takeOverMs ?? 3_000, deps.clock),
    stopped: new Set(),
    commits: 0,
  };
}

/** Leads what this process leads until that changes. True when it ended in trouble: wait before the next. */
async function runTerm(station: Station, signal: AbortSignal): Promise<boolean> {
  const term = new AbortController();
  const ended = AbortSignal.any([signal, term.signal]);
  let troubled = false;
  const trouble = (error: Error): void => {
    if (signal.aborted) return;
    troubled = true;
    const fields = { code: 'projections_retry', error: describeError(error) };
    station.deps.logger.warn(fields, 'trying again from the stored marks');
  };
  const onEnd = (partition: number, end: LaneEnd): void => {
    if (end.kind === 'closed') return;
    station.metrics.ends.inc({ reason: end.kind });
    if (end.kind === 'retry') trouble(end.error);
    if (end.kind === 'ahead') standBy(station, partition);
    if (end.kind === 'stopped') stop(station, partition, end.error);
    // The other partitions go on at once, in a new term without this one.
    term.abort();
  };
  const watching = Promise.all([
    watchStandby(station, ended, () => {
      term.abort();
    }),
    watchStore(station, ended, () => {
      term.abort();
    }),
  ]);
  try {
    await lead(station, ended, onEnd);
    // Leading nothing (any more): what is left of the term is the watch.
    await untilAborted(ended);
  } catch (thrown) {
    trouble(toError(thrown));
  }
  term.abort();
  await watching;
  return troubled;
}

async function lead(
  station: Station,
  signal: AbortSignal,
  onEnd: (partition: number, end: LaneEnd) => void,
): Promise<void> {
  const { deps, projections, standby, status, stopped } = station;
  const marks = await readMarks(deps.database, projections);
  const partitions: number[] = [];
  for (let partition = 0; partition < deps.log.partitions; partition += 1) {
    status.moved(partition, lowest(projections.map((p) => markIn(marks, p, partition))));
    if (stopped.has(partition) || standby.has(partition)) continue;
    status.state(partition, 'leading');
    partitions.push(partition);
  }
  await projectPartitions({
    ...{ log: deps.log, codec: deps.codec, database: deps.database, projections, partitions },
    ...{ marks, maxEvents: deps.maxEvents ?? 1_000, signal, onEnd },
    onCommitted: (committed) => {
      report(station, committed);
    },
    onHead: (partition, head) => {
      status.seen(partition, head);
    },
    onRetry: (error) => {
      const fields = { code: 'log_read_retry', error: describeError(error) };
      deps.logger.warn(fields, 'the log is read again');
    },
    onLoss: (partition, error) => {
      station.metrics.ends.inc({ reason: 'stopped' });
      stop(station, partition, error);
    },
  });
}

function report(station: Station, { partition, mark, lastSeqs, events, seconds }: Committed): void {
  const { deps, metrics, status, announcer } = station;
  station.commits += 1;
  metrics.commits.inc();
  metrics.events.inc(events);
  metrics.commitSeconds.observe(seconds);
  metrics.batchEvents.observe(events);
  status.moved(partition, mark);
  if (events > 0) announcer.moved(partition);
  deps.onCommitted?.(partition, mark, lastSeqs);
}

function standBy({ deps, standby, status }: Station, partition: number): void {
  standby.add(partition);
  status.state(partition, 'standby');
  deps.logger.info({ code: 'projections_standby', partition }, 'another projector is ahead');
}

/** Loud and for good: the read models of this partition no longer move until somebody looks. */
function stop({ deps, stopped, status }: Station, partition: number, error: Error): void {
  noteStopped(deps.metrics, 'projections', error);
  const why = describeError(error);
  stopped.add(partition);
  status.state(partition, 'stopped', why);
  deps.logger.error(
    { code: 'projections_stopped', partition, error: why },
    'the partition stopped; start again once the cause is gone',
  );
}

/** Calls `takeOver` once a standby partition has lag and its leader stands still. Never throws. */
async function watchStandby(
  station: Station,
  signal: AbortSignal,
  takeOver: () => void,
): Promise<void> {
  const { deps, projections, standby, status } = station;
  for (;;) {
    await sleep(Math.ceil(standby.takeOverMs / 3), signal);
    if (signal.aborted) return;
    if (standby.partitions().length === 0) continue;
    try {
      const marks = await readMarks(deps.database, projections);
      for (const partition of standby.partitions()) {
        const mark = lowest(projections.map((p) => markIn(marks, p, partition)));
        const head = (await deps.log.bounds('events', partition)).next;
        status.moved(partition, mark);
        status.seen(partition, head);
        if (!standby.observe(partition, mark.next, head)) continue;
        deps.logger.info({ code: 'projections_take_over', partition }, 'taking over');
        takeOver();
      }
    } catch (thrown) {
      const fields = { code: 'projections_watch_failed', error: describeError(toError(thrown)) };
      deps.logger.warn(fields, 'cannot watch the other projector now');
    }
  }
}

/** Calls `beginAgain` once the database has lost commits of this process. Never throws. */
async function watchStore(
  { deps, projections, status }: Station,
  signal: AbortSignal,
  beginAgain: () => void,
): Promise<void> {
  const everyMs = deps.lookBackMs ?? sampleMs;
  for (;;) {
    await sleep(everyMs, signal);
    if (signal.aborted) return;
    try {
      const partitions = await wentBack(deps.database, projections, status);
      if (partitions.length === 0) continue;
      deps.logger.warn(
        { code: 'projections_store_went_back', partitions },
        'the database has lost commits: they are made again from the log',
      );
      beginAgain();
    } catch (thrown) {
      const fields = { code: 'projections_watch_failed', error: describeError(toError(thrown)) };
      deps.logger.debug(fields, 'cannot look at the marks now');
    }
  }
}

async function sampleUntil(station: Station, signal: AbortSignal): Promise<void> {
  const { deps, metrics, status } = station;
  while (!signal.aborted) {
    try {
      await status.sample(deps.log, metrics);
    } catch (thrown) {
      const fields = { code: 'projections_sample_failed', error: describeError(toError(thrown)) };
      deps.logger.debug(fields, 'the heads of the log are not known now');
    }
    await sleep(sampleMs, signal);
  }
}

/** With full jitter, so that projectors that lost the same database do not come back as one. */
async function backOff(failures: number, signal: AbortSignal): Promise<void> {
  const most = Math.min(backOffMs.most, backOffMs.first * 2 ** failures);
  await sleep(backOffMs.first + Math.random() * most, signal);
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  // An abort is the other way to wake up, not a failure.
  await pause(ms, undefined, { signal }).catch(() => undefined);
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}
