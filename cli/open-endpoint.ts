// Command line: an endpoint of an installation with its live credentials. Comes in: the open installation. Goes
// out: the endpoint, or null where there is none of this id.

import { systemClock } from '../runtime/clock.js';
import { createLogger } from '../runtime/logger.js';
import { openRegistry } from '../runtime/registry-cache.js';
import type { Endpoint } from '../runtime/registry.js';
import type { EndpointId } from '../schemas/ids.js';
import type { Installation } from './installation.js';

/** Reads the registry once. */
export async function endpointIn(
  { database, databaseUrl, keyRing, config }: Installation,
  id: EndpointId,
): Promise<Endpoint | null> {
  const controller = new AbortController();
  try {
    const defaultPublicUrl = (): string => config.TRUNKLINE_PUBLIC_URL ?? 'http://127.0.0.1:8080';
    const logger = createLogger({ level: 'warn' });
    const deps = { database, databaseUrl, keyRing, logger, clock: systemClock, defaultPublicUrl };
    const registry = await openRegistry(deps, controller.signal);
    return registry.endpoint(id);
  } finally {
    controller.abort();
  }
}
