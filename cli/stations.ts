// Command line: the stations of one process, composed. In: an installation and the roles wanted. Out:
// tasks for the supervisor. The only place where stations meet.

import { createHmac } from 'node:crypto';

import { runGateway, type GatewayDeps } from '../gateway/main.js';
import type { SharingReport } from '../ingest/limit-metrics.js';
import { runIngest, type Sharing } from '../ingest/main.js';
import { providerNames, providerOf } from '../ingest/providers/registry.js';
import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { HotTier } from '../log/hot-tier.js';
import type { LogState } from '../log/late.js';
import type { TimerRules } from '../processors/call/timers.js';
import { evolver } from '../processors/evolver.js';
import { runProcessors } from '../processors/main.js';
import { Progress, type Stall } from '../processors/progress.js';
import type { RetentionReport } from '../processors/retention.js';
import { tellDeadLetters } from '../projections/dead-letter-topic.js';
import { DeadLetterWatch, type DeadLetterBounds } from '../projections/dead-letter-watch.js';
import { runProjections } from '../projections/main.js';
import { createProjections } from '../projections/registry.js';
import { ProjectionStatus } from '../projections/status.js';
import { pinnedClock, steadyClock, systemClock, type Clock } from '../runtime/clock.js';
import type { Config, Role } from '../runtime/config.js';
import { createDiagnosisStore } from '../runtime/diagnosis-store.js';
import type { Health } from '../runtime/health.js';
import type { HttpServer } from '../runtime/http.js';
import type { Task } from '../runtime/lifecycle.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Registry } from '../runtime/registry.js';
import { deriveKey } from '../runtime/seal.js';
import { databaseTime } from '../runtime/postgres.js';
import { silenceOf } from '../runtime/silence.js';
import { readyChecks } from '../runtime/system-answers.js';
import type { TokenVerifier } from '../runtime/tokens.js';
import { closing, openHotTier } from './hot-tier.js';
import type { Installation } from './installation.js';
import { schedulerTask, watchScheduler } from './scheduler-station.js';
import { version } from './version.js';

/** What every station of the process shares. */
export interface Shared {
  readonly installation: Installation;
  readonly log: EventLog;
  readonly logState: () => LogState;
  readonly codec: Codec;
  readonly registry: Registry;
  readonly httpServer: HttpServer;
  readonly tokens: TokenVerifier;
  readonly health: Health;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly demo: GatewayDeps['demo'];
}

/** The tasks of the roles; `onIngestReady` is called once webhooks can be taken. */
export function stationTasks(
  shared: Shared,
  roles: readonly Role[],
  onIngestReady: () => void,
): Readonly<Record<string, Task>> {
  const hotTier = openHotTier(shared, roles);
  const makers: Readonly<Record<Role, () => Task>> = {
    ingest: () => ingestTask(shared, onIngestReady),
    processors: () => processorsTask(shared, hotTier),
    projections: () => projectionsTask(shared, hotTier),
    gateway: () => gatewayTask(shared),
    scheduler: () => schedulerTask(shared),
  };
  watchScheduler(shared, roles);
  const tasks = Object.fromEntries(roles.map((role) => [role, makers[role]()]));
  return hotTier === null ? tasks : { ...tasks, hotTier: closing(hotTier) };
}

