// The registry in memory of a serving process. In: the rows of Postgres, again at every NOTIFY and on a
// timer, or of the snapshot on disk at a start without it. Out: synchronous look-ups that go on when
// Postgres is away, and that end by the clock what ends by itself (a rotated credential, a key).

import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import type pgListen from 'pg-listen';
import type { ProviderName } from '../schemas/facts.js';
import type { EndpointId, TenantId } from '../schemas/ids.js';
import type { Clock } from './clock.js';
import { EndpointProbe } from './endpoint-probe.js';
import { toError } from './errors.js';
import { isStoreAway } from './key-shelf.js';
import type { KeyRing } from './keys.js';
import type { Logger } from './logger.js';
import { postgresError } from './postgres.js';
import type { Database } from './postgres.js';
import { credentialPlace } from './registry.js';
import type { ApiKeyRecord, Confirmation, Endpoint, Freshness, Registry } from './registry.js';

export interface RegistryDeps {
  readonly database: Database;
  /** Of the same database; LISTEN needs a connection of its own. */
  readonly databaseUrl: string;
  readonly keyRing: KeyRing;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The public URL of endpoints that have none of their own; known once the server listens. */
  readonly defaultPublicUrl: () => string;
  /** Default 5 s. */
  readonly refreshMs?: number;
  /** Where the rows are kept for a start without Postgres; absent: nowhere. */
  readonly keeper?: RowsKeeper;
  /** Begun without Postgres: what to serve until it answers, and what to do once before it is read. */
  readonly blind?: {
    readonly rows: RegistryRows;
    readonly readAt: number;
    readonly prepare: () => Promise<void>;
  };
}

export interface RowsKeeper {
  /** Called after every load. */
  note(rows: RegistryRows): void;
}

interface CredentialRow {
  readonly id: string;
  readonly sealed: string;
  readonly expiresAt: number | null;
}

interface EndpointSource extends Omit<Endpoint, 'credentials' | 'publicBaseUrl'> {
  readonly publicBaseUrl: string | null;
  readonly credentials: readonly {
    readonly id: string;
    readonly value: Readonly<Record<string, string>>;
    readonly expiresAt: number | null;
  }[];
}

interface Snapshot {
  readonly tenants: readonly TenantId[];
  readonly endpoints: ReadonlyMap<EndpointId, EndpointSource>;
  readonly apiKeys: ReadonlyMap<string, ApiKeyRecord>;
}

const channel = 'trunkline_registry';
/** A provider waits for the answer about an unknown id. */
const confirmWithinMs = 1_000;

// CommonJS with a `default` export: bundlers and loaders unwrap it differently, `require` does not.
const { default: createSubscriber } = createRequire(import.meta.url)(
  'pg-listen',
) as typeof pgListen;

/**
 * Loads the registry and keeps it fresh until the signal aborts. Rejects when the first load fails,
 * unless rows of a snapshot are given; later failures are logged and the last rows go on serving.
 */
export async function openRegistry(deps: RegistryDeps, signal: AbortSignal): Promise<Registry> {
  const registry = new CachedRegistry(deps);
  if (deps.blind === undefined) await registry.refresh();
  else await registry.serve(deps.blind.rows, deps.blind.readAt);
  registry.keepFresh(signal);
  return registry;
}

/** What becomes of a credential whose key is out of reach. */
type KeyAway = 'later' | 'without it';

class CachedRegistry implements Registry {
  #snapshot: Snapshot = { tenants: [], endpoints: new Map(), apiKeys: new Map() };
  /** Endpoints as they are handed out, until `#validUntil`, when a credential ends. */
  #views = new Map<EndpointId, Endpoint>();
  #validUntil = Infinity;
  #publicUrl = '';
  /** Opened credentials by endpoint and sealed text, so that a refresh opens only what is new. */
  #opened = new Map<string, Readonly<Record<string, string>>>();
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  #isAway = false;
  #isPrepared: boolean;
  /** When the load began that gave what is served, ms since 1970. */
  #readAt = 0;
  readonly #probe: EndpointProbe;

  constructor(private readonly deps: RegistryDeps) {
    this.#isPrepared = deps.blind === undefined;
    this.#probe = new EndpointProbe(deps.database);
  }

  endpoint(id: EndpointId): Endpoint | null {
    if (this.deps.clock() >= this.#validUntil || this.#publicUrl !== this.deps.defaultPublicUrl()) {
      this.#resetViews();
    }
    const known = this.#views.get(id);
    if (known !== undefined) return known;
    const source = this.#snapshot.endpoints.get(id);
    if (source === undefined) return null;
    const view = this.#viewOf(source);
    this.#views.set(id, view);
    return view;
  }

