// Command line: `trunkline serve` runs all roles, or some, in one process until a signal. In: the
// configuration. Out: a listening server, a banner, and a clean stop.

import { setTimeout as pause } from 'node:timers/promises';

import { InvalidArgumentError, type Command } from 'commander';

import { configWith, requireConfig } from './environment.js';
import { demoSessions, playDemo, prepareDemo, type Demo } from './demo.js';
import { banner } from './banner.js';
import { openInstallation, type Installation } from './installation.js';
import { listenAndRefresh } from './listen.js';
import { openCodecOrRemembered, openLogOrSpool } from './open-log.js';
import { untilThere, type StartWaitOptions } from './start-wait.js';
import { stationTasks, type Shared } from './stations.js';
import { serveSystem } from './system.js';
import type { LogState } from '../log/late.js';
import { systemClock } from '../runtime/clock.js';
import { roleNames, type Config, type Role } from '../runtime/config.js';
import { isAbort, toError } from '../runtime/errors.js';
import { createHealth, type HealthResult } from '../runtime/health.js';
import { keepHeapSmall, scavengeAlone } from '../runtime/heap.js';
import { createHttpServer, type HttpServer } from '../runtime/http.js';
import { exportHttpMetrics } from '../runtime/http-metrics.js';
import { stopOnSignals, stopped, supervise, type Task } from '../runtime/lifecycle.js';
import { createLogger, type Logger } from '../runtime/logger.js';
import { createMetrics } from '../runtime/metrics.js';
import type { Database } from '../runtime/postgres.js';
import { openRegistry } from '../runtime/registry-cache.js';
import { createJwksVerifier, createLocalTokens, type TokenVerifier } from '../runtime/tokens.js';

interface ServeOptions {
  readonly demo?: true;
  readonly roles: readonly Role[];
  readonly port?: string;
}

/** Adds `serve`. */
export function registerServeCommand(program: Command): void {
  program
    .command('serve')
    .description('take webhooks, decide, project and stream: all roles in one process, or some')
    .option('--demo', 'add a demo tenant and play simulated calls to it')
    .option('--roles <list>', `comma separated: ${roleNames.join(', ')}`, parseRoles, roleNames)
    .option('--port <number>', 'instead of TRUNKLINE_PORT')
    .addHelpText('after', examples)
    .action((options: ServeOptions) => serve(options));
}

const examples = `
Examples:
  trunkline serve --demo                  everything embedded, with simulated calls
  trunkline serve                         everything embedded, for your own calls
  DATABASE_URL=… KAFKA_BROKERS=… trunkline serve --roles ingest
                                          one role on real services
Configuration is read from the environment; see docs/configuration.md.`;

function parseRoles(text: string): readonly Role[] {
  return text.split(',').map((part) => {
    const role = roleNames.find((name) => name === part.trim());
    if (role === undefined) {
      throw new InvalidArgumentError(`"${part}" is none of ${roleNames.join(', ')}`);
    }
    return role;
  });
}

async function serve(options: ServeOptions): Promise<void> {
  const begin = performance.now();
  if (options.roles.some((role) => role === 'ingest' || role === 'gateway')) keepHeapSmall();
  scavengeAlone();
  const port = options.port === undefined ? {} : { TRUNKLINE_PORT: options.port };
  // A newcomer at a terminal reads the banner; whoever wants the lines asks for them.
  const quiet = options.demo === true ? { TRUNKLINE_LOG_LEVEL: 'warn' } : {};
  const config = requireConfig(configWith(port, quiet));
  const logger = createLogger({ level: config.TRUNKLINE_LOG_LEVEL });
  const stop = stopOnSignals({
    onStop: (name) => {
      process.stderr.write(`\n${name}: stopping …\n`);
    },
  });
  const life = new AbortController();
  try {
    const mayBeBlind = options.roles.join() === 'ingest';
    const wait = { config, logger, signal: stop.signal };
    const installation = await untilThere(
      'postgres',
      () => openInstallation(config, logger, { purpose: 'serve', mayBeBlind }),
      wait,
    );
    try {
      const site = { installation, logger, signal: stop.signal, life: life.signal, begin, wait };
      await serveInstallation(options, site);
    } finally {
      life.abort(stopped('the end'));
      await closed(config, installation.close());
    }
  } catch (thrown) {
    // Asked to stop before it had begun: nothing was under way.
    if (!(stop.signal.aborted && isAbort(thrown))) throw thrown;
  } finally {
    stop.dispose();
  }
}

interface Site {
  readonly installation: Installation;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Aborts when everything has drained, or when a task has failed: nothing may outlive the stations. */
  readonly life: AbortSignal;
  readonly begin: number;
  readonly wait: StartWaitOptions;
}

