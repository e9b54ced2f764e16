// Command line: health and metrics of a process without the gateway role. In: checks and metrics. Out:
// the same routes the gateway has.

import type { Config } from '../runtime/config.js';
import type { Health } from '../runtime/health.js';
import type { HttpServer } from '../runtime/http.js';
import type { Metrics } from '../runtime/metrics.js';
import { aliveAnswer, metricsAnswer, readyAnswer, readyChecks } from '../runtime/system-answers.js';

export interface SystemParts {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly config: Pick<Config, 'TRUNKLINE_METRICS_TOKEN'>;
}

/** Registers `/health`, `/health/ready` and `/metrics`. */
export function serveSystem(server: HttpServer, { health, metrics, config }: SystemParts): void {
  const token = config.TRUNKLINE_METRICS_TOKEN ?? null;
  server.route({ method: 'GET', pattern: '/health' }, aliveAnswer);
  server.route({ method: 'GET', pattern: '/health/ready' }, async () =>
    readyAnswer(await readyChecks(health)),
  );
  server.route({ method: 'GET', pattern: '/metrics' }, (request) =>
    metricsAnswer(metrics, token, request),
  );
}
