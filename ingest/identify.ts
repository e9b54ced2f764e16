// Ingest: which endpoint a request is for. Comes in: the id in the path. Goes out: the endpoint with its
// tenant, provider and credentials, or null. Nothing else of a request picks anything.

import type { HttpRequest } from '../runtime/http.js';
import type { Endpoint, Registry } from '../runtime/registry.js';
import { parseEndpointId } from '../schemas/ids.js';

/** Null for an id nobody has and for a text that is no id: both are answered alike. */
export function identifyEndpoint(request: HttpRequest, registry: Registry): Endpoint | null {
  const id = parseEndpointId(request.params[0] ?? '');
  return id === null ? null : registry.endpoint(id);
}
