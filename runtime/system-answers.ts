// What every process tells about itself over HTTP: is it alive, may it be sent traffic, its metrics. Comes
// in: checks and the metrics registry. Goes out: answers; nothing of a tenant is in them.

import { createHash, timingSafeEqual } from 'node:crypto';

import type { Health, HealthStatus } from './health.js';
import { problem, type HttpRequest, type HttpResponse } from './http.js';
import type { Metrics } from './metrics.js';

/** A thing that must hold for this process to be sent traffic. */
export interface ReadyCheck {
  readonly name: string;
  readonly ok: boolean;
  /** `degraded` holds, but somebody should look. */
  readonly status?: HealthStatus;
  /** For operators; no personal data, no secret. */
  readonly detail?: string;
}

const json = { 'content-type': 'application/json', 'cache-control': 'no-store' };

/** `GET /health`: the process is alive. */
export const aliveAnswer = (): HttpResponse => ({
  status: 200,
  headers: json,
  body: JSON.stringify({ status: 'ok' }),
});

/** `GET /health/ready`: 200 when every check holds, else 503 and the reasons. */
export function readyAnswer(checks: readonly ReadyCheck[]): HttpResponse {
  const isReady = checks.every(({ ok }) => ok);
  const body = JSON.stringify({ status: isReady ? 'ready' : 'not ready', checks });
  return { status: isReady ? 200 : 503, headers: json, body };
}

/** The checks of a process, as readiness reads them: what is degraded still takes traffic. */
export async function readyChecks(health: Health): Promise<readonly ReadyCheck[]> {
  const { checks } = await health.report();
  return checks.map(({ name, status, detail }) => ({
    name,
    ok: status !== 'failed',
    status,
    ...(detail === undefined ? {} : { detail }),
  }));
}

/** `GET /metrics`: for the holder of the token; without a token, for loopback only. */
export async function metricsAnswer(
  metrics: Metrics,
  token: string | null,
  request: HttpRequest,
): Promise<HttpResponse> {
  const given = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  const isPermitted = token === null ? isLocal(request) : isEqual(given, token);
  if (!isPermitted) return problem('unauthenticated', 'metrics need their own token');
  const headers = { 'content-type': metrics.contentType, 'cache-control': 'no-store' };
  return { status: 200, headers, body: await metrics.metrics() };
}

/**
 * True for a request that began on this machine. A proxy or a tunnel here brings strangers in from
 * loopback, and says so by one of these headers.
 */
export const isLocal = ({ clientAddress, headers }: HttpRequest): boolean =>
  isLoopback(clientAddress) && !forwardedBy.some((name) => headers.has(name));

const forwardedBy = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

/** An address of the loopback interface, IPv4-mapped ones included. */
const isLoopback = (address: string): boolean =>
  address === '::1' || /^(?:::ffff:)?127\./.test(address);

/** Compared by digest, so that neither length nor content shows in the time it takes. */
function isEqual(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
