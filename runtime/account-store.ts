// Accounts at providers, whose API is asked after calls. In: commands of an operator. Out: rows without any secret,
// and for the scheduler the opened credentials; they are sealed before they reach the database.

import { randomBytes } from 'node:crypto';

import type { ProviderName } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import { TrunklineError } from './errors.js';
import type { KeyRing } from './keys.js';
import { postgresError, type Database } from './postgres.js';

export interface AccountRow {
  readonly tenant: TenantId;
  readonly id: string;
  readonly provider: ProviderName;
  readonly name: string;
  /** Null: where the provider's own API is. */
  readonly baseUrl: string | null;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
}

export interface NewAccount {
  readonly tenant: TenantId;
  readonly provider: ProviderName;
  readonly name: string;
  readonly baseUrl: string | null;
  /** Named as the provider's API file asks. */
  readonly credentials: Readonly<Record<string, string>>;
}

/** An account with its credentials opened. */
export interface OpenAccount extends AccountRow {
  readonly credentials: Readonly<Record<string, string>>;
}

/** Unknown ids throw `not_found`. */
export interface AccountStore {
  add(account: NewAccount): Promise<AccountRow>;
  list(tenant: TenantId | null): Promise<readonly AccountRow[]>;
  /** New credentials in place of the old ones, at once. */
  change(id: string, credentials: Readonly<Record<string, string>>): Promise<AccountRow>;
  /** Its API is asked no more. */
  revoke(id: string): Promise<AccountRow>;
  find(id: string): Promise<AccountRow>;
  /** The live accounts of a tenant with a provider; null for all of them. */
  open(tenant: TenantId | null, provider: ProviderName | null): Promise<readonly OpenAccount[]>;
}

/** The store on the table of the `runtime` migrations. */
export const createAccountStore = (database: Database, keyRing: KeyRing): AccountStore =>
  new PostgresAccountStore(database, keyRing);

const columns = `tenant_id as tenant, account_id as id, provider, name, base_url as "baseUrl",
  created_at as "createdAt", revoked_at as "revokedAt"`;

const placeOf = (id: string): string => `account/${id}`;

class PostgresAccountStore implements AccountStore {
  constructor(
    private readonly database: Database,
    private readonly keyRing: KeyRing,
  ) {}

  async add({ tenant, provider, name, baseUrl, credentials }: NewAccount): Promise<AccountRow> {
    const known = await this.#rows('select from tenants where tenant_id = $1', [tenant]);
    if (known.length === 0) throw notFound(`tenant ${tenant}; add it first`);
    const id = `acc_${randomBytes(12).toString('hex')}`;
    const sealed = await this.#seal(tenant, id, credentials);
    await this.#rows(
      `insert into provider_accounts (tenant_id, account_id, provider, name, base_url, sealed)
        values ($1, $2, $3, $4, $5, $6)`,
      [tenant, id, provider, name, baseUrl?.replace(/\/+$/, '') ?? null, sealed],
    );
    return this.find(id);
  }

  list(tenant: TenantId | null): Promise<readonly AccountRow[]> {
    return this.#rows<AccountRow>(
      `select ${columns} from provider_accounts where $1::text is null or tenant_id = $1
        order by tenant_id, created_at, account_id`,
      [tenant],
    );
  }

  async change(id: string, credentials: Readonly<Record<string, string>>): Promise<AccountRow> {
    const { tenant, revokedAt } = await this.find(id);
    if (revokedAt !== null) throw notFound(`live account ${id}`);
    const sealed = await this.#seal(tenant, id, credentials);
    await this.#rows(
      `update provider_accounts set sealed = $3, changed_at = now()
        where tenant_id = $1 and account_id = $2`,
      [tenant, id, sealed],
    );
    return this.find(id);
  }

  async revoke(id: string): Promise<AccountRow> {
    const { tenant } = await this.find(id);
    await this.#rows(
      `update provider_accounts set revoked_at = coalesce(revoked_at, now())
        where tenant_id = $1 and account_id = $2`,
      [tenant, id],
    );
    return this.find(id);
  }

  async find(id: string): Promise<AccountRow> {
    const [row] = await this.#rows<AccountRow>(
      `select ${columns} from provider_accounts where account_id = $1`,
      [id],
    );
    if (row === undefined) throw notFound(`account ${id}`);
    return row;
  }

  async open(
    tenant: TenantId | null,
    provider: ProviderName | null,
  ): Promise<readonly OpenAccount[]> {
    const rows = await this.#rows<AccountRow & { readonly sealed: string }>(
      `select ${columns}, sealed from provider_accounts
        where revoked_at is null and ($1::text is null or tenant_id = $1)
          and ($2::text is null or provider = $2)
        order by tenant_id, created_at, account_id`,
      [tenant, provider],
    );
    return Promise.all(
      rows.map(async ({ sealed, ...row }) => {
        const text = await this.keyRing.openSecret(row.tenant, placeOf(row.id), sealed);
        return { ...row, credentials: JSON.parse(text) as Readonly<Record<string, string>> };
      }),
    );
  }

  #seal(
    tenant: TenantId,
    id: string,
    credentials: Readonly<Record<string, string>>,
  ): Promise<string> {
    return this.keyRing.sealSecret(tenant, placeOf(id), JSON.stringify(credentials));
  }

  async #rows<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      return (await this.database.query<Row>(text, [...values])).rows;
    } catch (thrown) {
      throw postgresError(thrown);
    }
  }
}

const notFound = (what: string): TrunklineError =>
  new TrunklineError('not_found', `there is no ${what}`);
