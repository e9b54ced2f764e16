// Gateway: its parts, put together. In: what the caller made (log, database, keys, server). Out: parts that
// know each other, before anything runs.

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { Mark } from '../log/mark.js';
import { FactAppender } from '../log/own-facts.js';
import { partitionOf } from '../log/topics.js';
import type { HttpServer } from '../runtime/http.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Database } from '../runtime/postgres.js';
import type { Registry } from '../runtime/registry.js';
import { noteStopped, watchStops } from '../runtime/stopped.js';
import type { ReadyCheck } from '../runtime/system-answers.js';
import type { TokenVerifier } from '../runtime/tokens.js';
import type { TenantId } from '../schemas/ids.js';
import { createAuthenticator } from './authenticate.js';
import { createCursors } from './cursor.js';
import { FanOut } from './fan-out.js';
import { Feed } from './feed.js';
import { createGatewayMetrics, type GatewayMetrics } from './metrics.js';
import { createOriginRule } from './origin.js';
import type { RouteDeps } from './pipeline.js';
import { createRateLimit } from './rate-limit.js';
import type { ModelVersions } from './read-models.js';
import { createRenderer } from './render.js';
import { Rings } from './ring.js';
import type { ProviderItem } from './routes/providers.js';
import type { Demo } from './routes/system.js';
import { createSnapshots, type ReadModels } from './snapshots.js';
import { socketLimits, type SocketLimits } from './socket.js';
import { Sockets } from './sockets.js';
import { StatsFeed } from './stats-feed.js';
import { Waiting, type Stream } from './subscribe.js';

/** What the gateway is composed of; made and closed by the caller. */
export interface GatewayDeps {
  readonly log: EventLog;
  readonly codec: Pick<Codec, 'decodeEvent' | 'learn' | 'encodeFactAround'>;
  readonly database: Database;
  readonly keyRing: KeyRing;
  readonly registry: Registry;
  readonly tokens: TokenVerifier;
  /** The API's routes are registered on it before the first wait; the caller listens. */
  readonly httpServer: HttpServer;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: () => number;
  /** For how long; default: `clock`, which must not jump then. */
  readonly steady?: () => number;
  /** Version of each read model that is served. */
  readonly versions: ModelVersions;
  /** Who can deliver to this installation. */
  readonly providers: readonly ProviderItem[];
  /** Key of page cursors: the same on every node, e.g. derived from the master key. */
  readonly cursorKey: Buffer;
  /** Of the product, for /openapi.json. */
  readonly version: string;
  /** Events kept for resuming, for each tenant. */
  readonly ringEvents: number;
  /** Null: metrics for loopback only. */
  readonly metricsToken: string | null;
  readonly drainMs: number;
  /** Origins of pages on other hosts that may open the stream; `*` for all. Default: none. */
  readonly origins?: readonly string[];
  /** Only for `serve --demo` on loopback. */
  readonly demo: Demo | null;
  /** Readiness of the other roles of this process. */
  readonly checks?: () => Promise<readonly ReadyCheck[]>;
  readonly limits?: SocketLimits;
  /** Default 6,000. */
  readonly requestsPerMinute?: number;
}

/** The parts of a gateway; `begin` makes the feed once it is known where to read from. */
export interface Gateway {
  isDraining: boolean;
  readonly stream: Stream;
  readonly sockets: Sockets;
  readonly stats: StatsFeed;
  readonly metrics: GatewayMetrics;
  /** Appends what operators ask for. */
  readonly facts: FactAppender;
  readonly routes: RouteDeps;
  readonly begin: (starts: ReadonlyMap<number, Mark>) => Feed;
}

/** Bytes that all rings of a process may hold: of events, and of JSON made of the latest. */
const ringBytes = { totalBytes: 32 * 1024 * 1024, renderedBytes: 4 * 1024 * 1024 };
const epochWaitMs = 3_000;

