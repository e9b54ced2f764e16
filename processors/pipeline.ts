// Station processors, in the order in which a fact goes through it: take over, open, seal, look up,
// decide, append. Comes in: inputs of one partition. Goes out: events of that partition, nothing else.

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { HotTier } from '../log/hot-tier.js';
import { startMark } from '../log/mark.js';
import { readMark } from '../log/mark-store.js';
import { ownPartition, type Decider, type OwnerOptions, type Restored } from '../log/owner.js';
import { pause } from '../log/pause.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Coverage } from '../schemas/events.js';
import type { Database } from '../runtime/postgres.js';
import type { TimerRules } from './call/timers.js';
import { OverlayDecider, type DeciderParts } from './decider.js';
import { evolverVersion } from './evolver.js';
import { hotStates, type HotStates } from './hot-lookup.js';
import { postgresStates, postgresTakeover } from './lookup.js';
import type { ProcessorMetrics } from './metrics.js';
import { readSource } from './parking/source.js';
import type { Progress } from './progress.js';
import { States } from './state.js';
import { takeOver } from './takeover.js';

export interface PipelineParts {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
  /** Null without Redis. */
  readonly hotTier: HotTier | null;
  readonly keyRing: KeyRing;
  readonly logger: Logger;
  readonly metrics: ProcessorMetrics;
  /** How long the timers of calls run; the defaults where nothing is said. */
  readonly timers?: TimerRules;
  /** Most inputs of one micro-batch. */
  readonly maxInputs: number;
  readonly progress: Progress;
  /** Told what is covered, for the watch over the retention. */
  readonly onCovered?: (partition: number, covered: Coverage) => void;
  /** Most states kept while the store has not applied their events; then deciding waits for it. */
  readonly maxOverlay: number;
  /** A test puts others in their place. */
  readonly decideFacts?: NonNullable<DeciderParts['decideFacts']>;
}

/** How often a full overlay asks whether the store has caught up, in ms. */
const catchUpMs = 50;

/** Owns one partition until the signal aborts. Rejects only on a loss in the log. */
export async function processPartition(
  parts: PipelineParts,
  partition: number,
  signal: AbortSignal,
): Promise<void> {
  const { log, codec, database, maxInputs, logger } = parts;
  const key = { projection: 'aggregate_state', version: evolverVersion, partition };
  await ownPartition({
    log,
    partition,
    readMark: async () => (await readMark(database, key)) ?? startMark,
    begin: (restored, held) => begin(parts, restored, held),
    encode: (draft, numbered) => codec.encodeEvent({ ...draft, ...numbered, schemaVersion: 1 }),
    maxInputs,
    signal,
    logger,
    observe: observerOf(parts),
  });
}

async function begin(
  parts: PipelineParts,
  restored: Restored,
  /** Aborts when this ownership is over. */
  signal: AbortSignal,
): Promise<Decider | 'again'> {
  const { log, codec, keyRing, database, metrics, logger, maxOverlay, decideFacts, timers } = parts;
  const { partition } = restored;
  const taken = await takeOver(restored, codec, postgresTakeover(database, evolverVersion));
  if (taken === 'again') return 'again';
  const { overlay, floor, rebuilds } = taken;
  const states = new States({
    partition,
    read: postgresStates(database, evolverVersion),
    overlay,
    floor,
    rebuilds,
    hot: hotOf(parts, restored),
    onHot(info) {
      metrics.hot(info);
    },
    onLookup({ refs, seconds }) {
      metrics.lookups.observe(seconds);
      metrics.lookupRefs.inc(refs);
      metrics.overlay.set({ partition: String(partition) }, overlay.size);
    },
  });
  /** Nothing is dropped and nothing grows without bound: deciding waits until the store catches up. */
  const room = async (): Promise<void> => {
    while (overlay.size >= maxOverlay && !signal.aborted) {
      await states.catchUp();
      if (overlay.size < maxOverlay) return;
      metrics.waits.inc();
      await pause(catchUpMs, signal);
    }
  };
  return new OverlayDecider({
    ...{ codec, keyRing, states, overlay, metrics, logger, room },
    readSource: (topic, at) => readSource(log, { topic, partition, offset: at }, signal),
    maxBatchBytes: log.maxBatchBytes,
    ...(decideFacts === undefined ? {} : { decideFacts }),
    ...(timers === undefined ? {} : { timers }),
  });
}

/** The hot tier of this ownership's log; a takeover never reads it. */
function hotOf({ hotTier }: PipelineParts, { partition, after }: Restored): HotStates | null {
  if (hotTier === null || after.epoch === null) return null;
  return hotStates({ tier: hotTier, partition, version: evolverVersion, epoch: after.epoch });
}

function observerOf({
  metrics,
  progress,
  onCovered,
}: PipelineParts): NonNullable<OwnerOptions['observe']> {
  return {
    covered({ partition, covered }) {
      progress.covered(partition, covered);
      onCovered?.(partition, covered);
    },
    taken({ partition }) {
      progress.taken(partition);
      metrics.takes.inc();
    },
    ended({ partition, reason }) {
      progress.ended(partition, reason);
      metrics.ended(reason);
    },
    lag({ partition, lane, records }) {
      progress.lag(partition, lane, records);
      metrics.lag.set({ partition: String(partition), lane }, records);
    },
  };
}
