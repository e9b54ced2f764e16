// Gateway: GET /v1/endpoints. In: nothing. Out: the tenant's webhook endpoints and the age and use of their
// credentials, without any secret.

import { setTimeout as pause } from 'node:timers/promises';

import { z } from 'zod';

import { readCredentials, type CredentialItem } from '../../runtime/diagnosis-store.js';
import { asTenant, type Database } from '../../runtime/postgres.js';
import { webhookUrl, type Endpoint, type Registry } from '../../runtime/registry.js';
import { defineRoute, jsonAnswer, type Route } from '../http.js';

const credentialSchema = z.object({
  id: z.string(),
  createdAt: z.iso.datetime(),
  /** When a rotated one ends by itself; null for the newest. */
  expiresAt: z.iso.datetime().nullable(),
  /** Accepted deliveries it verified, counted every few seconds. */
  uses: z.number(),
  lastUsedAt: z.iso.datetime().nullable(),
});

const endpointSchema = z.object({
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  webhookUrl: z.string(),
  allow: z.array(z.string()),
  ratePerSecond: z.number().nullable(),
  /** Live ones, newest first; null while PostgreSQL does not answer. */
  credentials: z.array(credentialSchema).nullable(),
});

const iso = (ms: number): string => new Date(ms).toISOString();

const credentialOf = (row: CredentialItem): z.output<typeof credentialSchema> => ({
  id: row.id,
  createdAt: iso(row.createdAt),
  expiresAt: row.expiresAt === null ? null : iso(row.expiresAt),
  uses: row.uses,
  lastUsedAt: row.lastUsedAt === null ? null : iso(row.lastUsedAt),
});

/** Built field by field: a credential added to Endpoint later does not appear here by itself. */
const itemOf = (
  endpoint: Endpoint,
  credentials: readonly CredentialItem[] | null,
): z.output<typeof endpointSchema> => ({
  id: endpoint.id,
  provider: endpoint.provider,
  name: endpoint.name,
  webhookUrl: webhookUrl(endpoint.publicBaseUrl, endpoint.id),
  allow: [...endpoint.allow],
  ratePerSecond: endpoint.ratePerSecond,
  credentials: credentials?.filter((row) => row.endpoint === endpoint.id).map(credentialOf) ?? null,
});

/** Endpoints are told from memory: how long their list may wait for what only PostgreSQL knows. */
const patienceMs = 1_000;

/** Endpoints of the caller's tenant. */
export function endpointRoute(registry: Registry, database: Database): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/endpoints',
    summary: 'Webhook endpoints with the age and use of their credentials, without secrets',
    permission: 'endpoints.read',
    query: z.strictObject({}),
    params: z.object({}),
    answer: { status: 200, schema: z.object({ data: z.array(endpointSchema) }) },
    async handle({ principal: { tenant } }) {
      const asked = asTenant(database, tenant, (transaction) =>
        readCredentials(transaction, tenant),
      ).catch(() => null);
      const credentials = await Promise.race([asked, pause(patienceMs, null, { ref: false })]);
      const data = registry.endpointsOf(tenant).map((one) => itemOf(one, credentials));
      return jsonAnswer({ data });
    },
  });
}
