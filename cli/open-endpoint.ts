// Command line: an endpoint of an installation with its live credentials. Comes in: the open installation. Goes
// out: the endpoint, and what a refused delivery of it is compared with; null where there is none of this id.

import { systemClock } from '../runtime/clock.js';
import { createDiagnosisStore } from '../runtime/diagnosis-store.js';
import { createLogger } from '../runtime/logger.js';
import { openRegistry } from '../runtime/registry-cache.js';
import type { Endpoint } from '../runtime/registry.js';
import type { EndpointId } from '../schemas/ids.js';
import type { Installation } from './installation.js';

/** An endpoint and what it may be taken for. */
export interface FoundEndpoint {
  readonly endpoint: Endpoint;
  /** The tenant's other endpoints. */
  readonly others: readonly Endpoint[];
  /** Credentials the endpoint had before. */
  readonly retired: readonly Readonly<Record<string, string>>[];
}

/** Reads the registry once. */
export async function endpointIn(
  { database, databaseUrl, keyRing, config }: Installation,
  id: EndpointId,
): Promise<FoundEndpoint | null> {
  const controller = new AbortController();
  try {
    const defaultPublicUrl = (): string => config.TRUNKLINE_PUBLIC_URL ?? 'http://127.0.0.1:8080';
    const logger = createLogger({ level: 'warn' });
    const deps = { database, databaseUrl, keyRing, logger, clock: systemClock, defaultPublicUrl };
    const registry = await openRegistry(deps, controller.signal);
    const endpoint = registry.endpoint(id);
    if (endpoint === null) return null;
    const others = registry.endpointsOf(endpoint.tenant).filter((one) => one.id !== id);
    const store = createDiagnosisStore(database, keyRing);
    return { endpoint, others, retired: await store.retiredCredentials(endpoint.tenant, id) };
  } finally {
    controller.abort();
  }
}
