// Writing and reading tenants, endpoints and API keys in Postgres. In: commands of an operator. Out:
// rows without any secret; credentials are sealed before they reach the database.

import { randomBytes } from 'node:crypto';
import type { ProviderName } from '../schemas/facts.js';
import { endpointId } from '../schemas/ids.js';
import type { EndpointId, TenantId } from '../schemas/ids.js';
import { makeApiKey } from './api-keys.js';
import type { NewApiKey } from './api-keys.js';
import {
  readCredentials,
  readRefusals,
  type CredentialItem,
  type RefusalItem,
  type RefusalPage,
} from './diagnosis-store.js';
import { TrunklineError } from './errors.js';
import type { KeyRing } from './keys.js';
import { inTransaction, postgresError } from './postgres.js';
import type { Database, Transaction } from './postgres.js';
import { credentialPlace, type RoleName } from './registry.js';

export interface TenantRow {
  readonly tenant: TenantId;
  readonly name: string;
  readonly createdAt: Date;
}

export interface EndpointRow {
  readonly tenant: TenantId;
  readonly id: EndpointId;
  readonly provider: ProviderName;
  readonly name: string;
  /** Null: the installation's public URL. */
  readonly publicBaseUrl: string | null;
  readonly allow: readonly string[];
  readonly ratePerSecond: number | null;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
  /** Credentials that are accepted now; two while a rotation's grace period runs. */
  readonly credentials: number;
}

export interface NewEndpoint {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly name: string;
  readonly publicBaseUrl: string | null;
  /** Named as the provider's file asks, e.g. `{authToken}` or `{publicKey}`. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly allow: readonly string[];
  readonly ratePerSecond: number | null;
}

/** What may change without a new id; the URL at the provider stays as it is. */
export interface EndpointChange {
  readonly name?: string;
  readonly publicBaseUrl?: string | null;
  readonly allow?: readonly string[];
  readonly ratePerSecond?: number | null;
}

export interface ApiKeyRow {
  readonly tenant: TenantId;
  readonly id: string;
  readonly role: RoleName;
  readonly name: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly replacedBy: string | null;
}

export interface NewKey {
  readonly tenant: TenantId;
  readonly role: RoleName;
  readonly name: string;
  readonly expiresAt: Date | null;
}

/** Each call is one transaction; listeners learn of it by NOTIFY. Unknown ids throw `not_found`. */
export interface RegistryStore {
  /** False when the tenant is there already; its name then stays. */
  addTenant(tenant: TenantId, name: string): Promise<boolean>;
  listTenants(): Promise<readonly TenantRow[]>;
  addEndpoint(endpoint: NewEndpoint): Promise<EndpointRow>;
  listEndpoints(tenant: TenantId | null): Promise<readonly EndpointRow[]>;
  findEndpoint(id: EndpointId): Promise<EndpointRow>;
  /** The new credentials count at once; the old ones end by themselves after the grace period. */
  rotateEndpoint(
    id: EndpointId,
    credentials: Readonly<Record<string, string>>,
    graceMs: number,
  ): Promise<EndpointRow>;
  /** Age and use of an endpoint's live credentials, newest first. */
  credentialsOf(id: EndpointId): Promise<readonly CredentialItem[]>;
  /** The last refused deliveries of an endpoint, newest first. */
  refusalsOf(id: EndpointId, page: RefusalPage): Promise<readonly RefusalItem[]>;
  /** The newest live credential of a live endpoint, opened; null where there is none. */
  newestCredential(id: EndpointId): Promise<Readonly<Record<string, string>> | null>;
  /** Changes what is given and leaves the rest; null takes the installation's default. */
  changeEndpoint(id: EndpointId, change: EndpointChange): Promise<EndpointRow>;
  /** The endpoint answers 404 from now on. */
  revokeEndpoint(id: EndpointId): Promise<EndpointRow>;
  addKey(key: NewKey): Promise<NewApiKey>;
  listKeys(tenant: TenantId | null): Promise<readonly ApiKeyRow[]>;
  /** A new key with the same role and name; the old one ends after the grace period. */
  rotateKey(id: string, graceMs: number): Promise<NewApiKey>;
  revokeKey(id: string): Promise<ApiKeyRow>;
}

export const defaultGraceMs = 24 * 3_600_000;
const maxGraceMs = 7 * 24 * 3_600_000;

/** The store on the tables of the `runtime` migrations. */
export function createRegistryStore(database: Database, keyRing: KeyRing): RegistryStore {
  return new PostgresRegistryStore(database, keyRing);
}

const endpointColumns = `
  e.tenant_id as tenant, e.endpoint_id as id, e.provider, e.name, e.public_base_url as "publicBaseUrl",
  e.allow, e.rate_per_second as "ratePerSecond", e.created_at as "createdAt",
  e.revoked_at as "revokedAt",
  (select count(*)::int from endpoint_credentials c
    where c.tenant_id = e.tenant_id and c.endpoint_id = e.endpoint_id
      and (c.expires_at is null or c.expires_at > now())) as credentials`;

const keyColumns = `
  tenant_id as tenant, key_id as id, role, name, created_at as "createdAt",
  expires_at as "expiresAt", revoked_at as "revokedAt", replaced_by as "replacedBy"`;

class PostgresRegistryStore implements RegistryStore {
  constructor(
    private readonly database: Database,
    private readonly keyRing: KeyRing,
  ) {}