  endpointsOf(tenant: TenantId): readonly Endpoint[] {
    return [...this.#snapshot.endpoints.values()]
      .filter((source) => source.tenant === tenant)
      .flatMap((source) => this.endpoint(source.id) ?? []);
  }

  apiKey(id: string): ApiKeyRecord | null {
    return this.#snapshot.apiKeys.get(id) ?? null;
  }

  tenants(): readonly TenantId[] {
    return this.#snapshot.tenants;
  }

  freshness(): Freshness {
    return { isFresh: !this.#isAway, readAt: this.#readAt };
  }

  async confirm(id: EndpointId): Promise<Confirmation> {
    // While Postgres is away the timer tries it often enough.
    if (this.#isAway) return 'unknowable';
    const timeout = new AbortController();
    const late = pause(confirmWithinMs, 'unknowable' as const, { signal: timeout.signal });
    const asked = this.#ask(id).catch(() => {
      this.#refreshQuietly();
      return 'unknowable' as const;
    });
    try {
      return await Promise.race([asked, late]);
    } finally {
      timeout.abort();
      late.catch(() => undefined);
    }
  }

  async #ask(id: EndpointId): Promise<Confirmation> {
    if (!(await this.#probe.exists(id))) return 'absent';
    await this.refresh();
    return this.#snapshot.endpoints.has(id) ? 'present' : 'absent';
  }

  /** Takes rows that were read at `readAt`, without asking Postgres. */
  async serve(rows: RegistryRows, readAt: number): Promise<void> {
    await this.#take(rows, 'without it');
    this.#readAt = readAt;
    this.#isAway = true;
  }

  /** A load that is under way may have read too early, so callers wait for the one after it. */
  refresh(): Promise<void> {
    if (this.#running === null) {
      this.#running = this.#load().finally(() => {
        this.#running = null;
      });
      return this.#running;
    }
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#queued = null;
        return this.refresh();
      });
    return this.#queued;
  }

  keepFresh(signal: AbortSignal): void {
    const timer = setInterval(() => this.#refreshQuietly(), this.deps.refreshMs ?? 5_000);
    timer.unref();
    const subscriber = createSubscriber(
      { connectionString: this.deps.databaseUrl, application_name: 'trunkline registry' },
      {
        retryTimeout: 0,
        paranoidChecking: 30_000,
        parse: (text: string) => text,
        // Throwing ends the retries: the only way to stop them once the process drains.
        retryInterval: () => {
          signal.throwIfAborted();
          return 500;
        },
      },
    );
    // A new connection may have missed a notification; one that stands only after the stop would keep
    // the process alive.
    subscriber.events.on('connected', () => {
      if (signal.aborted) void subscriber.close().catch(() => undefined);
      else this.#refreshQuietly();
    });
    subscriber.events.on('error', () => undefined);
    subscriber.notifications.on(channel, () => this.#refreshQuietly());
    // Asked for before the connection stands, so that it is part of every reconnection.
    const asked = subscriber.listenTo(channel) ?? Promise.resolve();
    const listening = Promise.all([asked, subscriber.connect()])
      // What was committed between the first load and LISTEN was announced to nobody.
      .then(() => this.#refreshQuietly())
      .catch((thrown: unknown) => this.#noteFailure(toError(thrown)));
    signal.addEventListener(
      'abort',
      () => {
        clearInterval(timer);
        void listening.then(() => subscriber.close()).catch(() => undefined);
      },
      { once: true },
    );
  }

  #refreshQuietly(): void {
    // Told by `#load`.
    this.refresh().catch(() => undefined);
  }

  /** Once per outage, not once per try. */
  #noteFailure(error: Error): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.deps.logger.warn(
      { code: 'registry_stale', error },
      'the registry serves its last snapshot',
    );
  }

  async #load(): Promise<void> {
    const readAt = this.deps.clock();
    try {
      const rows = await this.#read();
      await this.#take(rows, 'later');
      this.deps.keeper?.note(rows);
    } catch (thrown) {
      this.#noteFailure(toError(thrown));
      throw thrown;
    }
    this.#readAt = readAt;
    if (this.#isAway)
      this.deps.logger.info({ code: 'registry_fresh' }, 'the registry is fresh again');
    this.#isAway = false;
  }

  async #read(): Promise<RegistryRows> {
    if (!this.#isPrepared) await this.deps.blind?.prepare();
    this.#isPrepared = true;
    return readRows(this.deps.database);
  }

  /**
   * Puts the rows in place of what is served. A key that is out of reach now is waited for where what is
   * served is no worse; at a blind start there is nothing else, and its endpoint goes without it.
   */
  async #take(rows: RegistryRows, keyAway: KeyAway): Promise<void> {
    const opened = new Map<string, Readonly<Record<string, string>>>();
    const endpoints = new Map<EndpointId, EndpointSource>();
    for (const row of rows.endpoints) {
      endpoints.set(row.id, { ...row, credentials: await this.#openAll(row, opened, keyAway) });
    }
    this.#opened = opened;
    this.#snapshot = {
      tenants: rows.tenants,
      endpoints,
      apiKeys: new Map(rows.apiKeys.map((key) => [key.id, key])),
    };
    this.#resetViews();
  }

  async #openAll(
    row: EndpointRow,
    opened: Map<string, Readonly<Record<string, string>>>,
    keyAway: KeyAway,
  ): Promise<EndpointSource['credentials']> {
    const credentials: EndpointSource['credentials'][number][] = [];
    for (const { id, sealed, expiresAt } of row.credentials) {
      // With the place it was opened at: one that was copied to another endpoint must not open there.
      const name = JSON.stringify([row.tenant, row.id, sealed]);
      const value = this.#opened.get(name) ?? (await this.#open(row, sealed, keyAway));
      if (value === null) continue;
      opened.set(name, value);
      credentials.push({ id, value, expiresAt });
    }
    return credentials;
  }

  /** One that does not open (wrong master key) costs its endpoint; one whose key is out of reach must not. */
  async #open(
    row: EndpointRow,
    sealed: string,
    keyAway: KeyAway,
  ): Promise<Readonly<Record<string, string>> | null> {
    try {
      const text = await this.deps.keyRing.openSecret(row.tenant, credentialPlace(row.id), sealed);
      return JSON.parse(text) as Readonly<Record<string, string>>;
    } catch (thrown) {
      const error = toError(thrown);
      if (keyAway === 'later' && isStoreAway(error)) throw error;
      this.deps.logger.error(
        { code: 'credential_sealed', endpoint: row.id, error },
        'a credential does not open; its endpoint refuses deliveries',
      );
      return null;
    }
  }

  #resetViews(): void {
    const now = this.deps.clock();
    this.#views = new Map();
    this.#publicUrl = this.deps.defaultPublicUrl();
    this.#validUntil = Infinity;
    for (const { credentials } of this.#snapshot.endpoints.values()) {
      for (const { expiresAt } of credentials) {
        if (expiresAt !== null && expiresAt > now) {
          this.#validUntil = Math.min(this.#validUntil, expiresAt);
        }
      }
    }
  }

  #viewOf(source: EndpointSource): Endpoint {
    const now = this.deps.clock();
    return {
      ...source,
      publicBaseUrl: (source.publicBaseUrl ?? this.#publicUrl).replace(/\/+$/, ''),
      credentials: source.credentials
        .filter(({ expiresAt }) => expiresAt === null || expiresAt > now)
        .map(({ id, value, expiresAt }) =>
          expiresAt === null
            ? { id, value, isRetiring: false }
            : { id, value, isRetiring: true, endsAt: expiresAt },
        ),
    };
  }
}

