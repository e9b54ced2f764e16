// The registry in memory of a serving process. In: the rows of Postgres, again at every NOTIFY and on a
// timer. Out: synchronous look-ups that go on when Postgres is away, and that end by the clock what
// ends by itself (a rotated credential, an expired key).

import { createRequire } from 'node:module';
import type pgListen from 'pg-listen';
import type { ProviderName } from '../schemas/facts.js';
import type { EndpointId, TenantId } from '../schemas/ids.js';
import type { Clock } from './clock.js';
import { toError } from './errors.js';
import type { KeyRing } from './keys.js';
import type { Logger } from './logger.js';
import { postgresError } from './postgres.js';
import type { Database } from './postgres.js';
import type { ApiKeyRecord, Endpoint, Registry } from './registry.js';
import { credentialPlace } from './registry-store.js';

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

// CommonJS with a `default` export: bundlers and loaders unwrap it differently, `require` does not.
const { default: createSubscriber } = createRequire(import.meta.url)(
  'pg-listen',
) as typeof pgListen;

/**
 * Loads the registry and keeps it fresh until the signal aborts. Rejects when the first load fails;
 * later failures are logged and the last snapshot goes on serving.
 */
export async function openRegistry(deps: RegistryDeps, signal: AbortSignal): Promise<Registry> {
  const registry = new CachedRegistry(deps);
  await registry.refresh();
  registry.keepFresh(signal);
  return registry;
}

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

  constructor(private readonly deps: RegistryDeps) {}

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
    // A new connection may have missed a notification.
    subscriber.events.on('connected', () => this.#refreshQuietly());
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
    const rows = await readRows(this.deps.database).catch((thrown: unknown) => {
      this.#noteFailure(toError(thrown));
      throw thrown;
    });
    const opened = new Map<string, Readonly<Record<string, string>>>();
    const endpoints = new Map<EndpointId, EndpointSource>();
    for (const row of rows.endpoints) {
      endpoints.set(row.id, { ...row, credentials: await this.#openAll(row, opened) });
    }
    this.#opened = opened;
    this.#snapshot = {
      tenants: rows.tenants,
      endpoints,
      apiKeys: new Map(rows.apiKeys.map((key) => [key.id, key])),
    };
    this.#resetViews();
    if (this.#isAway)
      this.deps.logger.info({ code: 'registry_fresh' }, 'the registry is fresh again');
    this.#isAway = false;
  }

  async #openAll(
    row: EndpointRow,
    opened: Map<string, Readonly<Record<string, string>>>,
  ): Promise<EndpointSource['credentials']> {
    const credentials: EndpointSource['credentials'][number][] = [];
    for (const { id, sealed, expiresAt } of row.credentials) {
      // With the place it was opened at: one that was copied to another endpoint must not open there.
      const name = JSON.stringify([row.tenant, row.id, sealed]);
      const value = this.#opened.get(name) ?? (await this.#open(row, sealed));
      if (value === null) continue;
      opened.set(name, value);
      credentials.push({ id, value, expiresAt });
    }
    return credentials;
  }

  /** A credential that does not open (wrong master key) costs its endpoint, not the registry. */
  async #open(row: EndpointRow, sealed: string): Promise<Readonly<Record<string, string>> | null> {
    try {
      const text = await this.deps.keyRing.openSecret(row.tenant, credentialPlace(row.id), sealed);
      return JSON.parse(text) as Readonly<Record<string, string>>;
    } catch (thrown) {
      const error = toError(thrown);
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
        .map(({ id, value, expiresAt }) => ({ id, value, isRetiring: expiresAt !== null })),
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

interface Rows {
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

async function readRows(database: Database): Promise<Rows> {
  try {
    const { rows } = await database.query<Rows>(everything);
    return rows[0] ?? { tenants: [], endpoints: [], apiKeys: [] };
  } catch (thrown) {
    throw postgresError(thrown);
  }
}
