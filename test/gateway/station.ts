// Runs the gateway on a real database, a real server and the world of the projections' tests, and
// connects plain WebSockets to it.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { WebSocket } from 'ws';

import { codec, freshStore, start, type Running } from '../projections/station.js';
import { World } from '../projections/world.js';
import { runGateway, type GatewayDeps } from '../../gateway/main.js';
import type { WebSocketLike } from '../../gateway/web/client.js';
import { createMemoryLog } from '../../log/memory.js';
import { startMark } from '../../log/mark.js';
import { PartitionReader } from '../../log/sequence.js';
import { createHttpServer } from '../../runtime/http.js';
import { createKeyRing, createMemoryKeyStore, type KeyRing } from '../../runtime/keys.js';
import { silentLogger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import type { Database } from '../../runtime/postgres.js';
import {
  accessRoles,
  type ApiKeyRecord,
  type Endpoint,
  type Registry,
  type RoleName,
} from '../../runtime/registry.js';
import type { TokenResult } from '../../runtime/tokens.js';
import type { EventEnvelope } from '../../schemas/events.js';
import type { ServerFrame } from '../../schemas/live-frames.js';
import { tenantId, type TenantId } from '../../schemas/ids.js';
import { until } from '../services/shared.js';

export const providers = [
  {
    ...{ name: 'twilio', title: 'Twilio', covers: ['calls'], verified: 'the URL and every field' },
    ...{ judgedBy: 'twilio 6.2.0', addressRanges: ['3.80.20.0/25'] },
  },
];

export const versions = {
  calls: 1,
  legs: 1,
  call_timeline: 1,
  messages: 1,
  records: 1,
  stats_minute: 1,
  dead_letters: 1,
} as const;

/** A credential of these tests: `<tenant>/<role>`, with `/expired`, `/unavailable` or `/<ms until it expires>`. */
export const credential = (tenant: string, role: RoleName = 'viewer', life = ''): string =>
  life === '' ? `${tenant}/${role}` : `${tenant}/${role}/${life}`;

function verify(token: string): TokenResult {
  const [tenant = '', role = '', life] = token.split('/');
  const known = accessRoles.find((name) => name === role);
  if (known === undefined) return { ok: false, reason: 'refused' };
  if (life === 'expired' || life === 'unavailable') return { ok: false, reason: life };
  const expiresAt = Date.now() + Number(life ?? 3_600_000);
  return {
    ok: true,
    claims: { tenant: tenantId(tenant), role: known, subject: 'someone', expiresAt },
  };
}

/** A registry whose keys and endpoints the test changes. */
export class TestRegistry implements Registry {
  readonly keys = new Map<string, ApiKeyRecord>();
  readonly endpoints: Endpoint[] = [];
  endpoint(): Endpoint | null {
    return null;
  }
  endpointsOf(tenant: TenantId): readonly Endpoint[] {
    return this.endpoints.filter((endpoint) => endpoint.tenant === tenant);
  }
  apiKey(id: string): ApiKeyRecord | null {
    return this.keys.get(id) ?? null;
  }
  tenants(): readonly TenantId[] {
    return [];
  }
  refresh(): Promise<void> {
    return Promise.resolve();
  }
  confirm(): Promise<'absent'> {
    return Promise.resolve('absent');
  }
  freshness() {
    return { isFresh: true, readAt: 0 };
  }
}

/** The tenant's events as the log has them, in order: what every view must come to. */
export function truthOf(world: World, tenant: string): readonly EventEnvelope[] {
  const reader = new PartitionReader(startMark, 'events[0]');
  const events: EventEnvelope[] = [];
  for (const record of world.store.records('events', 0)) {
    const verdict = reader.read(record);
    if (verdict.kind !== 'event' || verdict.event.tenant !== tenant) continue;
    events.push(codec.decodeEvent(verdict.event.value));
  }
  return events;
}

/** Last seq of the tenant in the log. */
export const topOf = (world: World, tenant: string): number =>
  truthOf(world, tenant).at(-1)?.seq ?? 0;

export interface GatewayStation {
  readonly world: World;
  readonly database: Database;
  readonly keyRing: KeyRing;
  readonly registry: TestRegistry;
  readonly http: string;
  readonly ws: string;
  readonly metrics: ReturnType<typeof createMetrics>;
  get(path: string, token?: string, headers?: Record<string, string>): Promise<Response>;
  /** Stops and starts the projections: snapshots stand still meanwhile. */
  pauseProjections(): Promise<void>;
  resumeProjections(): void;
  /** Another gateway on the same log and database. */
  another(more?: Partial<GatewayDeps>): Promise<OneGateway>;
  stop(): Promise<void>;
}

/** A gateway beside the first one. */
export interface OneGateway {
  readonly ws: string;
  readonly port: number;
  readonly metrics: ReturnType<typeof createMetrics>;
  stop(): Promise<void>;
}

/** One partition, because the world places tenants in its own way. */
export async function startGateway(
  options: { seed?: number; tenants?: number; more?: Partial<GatewayDeps> } = {},
): Promise<GatewayStation> {
  const { database } = await freshStore();
  await migrate(database, { set: 'runtime', directory: join(packageRoot(), 'runtime/migrations') });
  const { seed = 1, tenants = 3 } = options;
  const world = new World({ seed, tenants, partitions: 1, codec });
  const keyRing = createKeyRing(randomBytes(32), createMemoryKeyStore());
  const registry = new TestRegistry();
  const metrics = createMetrics();
  let projections: Running | null = start(world, database);
  const run = (more: Partial<GatewayDeps>) =>
    runOne({ world, database, keyRing, registry, metrics, ...more });
  const main = await run(options.more ?? {});
  const http = `http://127.0.0.1:${main.port}`;
  return {
    world,
    database,
    keyRing,
    registry,
    metrics,
    http,
    ws: main.ws,
    get: (path, token = credential('tenant-0'), headers = {}) =>
      fetch(`${http}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } }),
    async pauseProjections() {
      await projections?.stop();
      projections = null;
    },
    resumeProjections() {
      projections ??= start(world, database);
    },
    another: (more = {}) => run({ metrics: createMetrics(), ...more }),
    async stop() {
      await main.stop();
      await projections?.stop();
      await database.end();
    },
  };
}

/** A gateway alone, on a log that somebody else writes. */
export async function runOne({
  world,
  ...deps
}: Partial<GatewayDeps> & {
  readonly world: Pick<World, 'store'>;
  readonly database: Database;
  readonly keyRing: KeyRing;
  readonly registry: Registry;
  readonly metrics: GatewayDeps['metrics'];
}): Promise<OneGateway> {
  const httpServer = await createHttpServer({ trustedProxies: [] });
  const controller = new AbortController();
  const tokens = { verify: (token: string) => Promise.resolve(verify(token)) };
  const running = runGateway(
    {
      ...{ log: createMemoryLog(world.store), codec, logger: silentLogger, clock: Date.now },
      ...{ tokens, httpServer, versions, providers },
      ...{ cursorKey: randomBytes(32), version: '0.0.0', ringEvents: 20_000, metricsToken: null },
      ...{ drainMs: 200, demo: null, ...deps },
    },
    controller.signal,
  );
  const port = await httpServer.listen('127.0.0.1', 0);
  await until('the gateway to be ready', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
    return answer.status === 200;
  });
  return {
    port,
    metrics: deps.metrics,
    ws: `ws://127.0.0.1:${port}/v1/stream`,
    async stop() {
      controller.abort();
      await running;
      httpServer.close();
    },
  };
}

/** A plain WebSocket that keeps what it was sent. */
export class RawSocket {
  readonly frames: ServerFrame[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  readonly socket: WebSocket;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, { headers });
    this.socket.on('message', (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString('utf8')) as ServerFrame);
    });
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString('utf8') };
    });
    this.socket.on('error', () => undefined);
  }

  /** Opens and authenticates. */
  static async ready(url: string, token: string): Promise<RawSocket> {
    const socket = new RawSocket(url);
    await socket.opened();
    socket.send({ type: 'auth', token });
    await socket.until('ready', (frame) => frame.type === 'ready');
    return socket;
  }

  async opened(): Promise<void> {
    await until('the socket to open', () => this.socket.readyState === WebSocket.OPEN);
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The first frame of a kind, now or later. */
  async until<F extends ServerFrame>(
    what: string,
    isWanted: (frame: ServerFrame) => frame is F,
  ): Promise<F>;
  async until(what: string, isWanted: (frame: ServerFrame) => boolean): Promise<ServerFrame>;
  async until(what: string, isWanted: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    await until(what, () => this.frames.some(isWanted));
    const found = this.frames.find(isWanted);
    if (found === undefined) throw new Error(what);
    return found;
  }

  /** Frames of one type. */
  of<T extends ServerFrame['type']>(type: T): Extract<ServerFrame, { type: T }>[] {
    return this.frames.filter(
      (frame): frame is Extract<ServerFrame, { type: T }> => frame.type === type,
    );
  }

  async gone(): Promise<{ readonly code: number; readonly reason: string }> {
    await until('the socket to be closed', () => this.closed !== null);
    return this.closed ?? { code: 0, reason: '' };
  }

  close(): void {
    this.socket.terminate();
  }
}

/** For client.ts: the sockets of `ws`, and a way to cut them. */
export class Cutter {
  private readonly open = new Set<WebSocket>();
  readonly createSocket = (url: string): WebSocketLike => {
    const socket = new WebSocket(url);
    this.open.add(socket);
    socket.once('close', () => this.open.delete(socket));
    return socket;
  };

  /** Ends the connection without a word, as a broken network does. */
  cut(): void {
    for (const socket of this.open) socket.terminate();
  }
}