interface EndpointRow {
  readonly id: EndpointId;
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly name: string;
  readonly publicBaseUrl: string | null;
  readonly allow: readonly string[];
  readonly ratePerSecond: number | null;
  readonly credentials: readonly CredentialRow[];
}

/** What the registry holds, secrets sealed. */
export interface RegistryRows {
  readonly tenants: readonly TenantId[];
  readonly endpoints: readonly EndpointRow[];
  readonly apiKeys: readonly ApiKeyRecord[];
}

/** One statement, so that the three lists are of one moment. Newest credential first. */
const everything = `
  select
    (select coalesce(json_agg(tenant_id order by tenant_id), '[]') from tenants) as tenants,
    (select coalesce(json_agg(json_build_object(
       'id', e.endpoint_id, 'tenant', e.tenant_id, 'provider', e.provider, 'name', e.name,
       'publicBaseUrl', e.public_base_url, 'allow', e.allow, 'ratePerSecond', e.rate_per_second,
       'credentials', (select coalesce(json_agg(json_build_object(
           'id', c.credential_id::text, 'sealed', c.sealed, 'expiresAt', floor(extract(epoch from c.expires_at) * 1000))
           order by c.credential_id desc), '[]')
         from endpoint_credentials c
         where c.tenant_id = e.tenant_id and c.endpoint_id = e.endpoint_id
           and (c.expires_at is null or c.expires_at > now())))
       order by e.created_at, e.endpoint_id), '[]')
     from endpoints e where e.revoked_at is null) as endpoints,
    (select coalesce(json_agg(json_build_object(
       'id', key_id, 'tenant', tenant_id, 'role', role, 'secretHash', secret_hash,
       'expiresAt', floor(extract(epoch from expires_at) * 1000))), '[]')
     from api_keys where revoked_at is null and (expires_at is null or expires_at > now()))
     as "apiKeys"`;

async function readRows(database: Database): Promise<RegistryRows> {
  try {
    const { rows } = await database.query<RegistryRows>(everything);
    return rows[0] ?? { tenants: [], endpoints: [], apiKeys: [] };
  } catch (thrown) {
    throw postgresError(thrown);
  }
}