function ingestTask(shared: Shared, onReady: () => void): Task {
  const { installation, httpServer, registry, log, logState, codec, logger, metrics } = shared;
  const { config, keyRing, shelf } = installation;
  const { health } = shared;
  const settings = {
    dataDirectory: config.TRUNKLINE_DATA,
    spoolBytes: config.TRUNKLINE_SPOOL_BYTES,
    spoolDrainRate: config.TRUNKLINE_SPOOL_DRAIN_RATE,
    appendTimeoutMs: config.TRUNKLINE_APPEND_TIMEOUT,
    inFlightBytes: config.TRUNKLINE_INFLIGHT_BYTES,
    rates: {
      endpoint: config.TRUNKLINE_ENDPOINT_RATE,
      tenant: config.TRUNKLINE_TENANT_RATE,
      credential: config.TRUNKLINE_CREDENTIAL_RATE,
      address: config.TRUNKLINE_ADDRESS_RATE,
    },
    sharing: limitSharing(shared),
    drainMs: config.TRUNKLINE_DRAIN,
    installationUrl: config.TRUNKLINE_PUBLIC_URL ?? null,
  };
  const diagnosisStore = createDiagnosisStore(installation.database, keyRing);
  const parts = {
    httpServer,
    registry,
    keyRing,
    shelf,
    log,
    logState,
    codec,
    logger,
    metrics,
    health,
    diagnosisStore,
  };
  const clock = ingestClock(config);
  const askTime = config.TRUNKLINE_TEST_NOW === undefined ? timeOf(installation) : null;
  return (signal) =>
    runIngest({ ...parts, clock, databaseTime: askTime, settings, onReady }, signal);
}

/** Null without Redis. All keys follow from the master key, which all nodes of an installation have. */
function limitSharing({ installation, health }: Shared): Sharing | null {
  const { config, masterKey } = installation;
  const { REDIS_URL: redisUrl, TRUNKLINE_TOPIC_PREFIX: name } = config;
  if (redisUrl === undefined) return null;
  let report: SharingReport = { isTogether: false, detail: 'Redis is not reached yet' };
  health.add('redis', () => ({
    status: report.isTogether ? 'ok' : 'degraded',
    detail: report.detail,
  }));
  return {
    redisUrl,
    prefix: `${name}:${deriveKey(masterKey.key, 'limit-prefix').toString('hex').slice(0, 8)}`,
    addressKey: deriveKey(masterKey.key, 'limit-addresses'),
    onReport: (now) => void (report = now),
  };
}

const timeOf =
  ({ database }: Installation) =>
  (): Promise<number> =>
    databaseTime(database);

/** Pinned only by a test; a production environment refuses the variable. */
const ingestClock = (config: Config): Clock =>
  config.TRUNKLINE_TEST_NOW === undefined
    ? systemClock
    : pinnedClock(config.TRUNKLINE_TEST_NOW * 1000);

function processorsTask(shared: Shared, hotTier: HotTier | null): Task {
  const { installation, log, codec, logger, metrics, health } = shared;
  const { database, keyRing } = installation;
  let owned = 0;
  const stopped = new Set<number>();
  const progress = new Progress();
  let retention: RetentionReport = { level: 'fine', detail: '' };
  health.add('processors', () => {
    if (stopped.size > 0) {
      return { status: 'failed', detail: `stopped by a loss: ${[...stopped].join(', ')}` };
    }
    const [stall] = progress.stalls();
    if (stall !== undefined) return { status: 'failed', detail: stallDetail(stall) };
    const { level, detail } = retention;
    if (level !== 'fine') return { status: level === 'removed' ? 'failed' : 'degraded', detail };
    return { status: 'ok', detail: `${owned} partitions owned` };
  });
  const watch = {
    onAssignment: (partitions: readonly number[]): void => {
      owned = partitions.length;
    },
    onStopped: (partition: number): void => void stopped.add(partition),
    onRetention: (report: RetentionReport): void => void (retention = report),
    progress,
    rawRetentionMs: installation.config.TRUNKLINE_RAW_RETENTION,
  };
  const timers = timerRules(installation.config);
  const parts = { log, codec, database, hotTier, keyRing, logger, metrics, timers };
  return (signal) => runProcessors({ ...parts, ...watch }, signal);
}

const timerRules = (config: Config): TimerRules => ({
  boundsOf: silenceOf(config.TRUNKLINE_SILENCE),
  patienceMs: config.TRUNKLINE_PATIENCE,
  settleMs: config.TRUNKLINE_SETTLE,
});

