// Station processors: one owner per assigned partition. Comes in: what the station needs, and the group's
// assignments. Goes out: events, until the signal aborts.

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { HotTier } from '../log/hot-tier.js';
import { toError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Database } from '../runtime/postgres.js';
import type { TimerRules } from './call/timers.js';
import { noteStopped, watchStops } from '../runtime/stopped.js';
import type { Coverage } from '../schemas/events.js';
import { ProcessorMetrics } from './metrics.js';
import { processPartition, type PipelineParts } from './pipeline.js';
import { Progress } from './progress.js';
import { RetentionWatch, type RetentionReport } from './retention.js';

export interface ProcessorsDeps {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
  /** Looked up before PostgreSQL; absent without Redis. */
  readonly hotTier?: HotTier | null;
  readonly keyRing: KeyRing;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long the timers of calls run. Default: those of schemas/timers. */
  readonly timers?: TimerRules;
  /** Most inputs of one micro-batch. Default 256. */
  readonly maxInputs?: number;
  /** Most states of one partition that may wait for the store. Default 20,000, some 100 MB at worst. */
  readonly maxOverlay?: number;
  /** The rules; a test puts others in their place to have a fact fail and be mended. */
  readonly decideFacts?: NonNullable<PipelineParts['decideFacts']>;
  /** How long deliveries are kept; given, the station warns when undecided ones near it. */
  readonly rawRetentionMs?: number;
  readonly onRetention?: (report: RetentionReport) => void;
  /** Told when the process begins to own a partition and when it no longer does. */
  readonly onAssignment?: (partitions: readonly number[]) => void;
  /** Asked by health; made here when absent. */
  readonly progress?: Progress;
  /** Told when a partition met a loss and stands still for good: health must say so. */
  readonly onStopped?: (partition: number) => void;
}

/** The work on one partition; a later assignment of it waits for the earlier one to end. */
interface Assigned {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/**
 * Joins the group and owns what it is assigned until the signal aborts; resolves once every ownership
 * has ended. A partition that met a loss stands still, told by log and metric; the others go on.
 */
export async function runProcessors(deps: ProcessorsDeps, signal: AbortSignal): Promise<void> {
  const { log, logger, onStopped, maxInputs = 256, maxOverlay = 20_000, onAssignment } = deps;
  const { progress = new Progress() } = deps;
  const metrics = new ProcessorMetrics(deps.metrics);
  watchStops(deps.metrics, 'processors');
  metrics.watchStalls(() => progress.stalls().length);
  const watch = new RetentionWatch(deps, metrics);
  const parts = {
    ...deps,
    ...{ metrics, progress, maxInputs, maxOverlay, hotTier: deps.hotTier ?? null },
    alert: deps.metrics,
    onCovered: (partition: number, covered: Coverage) => {
      watch.covered(partition, covered);
    },
  };
  const work = new Map<number, Assigned>();
  const ended = new Map<number, Promise<void>>();
  const tell = (): void => {
    metrics.owned.set(work.size);
    onAssignment?.([...work.keys()]);
  };

  const listener = {
    assigned(partition: number): void {
      if (work.has(partition) || signal.aborted) return;
      const controller = new AbortController();
      progress.assigned(partition);
      const before = ended.get(partition) ?? Promise.resolve();
      const done = before
        .then(() => processUntilLoss(parts, partition, controller.signal))
        .then((end) => {
          if (end === 'loss') onStopped?.(partition);
        });
      work.set(partition, { controller, done });
      logger.info({ code: 'partition_assigned', partition }, 'a partition was assigned');
      tell();
    },
    revoked(partition: number): void {
      const assigned = work.get(partition);
      if (assigned === undefined) return;
      work.delete(partition);
      ended.set(partition, assigned.done);
      assigned.controller.abort();
      metrics.forget(partition);
      progress.revoked(partition);
      logger.info({ code: 'partition_revoked', partition }, 'a partition was revoked');
      tell();
    },
  };

  // At once, not when the group has been left: whoever comes next need not depose anybody.
  const stop = (): void => {
    for (const partition of [...work.keys()]) listener.revoked(partition);
  };
  signal.addEventListener('abort', stop, { once: true });
  const watching = new AbortController();
  const watched = watch.run(AbortSignal.any([signal, watching.signal]));
  try {
    await log.joinProcessors(listener, signal);
  } finally {
    watching.abort();
    await watched;
    signal.removeEventListener('abort', stop);
    stop();
    await Promise.all(ended.values());
  }
}

async function processUntilLoss(
  parts: PipelineParts & { readonly alert: Metrics },
  partition: number,
  signal: AbortSignal,
): Promise<'aborted' | 'loss'> {
  try {
    await processPartition(parts, partition, signal);
    return 'aborted';
  } catch (thrown) {
    parts.metrics.stopped.inc();
    noteStopped(parts.alert, 'processors', toError(thrown));
    const error = toError(thrown).message;
    parts.logger.error({ code: 'partition_stopped', partition, error }, 'a partition stopped');
    return 'loss';
  }
}
