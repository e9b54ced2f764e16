// Ingest: which endpoint a request is for. Comes in: the id in the path. Goes out: the endpoint with its
// tenant, provider and credentials, or why there is none. Nothing else of a request picks anything.

import type { HttpRequest } from '../runtime/http.js';
import type { Endpoint, Registry } from '../runtime/registry.js';
import { parseEndpointId } from '../schemas/ids.js';

/** Null for an id nobody has and for a text that is no id: both are answered alike. */
export function identifyEndpoint(
  { params }: Pick<HttpRequest, 'params'>,
  registry: Registry,
): Endpoint | null {
  const id = parseEndpointId(params[0] ?? '');
  return id === null ? null : registry.endpoint(id);
}

/**
 * For an id that the registry does not hold. 404 loses a delivery for good, so it is said only of what
 * Postgres does not hold either; while it is away, an endpoint may have been added that we have not seen.
 */
export async function identifyLate(
  request: HttpRequest,
  registry: Registry,
): Promise<Endpoint | 'absent' | 'unknowable'> {
  const id = parseEndpointId(request.params[0] ?? '');
  if (id === null) return 'absent';
  const confirmation = await registry.confirm(id);
  return confirmation === 'present' ? (registry.endpoint(id) ?? 'absent') : confirmation;
}