async function serveInstallation(options: ServeOptions, site: Site): Promise<void> {
  const { installation, logger, signal, life } = site;
  const { config, database, databaseUrl, keyRing } = installation;
  const { roles } = options;
  const demo = options.demo === true ? await prepareDemo(installation) : null;
  const metrics = createMetrics();
  const health = createHealth();
  const httpServer = await createHttpServer({
    trustedProxies: config.TRUNKLINE_TRUSTED_PROXIES,
    proxyProtocol: config.TRUNKLINE_PROXY_PROTOCOL,
    bounds: {
      bodyMs: config.TRUNKLINE_BODY_TIMEOUT,
      connections: config.TRUNKLINE_MAX_CONNECTIONS,
      silentPerAddress: config.TRUNKLINE_MAX_SILENT_CONNECTIONS,
    },
    logger,
  });
  exportHttpMetrics(metrics, httpServer.counts);
  let port = config.TRUNKLINE_PORT;
  const registryDeps = {
    ...{ database, databaseUrl, keyRing, logger, clock: systemClock, defaultPublicUrl },
    ...registryOnDisk(site, roles),
  };
  const registry = await untilThere('postgres', () => openRegistry(registryDeps, life), site.wait);
  function defaultPublicUrl(): string {
    return config.TRUNKLINE_PUBLIC_URL ?? `http://${config.TRUNKLINE_HOST}:${port}`;
  }
  const { codec, log, logState } = await openLogFor(site, roles);
  try {
    const shared: Shared = {
      ...{ installation, log, logState, codec, registry, httpServer, health, logger, metrics },
      tokens: await openTokens(config, installation),
      demo: demo === null ? null : await demoSessions(installation, demo.tenant),
    };
    health.add('roles', () => ({ status: 'ok', detail: roles.join(', ') }));
    health.add('stop', () => (signal.aborted ? stopping : { status: 'ok' }));
    if (!roles.includes('gateway')) {
      health.add('postgres', () => queried(database, roles));
      serveSystem(httpServer, { health, metrics, config });
    }
    const onPort = (taken: number): void => void (port = taken);
    const place = { server: httpServer, registry, host: config.TRUNKLINE_HOST, port, onPort };
    const listening = whenReady(roles, () => listenAndRefresh(place));
    const unheard = failureOf(listening.port);
    const calls = playing(site, { demo, listening: listening.port });
    const tasks: Record<string, Task> = {
      ...stationTasks(shared, roles, listening.ready),
      announce: announcing(site, { roles, demo, listening: listening.port }),
      database: untilGone(installation),
    };
    const drainMs = config.TRUNKLINE_DRAIN;
    const told = after(signal, () => pause(config.TRUNKLINE_DRAIN_DELAY));
    const until = AbortSignal.any([after(told, () => calls), unheard]);
    await supervise(withServer(tasks, httpServer), { signal: until, drainMs, logger });
    if (unheard.aborted) throw toError(unheard.reason);
  } finally {
    httpServer.close();
    await closed(config, log.close());
  }
}

/** Longest wait for connections to end: what they held is in the log, on disk, or unknown for good. */
const closingMs = 1_000;

/**
 * Waits for what is closed, not for ever: a client whose server is away may try for long to say goodbye.
 * The embedded server is ours and ends in its own time. What is left open keeps the process no longer.
 */
async function closed(config: Config, closing: Promise<void>): Promise<void> {
  if (config.DATABASE_URL === undefined) return closing;
  const limit = new AbortController();
  closing.catch(() => undefined);
  await Promise.race([
    closing,
    pause(closingMs, undefined, { signal: limit.signal }).catch(() => undefined),
  ]);
  limit.abort();
  setTimeout(() => process.exit(), closingMs).unref();
}

/** First of all a balancer must know; what comes before it does is served. */
const stopping = { status: 'failed', detail: 'stopping: traffic belongs elsewhere' } as const;

/** Stops accepting as soon as the stop begins; what is on its way is still answered. */
function withServer(tasks: Record<string, Task>, server: HttpServer): Record<string, Task> {
  return {
    ...tasks,
    server: async (signal) => {
      await aborted(signal);
      server.stopAccepting();
    },
  };
}

/** Listening begins once webhooks can be taken, so that no provider ever meets a missing route. */
function whenReady(roles: readonly Role[], listen: () => Promise<number>) {
  let begin: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    begin = resolve;
  });
  if (!roles.includes('ingest')) begin();
  const port = ready.then(listen);
  port.catch(() => undefined);
  return { ready: begin, port };
}

/** Aborts with the reason when the promise rejects: a port in use is said once, by whoever started us. */
function failureOf(promise: Promise<unknown>): AbortSignal {
  const controller = new AbortController();
  promise.catch((thrown: unknown) => {
    controller.abort(thrown);
  });
  return controller.signal;
}

