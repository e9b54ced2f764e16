// Ingest, the station: routes for webhooks, appends to the log, the spool and its drainers. Comes in:
// what it depends on. Goes out: nothing but records of `deliveries`, until the signal aborts.

import { join } from 'node:path';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { Clock } from '../runtime/clock.js';
import { makeDataDir } from '../runtime/data-dir.js';
import type { HttpServer } from '../runtime/http.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Registry } from '../runtime/registry.js';
import { Answers } from './acknowledge.js';
import { Appends } from './append.js';
import { keepDayKeys } from './day-keys.js';
import { Limits, type Rates } from './limit.js';
import { IngestMetrics } from './metrics.js';
import { createPipeline } from './pipeline.js';
import { Spool } from './spool.js';

/** Settings of the station; each comes from one variable of runtime/config. */
export interface IngestSettings {
  /** TRUNKLINE_DATA; the spool is `<data>/spool`. */
  readonly dataDirectory: string;
  /** TRUNKLINE_SPOOL_BYTES. */
  readonly spoolBytes: number;
  /** TRUNKLINE_APPEND_TIMEOUT. */
  readonly appendTimeoutMs: number;
  /** TRUNKLINE_ENDPOINT_RATE and TRUNKLINE_ADDRESS_RATE. */
  readonly rates: Rates;
  /** TRUNKLINE_DRAIN. */
  readonly drainMs: number;
}

export interface IngestDeps {
  readonly httpServer: HttpServer;
  readonly registry: Registry;
  readonly keyRing: KeyRing;
  readonly log: EventLog;
  readonly codec: Codec;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Pinned by TRUNKLINE_TEST_NOW, else the system's. */
  readonly clock: Clock;
  readonly settings: IngestSettings;
  /** Called once the routes are there and the spool is open. */
  readonly onReady?: () => void;
}

const pattern = '/v1/webhooks/:endpointId';
const maxBodyBytes = 1024 * 1024;

/**
 * Takes deliveries until the signal aborts; then refuses new ones, answers those on their way and
 * resolves. What the log did not take by then is on disk. Rejects with `data_dir_in_use` when
 * another process has the spool.
 */
export async function runIngest(deps: IngestDeps, signal: AbortSignal): Promise<void> {
  const { httpServer, log, metrics, settings } = deps;
  const logger = deps.logger.child({ station: 'ingest' });
  const counts = new IngestMetrics(metrics);
  const spool = await Spool.open({
    directory: join(await makeDataDir(settings.dataDirectory), 'spool'),
    maxBytes: settings.spoolBytes,
    logger,
    onFault: () => counts.spoolFault(),
  });
  counts.watchSpool(spool);
  const { appendTimeoutMs: timeoutMs } = settings;
  const appends = new Appends({ log, spool, timeoutMs, metrics: counts, logger });
  const keeping = keepDayKeys({ ...deps, logger }, signal);
  const limits = new Limits(settings.rates);
  const handler = createPipeline({
    ...deps,
    limits,
    answers: new Answers({ limits, metrics: counts, logger }),
    recorder: { ...deps, logger },
    appends,
    isStopping: () => signal.aborted,
  });
  httpServer.route({ method: 'POST', pattern, maxBody: maxBodyBytes }, handler);
  httpServer.route({ method: 'GET', pattern, maxBody: maxBodyBytes }, handler);
  deps.onReady?.();

  await aborted(signal);
  await appends.stop(settings.drainMs / 2);
  await spool.close();
  await keeping;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