  async addTenant(tenant: TenantId, name: string): Promise<boolean> {
    const added = await this.#rows(
      'insert into tenants (tenant_id, name) values ($1, $2) on conflict do nothing returning 1',
      [tenant, name],
    );
    return added.length > 0;
  }

  listTenants(): Promise<readonly TenantRow[]> {
    return this.#rows<TenantRow>(
      `select tenant_id as tenant, name, created_at as "createdAt" from tenants order by 1`,
      [],
    );
  }

  async addEndpoint(endpoint: NewEndpoint): Promise<EndpointRow> {
    const id = endpointId(`ep_${randomBytes(12).toString('hex')}`);
    const sealed = await this.#seal(endpoint.tenant, id, endpoint.credentials);
    await this.#write(async (transaction) => {
      await assertTenant(transaction, endpoint.tenant);
      await transaction.query(
        `insert into endpoints
           (tenant_id, endpoint_id, provider, name, public_base_url, allow, rate_per_second)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [
          endpoint.tenant,
          id,
          endpoint.provider,
          endpoint.name,
          endpoint.publicBaseUrl?.replace(/\/+$/, '') ?? null,
          endpoint.allow,
          endpoint.ratePerSecond,
        ],
      );
      await insertCredential(transaction, endpoint.tenant, id, sealed);
    });
    return this.findEndpoint(id);
  }

  listEndpoints(tenant: TenantId | null): Promise<readonly EndpointRow[]> {
    return this.#rows<EndpointRow>(
      `select ${endpointColumns} from endpoints e
       where $1::text is null or e.tenant_id = $1 order by e.tenant_id, e.created_at, e.endpoint_id`,
      [tenant],
    );
  }

  async findEndpoint(id: EndpointId): Promise<EndpointRow> {
    const [row] = await this.#rows<EndpointRow>(
      `select ${endpointColumns} from endpoints e where e.endpoint_id = $1`,
      [id],
    );
    if (row === undefined) throw notFound(`endpoint ${id}`);
    return row;
  }

  async rotateEndpoint(
    id: EndpointId,
    credentials: Readonly<Record<string, string>>,
    graceMs: number,
  ): Promise<EndpointRow> {
    assertGrace(graceMs);
    const { tenant, revokedAt } = await this.findEndpoint(id);
    if (revokedAt !== null) throw notFound(`live endpoint ${id}`);
    const sealed = await this.#seal(tenant, id, credentials);
    await this.#write(async (transaction) => {
      await transaction.query(
        `update endpoint_credentials
         set expires_at = least(expires_at, now() + make_interval(secs => $3))
         where tenant_id = $1 and endpoint_id = $2 and (expires_at is null or expires_at > now())`,
        [tenant, id, graceMs / 1000],
      );
      await insertCredential(transaction, tenant, id, sealed);
    });
    return this.findEndpoint(id);
  }

  async credentialsOf(id: EndpointId): Promise<readonly CredentialItem[]> {
    const { tenant } = await this.findEndpoint(id);
    const items = await this.#reach(() => readCredentials(this.database, tenant));
    return items.filter(({ endpoint }) => endpoint === id);
  }

  async refusalsOf(id: EndpointId, page: RefusalPage): Promise<readonly RefusalItem[]> {
    const { tenant } = await this.findEndpoint(id);
    const place = { tenant, endpoint: id };
    const found = await this.#reach(() => readRefusals(this.database, place, page));
    return found?.refusals ?? [];
  }

  async newestCredential(id: EndpointId): Promise<Readonly<Record<string, string>> | null> {
    const { tenant } = await this.findEndpoint(id);
    const [row] = await this.#rows<{ readonly sealed: string }>(
      `select c.sealed from endpoint_credentials c join endpoints e using (tenant_id, endpoint_id)
       where tenant_id = $1 and endpoint_id = $2 and e.revoked_at is null
         and (c.expires_at is null or c.expires_at > now())
       order by c.credential_id desc limit 1`,
      [tenant, id],
    );
    if (row === undefined) return null;
    const text = await this.keyRing.openSecret(tenant, credentialPlace(id), row.sealed);
    return JSON.parse(text) as Readonly<Record<string, string>>;
  }

  async changeEndpoint(id: EndpointId, change: EndpointChange): Promise<EndpointRow> {
    const before = await this.findEndpoint(id);
    const { tenant, name, publicBaseUrl, allow, ratePerSecond } = { ...before, ...change };
    const base = publicBaseUrl?.replace(/\/+$/, '') ?? null;
    await this.#rows(
      `update endpoints set name = $3, public_base_url = $4, allow = $5, rate_per_second = $6
       where tenant_id = $1 and endpoint_id = $2`,
      [tenant, id, name, base, allow, ratePerSecond],
    );
    return this.findEndpoint(id);
  }

  async revokeEndpoint(id: EndpointId): Promise<EndpointRow> {
    const { tenant } = await this.findEndpoint(id);
    await this.#rows(
      `update endpoints set revoked_at = coalesce(revoked_at, now())
       where tenant_id = $1 and endpoint_id = $2`,
      [tenant, id],
    );
    return this.findEndpoint(id);
  }

  async addKey(key: NewKey): Promise<NewApiKey> {
    const made = makeApiKey();
    await this.#write(async (transaction) => {
      await assertTenant(transaction, key.tenant);
      await insertKey(transaction, key, made);
    });
    return made;
  }

  listKeys(tenant: TenantId | null): Promise<readonly ApiKeyRow[]> {
    return this.#rows<ApiKeyRow>(
      `select ${keyColumns} from api_keys
       where $1::text is null or tenant_id = $1 order by tenant_id, created_at, key_id`,
      [tenant],
    );
  }

  async rotateKey(id: string, graceMs: number): Promise<NewApiKey> {
    assertGrace(graceMs);
    const old = await this.#key(id);
    const isOver = old.expiresAt !== null && old.expiresAt.getTime() <= Date.now();
    if (old.revokedAt !== null || isOver) throw notFound(`live key ${id}`);
    const made = makeApiKey();
    await this.#write(async (transaction) => {
      await insertKey(transaction, { ...old, expiresAt: null }, made);
      await transaction.query(
        `update api_keys set replaced_by = $3,
           expires_at = least(expires_at, now() + make_interval(secs => $4))
         where tenant_id = $1 and key_id = $2`,
        [old.tenant, id, made.id, graceMs / 1000],
      );
    });
    return made;
  }

  async revokeKey(id: string): Promise<ApiKeyRow> {
    const { tenant } = await this.#key(id);
    await this.#rows(
      `update api_keys set revoked_at = coalesce(revoked_at, now())
       where tenant_id = $1 and key_id = $2`,
      [tenant, id],
    );
    return this.#key(id);
  }

  async #key(id: string): Promise<ApiKeyRow> {
    const [row] = await this.#rows<ApiKeyRow>(
      `select ${keyColumns} from api_keys where key_id = $1`,
      [id],
    );
    if (row === undefined) throw notFound(`key ${id}`);
    return row;
  }

  #seal(
    tenant: TenantId,
    id: EndpointId,
    credentials: Readonly<Record<string, string>>,
  ): Promise<string> {
    return this.keyRing.sealSecret(tenant, credentialPlace(id), JSON.stringify(credentials));
  }

  #write(work: (transaction: Transaction) => Promise<void>): Promise<void> {
    return inTransaction(this.database, work);
  }

  async #rows<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return this.#reach(async () => (await this.database.query<Row>(text, [...values])).rows);
  }

  async #reach<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw postgresError(thrown);
    }
  }
}

async function assertTenant(transaction: Transaction, tenant: TenantId): Promise<void> {
  const found = await transaction.query('select from tenants where tenant_id = $1', [tenant]);
  if (found.rowCount === 0) throw notFound(`tenant ${tenant}; add it first`);
}

async function insertCredential(
  transaction: Transaction,
  tenant: TenantId,
  id: EndpointId,
  sealed: string,
): Promise<void> {
  await transaction.query(
    'insert into endpoint_credentials (tenant_id, endpoint_id, sealed) values ($1, $2, $3)',
    [tenant, id, sealed],
  );
}

async function insertKey(transaction: Transaction, key: NewKey, made: NewApiKey): Promise<void> {
  await transaction.query(
    `insert into api_keys (tenant_id, key_id, role, name, secret_hash, expires_at)
     values ($1, $2, $3, $4, $5, $6)`,
    [key.tenant, made.id, key.role, key.name, made.secretHash, key.expiresAt],
  );
}

function assertGrace(graceMs: number): void {
  if (!(graceMs >= 0 && graceMs <= maxGraceMs)) {
    throw new TrunklineError('parameter_invalid', 'a grace period lies within 0 and 7 days');
  }
}

const notFound = (what: string): TrunklineError =>
  new TrunklineError('not_found', `there is no ${what}`);
