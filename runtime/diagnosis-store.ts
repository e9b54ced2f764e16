// What ingest tells of itself in Postgres: the last refusals of each endpoint and the use of credentials. In:
// batches that ingest writes beside its work. Out: pages for the API and the command line.

import type { EndpointId, TenantId } from '../schemas/ids.js';
import type { CauseCode } from '../schemas/refusal-causes.js';
import type { KeyRing } from './keys.js';
import { postgresError } from './postgres.js';
import type { Database, Transaction } from './postgres.js';
import { credentialPlace } from './registry.js';

/** A refusal as it is kept: nothing of a body, classes of two headers, a network instead of an address. */
export interface KeptRefusal {
  readonly tenant: TenantId;
  readonly endpoint: EndpointId;
  /** Ms since 1970. */
  readonly at: number;
  readonly layer: string;
  readonly code: string;
  readonly cause: CauseCode;
  readonly also: CauseCode | null;
  /** Another endpoint of the same tenant that the cause speaks of. */
  readonly other: EndpointId | null;
  /** A provider that the cause speaks of. */
  readonly looksLike: string | null;
  /** Signed time minus ours, in ms. */
  readonly offsetMs: number | null;
  readonly method: string;
  readonly contentType: string | null;
  readonly agent: string | null;
  readonly bodyBytes: number;
  /** The client's /24 or /48. */
  readonly network: string;
  readonly correlationId: string;
  /** Refusals of the endpoint since the one before that were not written. */
  readonly unwritten: number;
}

/** A refusal with its place in the list. */
export interface RefusalItem extends Omit<KeptRefusal, 'cause' | 'also'> {
  readonly id: number;
  /** Texts: a newer version may have stored a cause that this one does not know. */
  readonly cause: string;
  readonly also: string | null;
}

/** How often a credential was used since the last batch. */
export interface CredentialUse {
  readonly tenant: TenantId;
  readonly endpoint: EndpointId;
  readonly credential: string;
  readonly uses: number;
  /** Ms since 1970. */
  readonly lastUsedAt: number;
}

/** Age and use of a credential, without the credential. Times in ms since 1970. */
export interface CredentialItem {
  readonly endpoint: EndpointId;
  readonly id: string;
  readonly createdAt: number;
  /** When it ends by itself; null for the newest. */
  readonly expiresAt: number | null;
  readonly uses: number;
  readonly lastUsedAt: number | null;
}

export interface DiagnosisStore {
  writeRefusals(refusals: readonly KeptRefusal[]): Promise<void>;
  writeUses(uses: readonly CredentialUse[]): Promise<void>;
  /** Credentials of an endpoint that ended in the last 30 days, newest first; those that do not open are left out. */
  retiredCredentials(
    tenant: TenantId,
    endpoint: EndpointId,
  ): Promise<readonly Readonly<Record<string, string>>[]>;
  /** Removes what is older than the bounds say; for endpoints that refuse nothing any more. */
  sweep(): Promise<void>;
}

/** What is kept of each endpoint: the last so many, and none older. */
export const refusalBounds = { perEndpoint: 200, days: 7 } as const;

/** The store on the tables of the `runtime` migrations. Rejects with `service_unreachable` when Postgres is away. */
export function createDiagnosisStore(database: Database, keyRing: KeyRing): DiagnosisStore {
  const run = async <T extends object>(text: string, values: unknown[] = []): Promise<T[]> => {
    try {
      return (await database.query<T>(text, values)).rows;
    } catch (thrown) {
      throw postgresError(thrown);
    }
  };
  return {
    async writeRefusals(refusals) {
      if (refusals.length === 0) return;
      const placed = refusals.map((one, place) => ({ ...one, place }));
      await run(insertRefusals, [JSON.stringify(placed)]);
      const touched = [...new Map(refusals.map((one) => [one.endpoint, one])).values()];
      const tenants = touched.map(({ tenant }) => tenant);
      await run(trimRefusals, [tenants, touched.map(({ endpoint }) => endpoint)]);
    },
    async writeUses(uses) {
      if (uses.length > 0) await run(addUses, [JSON.stringify(uses)]);
    },
    async retiredCredentials(tenant, endpoint) {
      const rows = await run<{ sealed: string }>(selectRetired, [tenant, endpoint]);
      const opened = rows.map(async ({ sealed }) => {
        const text = await keyRing.openSecret(tenant, credentialPlace(endpoint), sealed);
        return [JSON.parse(text) as Readonly<Record<string, string>>];
      });
      return (await Promise.all(opened.map((one) => one.catch(() => [])))).flat();
    },
    async sweep() {
      await run(`delete from endpoint_refusals where refused_at < ${oldest}`);
    },
  };
}

const oldest = `now() - interval '${refusalBounds.days} days'`;