/** Names the reason as the counter of ended ownerships does. */
const stallDetail = ({ partition, seconds, reason }: Stall): string =>
  `partition ${partition} got nowhere for ${seconds} s: ` +
  (reason === null ? 'owned, but nothing is decided' : `its ownership ended by ${reason}`);

function projectionsTask(shared: Shared, hotTier: HotTier | null): Task {
  const { installation, log, codec, logger, metrics, health } = shared;
  const status = new ProjectionStatus(steadyClock);
  health.add('projections', () => {
    const { ok, partitions } = status.health();
    const faulty = partitions.filter(({ state, stuck }) => state === 'stopped' || stuck);
    const detail = `stopped or stuck: ${faulty.map((one) => one.partition).join(', ')}`;
    return ok ? { status: 'ok' } : { status: 'failed', detail };
  });
  const { database, config } = installation;
  const watch = new DeadLetterWatch({ database, logger, metrics, ...deadLetterBounds(config) });
  health.add('dead letters', () => watch.health);
  const parts = { log, codec, database, evolver, hotTier, logger, metrics, status };
  return async (signal) => {
    const beside = [watch.run(signal), tellDeadLetters({ log, codec, database, logger }, signal)];
    await runProjections({ ...parts, clock: steadyClock }, signal);
    await Promise.all(beside);
  };
}

/** When dead letters are an alarm. */
const deadLetterBounds = (config: Config): DeadLetterBounds => ({
  alarm: config.TRUNKLINE_DEAD_LETTERS_ALARM,
  retentionMs: config.TRUNKLINE_RAW_RETENTION,
});

function gatewayTask(shared: Shared): Task {
  const { installation, log, codec, registry, tokens, httpServer, logger, metrics } = shared;
  const { config, database, keyRing, masterKey } = installation;
  const deps: GatewayDeps = {
    ...{ log, codec, database, keyRing, registry, tokens, httpServer, logger, metrics, version },
    clock: systemClock,
    steady: steadyClock,
    versions: servedVersions(),
    providers: providerItems(),
    cursorKey: createHmac('sha256', masterKey.key).update('page-cursors').digest(),
    ringEvents: config.TRUNKLINE_RING_EVENTS,
    metricsToken: config.TRUNKLINE_METRICS_TOKEN ?? null,
    origins: originsOf(config),
    drainMs: config.TRUNKLINE_DRAIN,
    demo: shared.demo,
    checks: () => readyChecks(shared.health),
  };
  return (signal) => runGateway(deps, signal);
}

/** Our own page may come by the public URL, through a proxy that puts another Host in its place. */
function originsOf({ TRUNKLINE_ORIGINS, TRUNKLINE_PUBLIC_URL }: Config): readonly string[] {
  return TRUNKLINE_PUBLIC_URL === undefined
    ? TRUNKLINE_ORIGINS
    : [...TRUNKLINE_ORIGINS, new URL(TRUNKLINE_PUBLIC_URL).origin];
}

/** The providers of this program, as the gateway tells them. */
const providerItems = (): GatewayDeps['providers'] =>
  providerNames.map((name) => {
    const { guide, addressRanges } = providerOf(name);
    const { title, covers, verified, judgedBy } = guide;
    return {
      name,
      title,
      covers: [...covers],
      verified,
      judgedBy,
      addressRanges: [...addressRanges],
    };
  });

/** Which version of each read model is served: the one that this program projects. */
function servedVersions(): GatewayDeps['versions'] {
  const versions = Object.fromEntries(
    createProjections(evolver).map(({ name, version: number }) => [name, number]),
  );
  const of = (name: string): number => versions[name] ?? 1;
  return {
    calls: of('calls'),
    legs: of('legs'),
    call_timeline: of('call_timeline'),
    messages: of('messages'),
    records: of('records'),
    stats_minute: of('stats_minute'),
    dead_letters: of('dead_letters'),
  };
}
