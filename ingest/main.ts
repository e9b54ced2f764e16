// Ingest, the station: routes for webhooks, appends to the log, the spool and its drainers. Comes in:
// what it depends on. Goes out: nothing but records of `deliveries`, until the signal aborts.

import { join } from 'node:path';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { LogState } from '../log/late.js';
import { pause } from '../log/pause.js';
import type { Clock } from '../runtime/clock.js';
import { makeDataDir } from '../runtime/data-dir.js';
import type { DiagnosisStore } from '../runtime/diagnosis-store.js';
import type { Health } from '../runtime/health.js';
import type { HttpServer } from '../runtime/http.js';
import type { KeyShelf } from '../runtime/key-shelf.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import { openRedis } from '../runtime/redis.js';
import type { Registry } from '../runtime/registry.js';
import { Answers } from './acknowledge.js';
import { Admission } from './admit.js';
import { Arrivals } from './arrivals.js';
import { Appends } from './append.js';
import { ClockWatch } from './clock-watch.js';
import { DayKeys } from './day-keys.js';
import { Diagnosis } from './diagnose.js';
import { DrainRate } from './drain-rate.js';
import { addIngestChecks } from './health.js';
import { identifyEndpoint } from './identify.js';
import { Limits } from './limit.js';
import type { Rates } from './limit-keys.js';
import { LimitMetrics, type SharingReport } from './limit-metrics.js';
import { SharedLimits } from './limit-shared.js';
import { IngestMetrics } from './metrics.js';
import { createPipeline } from './pipeline.js';
import { findProvider } from './providers/registry.js';
import { Spool, type SpoolOptions } from './spool.js';
import { Turns } from './turns.js';

/** Settings of the station; each comes from one variable of runtime/config. */
export interface IngestSettings {
  /** TRUNKLINE_DATA; the spool is `<data>/spool`. */
  readonly dataDirectory: string;
  /** TRUNKLINE_SPOOL_BYTES. */
  readonly spoolBytes: number;
  /** TRUNKLINE_APPEND_TIMEOUT. */
  readonly appendTimeoutMs: number;
  /** TRUNKLINE_SPOOL_DRAIN_RATE. */
  readonly spoolDrainRate: number;
  /** TRUNKLINE_ENDPOINT_RATE, _ADDRESS_RATE, _TENANT_RATE and _CREDENTIAL_RATE. */
  readonly rates: Rates;
  /** Null without REDIS_URL: this process counts its limits alone. */
  readonly sharing: Sharing | null;
  /** TRUNKLINE_INFLIGHT_BYTES. */
  readonly inFlightBytes: number;
  /** TRUNKLINE_DRAIN. */
  readonly drainMs: number;
  /** TRUNKLINE_PUBLIC_URL; null or absent where it is not set. */
  readonly installationUrl?: string | null;
}

/** Where limits are counted together with the other ingest nodes. */
export interface Sharing {
  /** REDIS_URL. */
  readonly redisUrl: string;
  /** First part of every key: the same on all nodes of an installation, and on no other's. */
  readonly prefix: string;
  /** Names client addresses in keys; the same on all nodes. */
  readonly addressKey: Buffer;
  /** How long a delivery waits for Redis; 50 when absent. */
  readonly deadlineMs?: number;
  readonly onReport?: (report: SharingReport) => void;
}

export interface IngestDeps {
  readonly httpServer: HttpServer;
  readonly registry: Registry;
  readonly keyRing: KeyRing;
  /** Under the key ring: the wrapped keys that are there without Postgres. */
  readonly shelf: Pick<KeyShelf, 'day' | 'forgetBefore'>;
  readonly log: EventLog;
  /** Of a log that may be away at the start. */
  readonly logState: () => LogState;
  readonly codec: Codec;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  /** Pinned by TRUNKLINE_TEST_NOW, else the system's. */
  readonly clock: Clock;
  /** What our clock is held against; null where there is no database to ask, or ours is pinned. */
  readonly databaseTime: (() => Promise<number>) | null;
  /** Where refusals and the use of credentials are kept; without it they are only counted and logged. */
  readonly diagnosisStore?: DiagnosisStore;
  readonly settings: IngestSettings;
  /** Called once the routes are there and the spool is open. */
  readonly onReady?: () => void;
}

const diskLookMs = 1_000;

/** A disk that is full at the start is waited for: nothing may be answered 2xx without a place to keep it. */
async function openSpool(
  logger: Logger,
  signal: AbortSignal,
  options: SpoolOptions,
): Promise<Spool> {
  for (let isTold = false; ; isTold = true) {
    try {
      return await Spool.open(options);
    } catch (thrown) {
      const isFull = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC';
      if (!isFull || signal.aborted) throw thrown;
      if (!isTold)
        logger.error({ code: 'spool_no_room' }, 'the disk is full: ingest waits for room');
      await pause(diskLookMs, signal);
    }
  }
}

const pattern = '/v1/webhooks/:endpointId';
const maxBodyBytes = 1024 * 1024;

