// Command line: the moment in which a process begins to listen. Comes in: the server and the registry that was
// read before. Goes out: the port; webhook URLs have it from then on.

import type { HttpServer } from '../runtime/http.js';
import type { Registry } from '../runtime/registry.js';

export interface Listening {
  readonly server: Pick<HttpServer, 'listen'>;
  readonly registry: Pick<Registry, 'freshness' | 'refresh'>;
  readonly host: string;
  readonly port: number;
  /** Told the port that was taken, before the registry is read anew. */
  readonly onPort: (port: number) => void;
}

/**
 * Listens, then reads the registry anew: what was read before had no port in its URLs. Rejects with
 * `port_in_use`, and with nothing else: PostgreSQL may go away in this very moment as in any other, and the
 * registry serves what it has.
 */
export async function listenAndRefresh(listening: Listening): Promise<number> {
  const { server, registry, host, onPort } = listening;
  const port = await server.listen(host, listening.port);
  onPort(port);
  // Its failure is in the log already (`registry_stale`), and it is tried again.
  if (registry.freshness().isFresh) await registry.refresh().catch(() => undefined);
  return port;
}
