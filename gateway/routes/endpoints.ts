// Gateway: GET /v1/endpoints. In: nothing. Out: the tenant's webhook endpoints, without any secret.

import { z } from 'zod';

import { webhookUrl, type Endpoint, type Registry } from '../../runtime/registry.js';
import { defineRoute, jsonAnswer, type Route } from '../http.js';

const endpointSchema = z.object({
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  webhookUrl: z.string(),
  allow: z.array(z.string()),
  ratePerSecond: z.number().nullable(),
});

/** Built field by field: a credential added to Endpoint later does not appear here by itself. */
const itemOf = (endpoint: Endpoint): z.output<typeof endpointSchema> => ({
  id: endpoint.id,
  provider: endpoint.provider,
  name: endpoint.name,
  webhookUrl: webhookUrl(endpoint.publicBaseUrl, endpoint.id),
  allow: [...endpoint.allow],
  ratePerSecond: endpoint.ratePerSecond,
});

/** Endpoints of the caller's tenant. */
export function endpointRoute(registry: Registry): Route {
  return defineRoute({
    method: 'GET',
    pattern: '/v1/endpoints',
    summary: 'Webhook endpoints, without secrets',
    permission: 'endpoints.read',
    query: z.strictObject({}),
    params: z.object({}),
    answer: { status: 200, schema: z.object({ data: z.array(endpointSchema) }) },
    handle: ({ principal }) =>
      jsonAnswer({ data: registry.endpointsOf(principal.tenant).map(itemOf) }),
  });
}