/**
 * Takes deliveries until the signal aborts, and then those that still come on open connections; refuses
 * what is later, answers what is on its way and resolves. What the log did not take by then is on disk. Rejects with `data_dir_in_use` when
 * another process has the spool.
 */
export async function runIngest(deps: IngestDeps, signal: AbortSignal): Promise<void> {
  const { httpServer, log, metrics, registry, settings } = deps;
  const logger = deps.logger.child({ station: 'ingest' });
  const counts = new IngestMetrics(metrics);
  const spool = await openSpool(logger, signal, {
    directory: join(await makeDataDir(settings.dataDirectory), 'spool'),
    maxBytes: settings.spoolBytes,
    logger,
    onFault: () => counts.spoolFault(),
  });
  counts.watchSpool(spool);
  const { appendTimeoutMs: timeoutMs, spoolDrainRate } = settings;
  const clockWatch = new ClockWatch({ ...deps, logger });
  const appends = new Appends({
    onAck: ({ appendedAt }, tookMs) => clockWatch.noteAppended(appendedAt, tookMs),
    ...{ log, spool, timeoutMs, logger, metrics: counts, rate: new DrainRate(spoolDrainRate) },
    isLogAway: () => deps.logState().kind !== 'open',
  });
  const dayKeys = new DayKeys({ ...deps, logger });
  const removeChecks = addIngestChecks({ ...deps, dayKeys, spool });
  counts.watchRegistry(registry, dayKeys, deps.clock);
  // A start without Postgres has all it needs on its shelf, and takes it before the first delivery.
  if (!registry.freshness().isFresh) await dayKeys.prefetch();
  const keeping = Promise.all([dayKeys.keep(signal), clockWatch.run(signal)]);
  const { limits, sharing } = await openLimits({ ...deps, logger }, signal);
  const turns = new Turns();
  const door = new Admission({
    inFlightBytes: settings.inFlightBytes,
    waitedMs: () => turns.oldestMs,
    isLogBehind: () => appends.isBehind,
    logger,
  });
  counts.watchAdmission(door);
  counts.watchTurns(turns);
  const diagnosis = openDiagnosis({ ...deps, logger }, clockWatch);
  const handler = createPipeline({
    ...deps,
    limits,
    door,
    turns,
    answers: new Answers({ metrics: counts, logger, diagnosis }),
    recorder: { ...deps, logger, onBodyOmitted: (provider) => counts.bodyOmitted(provider) },
    appends,
    clockWatch,
    isStopping: () => arrivals.isOver,
  });
  const arrivals = new Arrivals();
  const route: typeof handler = (request) => {
    arrivals.note();
    return handler(request);
  };
  const largerBody = largerBodies(deps.registry);
  httpServer.route({ method: 'POST', pattern, maxBody: maxBodyBytes, largerBody }, route);
  httpServer.route({ method: 'GET', pattern, maxBody: maxBodyBytes }, route);
  deps.onReady?.();

  await aborted(signal);
  await arrivals.end(settings.drainMs / 4);
  // Twice that at most: for what waits, then for connections that hang.
  await appends.stop(settings.drainMs / 4);
  door.close();
  await spool.close();
  await keeping;
  await diagnosis.stop();
  await sharing;
  removeChecks();
}

function openDiagnosis(deps: IngestDeps, clockWatch: ClockWatch): Diagnosis {
  const { diagnosisStore: store = null, settings, clock } = deps;
  const { installationUrl = null } = settings;
  const suspectsOwnClock = (): boolean => clockWatch.suspectsOwnClock(clock()) !== null;
  return new Diagnosis({ ...deps, store, installationUrl, suspectsOwnClock });
}

/** The limits, and with Redis its watch, which ends with the signal. */
async function openLimits(
  { settings, metrics, logger }: Pick<IngestDeps, 'settings' | 'metrics' | 'logger'>,
  signal: AbortSignal,
): Promise<{ readonly limits: Limits; readonly sharing: Promise<void> }> {
  const { rates, sharing } = settings;
  const watch = new LimitMetrics(metrics, logger, sharing?.onReport);
  const onDecision = watch.decided.bind(watch);
  if (sharing === null) return { limits: new Limits({ rates, onDecision }), sharing: done };
  const { redisUrl, addressKey } = sharing;
  const shared = new SharedLimits({ ...sharing, redis: openRedis(redisUrl, logger), watch });
  watch.watchNodes(() => shared.nodes);
  const watching = shared.run(signal);
  // The first deliveries are counted together too; a Redis that is away holds nobody up for long.
  await shared.started;
  const limits = new Limits({ rates, onDecision, shared: { limits: shared, addressKey } });
  return { limits, sharing: watching };
}

const done: Promise<void> = Promise.resolve();

/** What an endpoint takes above the usual bound: what its provider's deliveries need, or nothing. */
const largerBodies =
  (registry: Registry) =>
  (params: readonly string[]): number => {
    const endpoint = identifyEndpoint({ params }, registry);
    const provider = endpoint === null ? null : findProvider(endpoint.provider);
    return provider?.maxBodyBytes ?? maxBodyBytes;
  };

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