/** Makes the parts. Registers the stream's route; reads and sends nothing yet. */
export function assemble(deps: GatewayDeps): Gateway {
  const { clock, steady = clock, httpServer, logger, database, keyRing, versions } = deps;
  const metrics = createGatewayMetrics(deps.metrics);
  watchStops(deps.metrics, 'gateway');
  const placed = (tenant: TenantId): number => partitionOf(tenant, deps.log.partitions);
  let feed: Feed | null = null;
  const models: ReadModels = { database, keyRing, versions, partitionOf: placed };
  const stream = streamOf(deps, models, metrics, () => feed);
  const publish = (topic: string, text: string): void => {
    httpServer.publish(topic, text);
  };
  const stats = new StatsFeed(models, stream, publish, clock);
  const { tokens, registry } = deps;
  const authenticator = createAuthenticator({ tokens, registry, clock });
  const epoch = async (tenant: TenantId): Promise<string> =>
    (await feed?.waitForEpoch(placed(tenant), epochWaitMs)) ?? 'none';
  const isAllowedOrigin = createOriginRule(deps.origins ?? []);
  const parts = { authenticator, stream, stats, metrics, logger, clock, steady };
  const socketDeps = { ...parts, epoch, isAllowedOrigin };
  const sockets = new Sockets(socketDeps, httpServer, deps.limits ?? socketLimits);
  const quota = { requests: deps.requestsPerMinute ?? 6_000, windowSec: 60 };
  const router = {
    authenticator,
    rateLimit: createRateLimit(quota),
    metrics,
    logger,
    clock: steady,
  };
  const cursors = createCursors(deps.cursorKey);
  const facts = factsOf(deps);
  const gateway: Gateway = {
    isDraining: false,
    stream,
    sockets,
    stats,
    metrics,
    facts,
    routes: {
      list: { ...models, clock: steady, cursors, epochOf: stream.epochOf },
      deadLetters: { facts, partitions: deps.log.partitions, logger },
      router,
      registry,
      providers: deps.providers,
      stream,
      system: {
        checks: () => checksOf(deps, gateway, feed),
        metrics: deps.metrics,
        metricsToken: deps.metricsToken,
        demo: deps.demo,
      },
    },
    begin(starts) {
      feed = feedOf(deps, gateway, starts);
      return feed;
    },
  };
  return gateway;
}

/** Few at a time, and refused soon: an operator sees at once that the log is away. */
function factsOf({ log, codec, keyRing, clock }: GatewayDeps): FactAppender {
  return new FactAppender({ log, codec, keyRing, clock, maxWaiting: 100, timeoutMs: 3_000 });
}

function streamOf(
  deps: GatewayDeps,
  models: ReadModels,
  metrics: GatewayMetrics,
  feed: () => Feed | null,
): Stream {
  const rings = new Rings({ eventsPerTenant: deps.ringEvents, ...ringBytes });
  const decode = (value: Buffer) => deps.codec.decodeEvent(value);
  return {
    rings,
    fanOut: new FanOut(rings, deps.httpServer),
    renderer: createRenderer(rings, decode, deps.keyRing),
    metrics,
    readSnapshot: createSnapshots(models, deps.steady ?? deps.clock),
    epochOf: (tenant) => feed()?.epochOf(models.partitionOf(tenant)) ?? null,
    isFollowed: (tenant) => feed()?.isFollowed(models.partitionOf(tenant)) ?? false,
    waiting: new Waiting(),
    clock: deps.steady ?? deps.clock,
  };
}

function feedOf(
  deps: GatewayDeps,
  { stream, sockets, metrics }: Gateway,
  starts: ReadonlyMap<number, Mark>,
): Feed {
  return new Feed({
    log: deps.log,
    starts,
    codec: deps.codec,
    rings: stream.rings,
    fanOut: stream.fanOut,
    renderer: stream.renderer,
    metrics,
    logger: deps.logger,
    clock: deps.clock,
    steady: deps.steady ?? deps.clock,
    onStopped: (error) => {
      noteStopped(deps.metrics, 'gateway', error);
    },
    listener: {
      advanced: (tenants) => {
        for (const tenant of tenants) stream.waiting.pump(tenant);
      },
      restarted: (tenants, reason) => {
        sockets.resync(tenants, reason);
      },
    },
  });
}

async function checksOf(
  deps: GatewayDeps,
  gateway: Gateway,
  feed: Feed | null,
): Promise<readonly ReadyCheck[]> {
  const lost = feed?.lost() ?? [];
  const database = await deps.database.query('select 1').then(
    () => true,
    () => false,
  );
  return [
    { name: 'running', ok: !gateway.isDraining },
    { name: 'postgres', ok: database },
    { name: 'stream', ok: feed?.isCaughtUp() ?? false },
    {
      name: 'log',
      ok: lost.length === 0,
      ...(lost.length === 0 ? {} : { detail: `partitions lost: ${lost.join(', ')}` }),
    },
    ...((await deps.checks?.()) ?? []),
  ];
}
