// Gateway: the station. In: the log, the read models, credentials and an HTTP server. Out: the stream, the
// query API and the live page, until the signal aborts.

import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Mark } from '../log/mark.js';
import { toError } from '../runtime/errors.js';
import { packageRoot } from '../runtime/package-root.js';
import { asyncApi } from './asyncapi.js';
import { assemble, type Gateway, type GatewayDeps } from './assemble.js';
import { handlerOf, jsonAnswer } from './http.js';
import { openApiOf } from './openapi.js';
import { routesOf } from './pipeline.js';
import { tickEveryMs } from './sockets.js';
import { lowestMarks } from './start-marks.js';
import { readPages, servePages } from './static.js';
import { statsEveryMs } from './stats-feed.js';

export type { GatewayDeps } from './assemble.js';

const sweepEveryMs = 100;

/**
 * Runs the gateway until the signal aborts, then drains: readiness off, clients told, sockets closed
 * within `drainMs`. Rejects when the log cannot be read any more.
 */
export async function runGateway(deps: GatewayDeps, signal: AbortSignal): Promise<void> {
  const gateway = assemble(deps);
  const routes = routesOf(gateway.routes);
  for (const route of routes) deps.httpServer.route(route, handlerOf(route, gateway.routes.router));
  const openApi = openApiOf(routes, deps.version);
  deps.httpServer.route({ method: 'GET', pattern: '/openapi.json' }, () => jsonAnswer(openApi));
  const stream = asyncApi(deps.version);
  deps.httpServer.route({ method: 'GET', pattern: '/asyncapi.json' }, () => jsonAnswer(stream));
  servePages(deps.httpServer, await readPages(join(packageRoot(), 'dist/web')));

  const starts = await startMarks(deps, signal);
  if (starts === null) return;
  const feed = gateway.begin(starts);
  const stopTimers = runTimers(gateway);
  try {
    await feed.run(signal);
    // Every partition was lost: nothing to read any more, but reads and the reason are still served.
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    gateway.isDraining = true;
    await gateway.sockets.drain(deps.drainMs / 2);
    stopTimers();
    await gateway.facts.close();
  }
}

/** Retries while Postgres is away; null when the signal aborts first. */
async function startMarks(
  { database, versions, log, logger }: GatewayDeps,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Mark> | null> {
  for (let waitMs = 100; !signal.aborted; waitMs = Math.min(waitMs * 2, 5_000)) {
    try {
      return await lowestMarks(database, versions, log.partitions);
    } catch (thrown) {
      const error = toError(thrown).message;
      logger.warn({ code: 'marks_unreadable', error }, 'the marks are read again');
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
  return null;
}

/** Everything that happens by the clock; stopped by what it returns. */
function runTimers({ stream, stats, sockets, metrics }: Gateway): () => void {
  const timers = [
    setInterval(() => {
      stream.fanOut.sweep();
    }, sweepEveryMs),
    setInterval(() => {
      stats.tick();
    }, statsEveryMs),
    setInterval(() => {
      sockets.tick();
      metrics.ringEvents.set(stream.rings.events);
      metrics.ringBytes.set(stream.rings.bytes);
    }, tickEveryMs),
  ];
  return () => {
    timers.forEach(clearInterval);
  };
}