// Joined with the endpoints: one that this database does not know (restored, or served from a snapshot on
// disk) must not cost the rest of the batch.
const insertRefusals = `
  insert into endpoint_refusals (tenant_id, endpoint_id, refused_at, layer, code, cause, also,
    other_endpoint, looks_like, signed_offset_ms, method, content_type, agent, body_bytes, network,
    correlation_id, unwritten)
  select r.tenant, r.endpoint, to_timestamp(r.at / 1000.0), r.layer, r.code, r.cause, r.also, r.other,
    r."looksLike", r."offsetMs", r.method, r."contentType", r.agent, r."bodyBytes", r.network,
    r."correlationId", r.unwritten
  from json_to_recordset($1::json) as r(tenant text, endpoint text, at bigint,
    layer text, code text, cause text, also text, other text, "looksLike" text, "offsetMs" bigint,
    method text, "contentType" text, agent text, "bodyBytes" int, network text,
    "correlationId" text, unwritten int, place bigint)
  join endpoints e on e.tenant_id = r.tenant and e.endpoint_id = r.endpoint
  order by r.place`;

const trimRefusals = `
  delete from endpoint_refusals d
  using unnest($1::text[], $2::text[]) as t(tenant, endpoint)
  where d.tenant_id = t.tenant and d.endpoint_id = t.endpoint
    and (d.refused_at < ${oldest} or d.refusal_id <= (
      select refusal_id from endpoint_refusals k
      where k.tenant_id = t.tenant and k.endpoint_id = t.endpoint
      order by refusal_id desc offset ${refusalBounds.perEndpoint} limit 1))`;

const addUses = `
  insert into credential_uses as u (tenant_id, endpoint_id, credential_id, uses, last_used_at)
  select c.tenant_id, c.endpoint_id, c.credential_id, r.uses, to_timestamp(r."lastUsedAt" / 1000.0)
  from json_to_recordset($1::json)
    as r(tenant text, endpoint text, credential text, uses bigint, "lastUsedAt" bigint)
  join endpoint_credentials c on c.tenant_id = r.tenant and c.endpoint_id = r.endpoint
    and c.credential_id::text = r.credential
  on conflict (tenant_id, endpoint_id, credential_id) do update
    set uses = u.uses + excluded.uses, last_used_at = greatest(u.last_used_at, excluded.last_used_at)`;

const selectRetired = `
  select sealed from endpoint_credentials
  where tenant_id = $1 and endpoint_id = $2
    and expires_at <= now() and expires_at > now() - interval '30 days'
  order by credential_id desc limit 4`;

/** Where a page of refusals goes on: older than this one. */
export interface RefusalPage {
  readonly limit: number;
  readonly before: number | null;
}

const refusalColumns = `
  tenant_id as tenant, endpoint_id as endpoint, refusal_id as id, layer, code, cause, also,
  floor(extract(epoch from refused_at) * 1000)::bigint as at, other_endpoint as other,
  looks_like as "looksLike", signed_offset_ms as "offsetMs", method, content_type as "contentType",
  agent, body_bytes as "bodyBytes", network, correlation_id as "correlationId", unwritten`;

/** A page of an endpoint's refusals, newest first; null when the tenant has no such endpoint. */
export async function readRefusals(
  transaction: Pick<Transaction, 'query'>,
  { tenant, endpoint }: { readonly tenant: TenantId; readonly endpoint: EndpointId },
  { limit, before }: RefusalPage,
): Promise<{ readonly provider: string; readonly refusals: readonly RefusalItem[] } | null> {
  const found = await transaction.query<{ provider: string }>(
    'select provider from endpoints where tenant_id = $1 and endpoint_id = $2',
    [tenant, endpoint],
  );
  const [row] = found.rows;
  if (row === undefined) return null;
  const { rows } = await transaction.query<RefusalItem>(
    `select ${refusalColumns} from endpoint_refusals
     where tenant_id = $1 and endpoint_id = $2 and refused_at >= ${oldest}
       and ($3::bigint is null or refusal_id < $3)
     order by refusal_id desc limit $4`,
    [tenant, endpoint, before, limit],
  );
  return { provider: row.provider, refusals: rows };
}

/** Live credentials of a tenant's endpoints, newest first, with their use. */
export async function readCredentials(
  transaction: Pick<Transaction, 'query'>,
  tenant: TenantId,
): Promise<readonly CredentialItem[]> {
  const { rows } = await transaction.query<CredentialItem>(
    `select c.endpoint_id as endpoint, c.credential_id::text as id,
       floor(extract(epoch from c.created_at) * 1000)::bigint as "createdAt",
       floor(extract(epoch from c.expires_at) * 1000)::bigint as "expiresAt",
       coalesce(u.uses, 0) as uses,
       floor(extract(epoch from u.last_used_at) * 1000)::bigint as "lastUsedAt"
     from endpoint_credentials c left join credential_uses u
       on u.tenant_id = c.tenant_id and u.endpoint_id = c.endpoint_id
         and u.credential_id = c.credential_id
     where c.tenant_id = $1 and (c.expires_at is null or c.expires_at > now())
     order by c.endpoint_id, c.credential_id desc`,
    [tenant],
  );
  return rows;
}
