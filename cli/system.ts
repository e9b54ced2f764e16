// Command line: health and metrics of a process without the gateway role. In: checks and metrics. Out:
// the same routes the gateway has.

import { createHash, timingSafeEqual } from 'node:crypto';

import type { Config } from '../runtime/config.js';
import type { Health } from '../runtime/health.js';
import { problem, type HttpRequest, type HttpServer } from '../runtime/http.js';
import type { Metrics } from '../runtime/metrics.js';

export interface SystemParts {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly config: Pick<Config, 'TRUNKLINE_METRICS_TOKEN'>;
}

/** Registers `/health`, `/health/ready` and `/metrics`. */
export function serveSystem(server: HttpServer, { health, metrics, config }: SystemParts): void {
  const json = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  server.route({ method: 'GET', pattern: '/health' }, () => ({
    status: 200,
    headers: json,
    body: JSON.stringify({ status: 'ok' }),
  }));
  server.route({ method: 'GET', pattern: '/health/ready' }, async () => {
    const report = await health.report();
    const checks = report.checks.map(({ name, status, detail }) => ({
      name,
      ok: status !== 'failed',
      ...(detail === undefined ? {} : { detail }),
    }));
    const status = report.ready ? 'ready' : 'not ready';
    const body = JSON.stringify({ status, checks });
    return { status: report.ready ? 200 : 503, headers: json, body };
  });
  server.route({ method: 'GET', pattern: '/metrics' }, async (request) => {
    if (!maySeeMetrics(request, config.TRUNKLINE_METRICS_TOKEN)) {
      return problem('unauthenticated', 'metrics need their own token');
    }
    const headers = { 'content-type': metrics.contentType, 'cache-control': 'no-store' };
    return { status: 200, headers, body: await metrics.metrics() };
  });
}

/** With a token its holder; without one, loopback only. Compared by digest, in constant time. */
function maySeeMetrics(request: HttpRequest, token: string | undefined): boolean {
  if (token === undefined) return /^(::1|(::ffff:)?127\.)/.test(request.clientAddress);
  const given = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