interface Announcement {
  readonly roles: readonly Role[];
  readonly demo: Demo | null;
  readonly listening: Promise<number>;
}

/** Says where the product is. */
function announcing(site: Site, { roles, demo, listening }: Announcement): Task {
  const { installation, logger, begin } = site;
  return async (signal) => {
    const port = await listening.catch(() => null);
    if (port === null) return;
    const { config, masterKey } = installation;
    const url = localUrl(config, port);
    const tookMs = performance.now() - begin;
    process.stdout.write(banner({ url, config, roles, demo, masterKey, tookMs }));
    logger.info({ code: 'listening', port, roles, tookMs: Math.round(tookMs) }, 'ready');
    await aborted(signal);
  };
}

/** Plays the demo's calls; resolves once those that are open at the stop have ended. */
async function playing(
  { installation, logger, signal }: Site,
  { demo, listening }: Pick<Announcement, 'demo' | 'listening'>,
): Promise<void> {
  if (demo === null) return;
  const port = await listening.catch(() => null);
  if (port === null) return;
  const url = localUrl(installation.config, port);
  await playDemo(demo, url, { logger, signal }).catch((thrown: unknown) => {
    const error = toError(thrown);
    logger.error({ code: 'demo_failed', error }, 'the simulated calls have stopped');
  });
}

const localUrl = (config: Config, port: number): string =>
  `http://${config.TRUNKLINE_HOST === '0.0.0.0' ? '127.0.0.1' : config.TRUNKLINE_HOST}:${port}`;

/** Aborts once the signal has and the work that goes first is done: the stations stop last. */
function after(signal: AbortSignal, first: () => Promise<unknown>): AbortSignal {
  const controller = new AbortController();
  void aborted(signal)
    .then(first)
    .catch(() => undefined)
    .then(() => {
      controller.abort(signal.reason);
    });
  return controller.signal;
}

/** Ingest takes deliveries without Postgres: a balancer must go on sending them. */
async function queried(database: Database, roles: readonly Role[]): Promise<HealthResult> {
  const asked = database.query('select 1').then((): HealthResult => ({ status: 'ok' }));
  if (!roles.includes('ingest')) return asked;
  const away = { status: 'degraded', detail: 'does not answer' } as const;
  const limit = new AbortController();
  const late = pause(postgresPatienceMs, away, { signal: limit.signal, ref: false });
  try {
    return await Promise.race([asked.catch(() => away), late]);
  } finally {
    limit.abort();
    late.catch(() => undefined);
  }
}

const postgresPatienceMs = 1_500;

/** Ingest keeps the registry on disk, and begins with what is there when Postgres does not answer. */
function registryOnDisk({ installation, logger, life }: Site, roles: readonly Role[]) {
  const { keeper, blind, config } = installation;
  if (!roles.includes('ingest') || config.DATABASE_URL === undefined) return {};
  void keeper.run(life);
  if (blind === null) return { keeper };
  const { snapshot, reason, prepare } = blind;
  const fields = { code: 'blind_start', reason, readAt: new Date(snapshot.readAt).toISOString() };
  logger.warn(fields, 'PostgreSQL does not answer: ingest serves its last registry snapshot');
  return { keeper, blind: { rows: snapshot.rows, readAt: snapshot.readAt, prepare } };
}

/** With ingest the process starts while log or schema registry are away; without, it waits for them. */
async function openLogFor({ installation, logger, wait }: Site, roles: readonly Role[]) {
  const { config, databaseUrl } = installation;
  if (!roles.includes('ingest')) {
    const codec = await untilThere('schema registry', () => installation.openCodec(), wait);
    const log = await untilThere('kafka', () => installation.openLog(), wait);
    return { codec, log, logState: (): LogState => ({ kind: 'open' }) };
  }
  const opening = openLogOrSpool({ config, databaseUrl, logger });
  opening.catch(() => undefined);
  const codec = await openCodecOrRemembered(config, logger);
  const { log, state } = await opening;
  return { codec, log, logState: state };
}

async function openTokens(config: Config, { masterKey }: Installation): Promise<TokenVerifier> {
  const settings = {
    issuer: config.TRUNKLINE_JWT_ISSUER,
    audience: config.TRUNKLINE_JWT_AUDIENCE,
  };
  return config.TRUNKLINE_JWKS_URL === undefined
    ? createLocalTokens(masterKey.key, settings)
    : createJwksVerifier(config.TRUNKLINE_JWKS_URL, settings);
}

/** The embedded server is part of the product: when it ends by itself, so does the process. */
const untilGone =
  ({ databaseExited }: Installation): Task =>
  async (signal) => {
    await Promise.race([databaseExited, aborted(signal)]);
  };

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
