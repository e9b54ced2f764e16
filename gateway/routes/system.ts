// Gateway: /health, /health/ready, /metrics and the demo's session. In: checks, metrics. Out: what a load
// balancer, Prometheus and the demo page ask. Nothing of a tenant is in it.

import { z } from 'zod';

import type { Metrics } from '../../runtime/metrics.js';
import {
  aliveAnswer,
  isLocal,
  metricsAnswer,
  readyAnswer,
  type ReadyCheck,
} from '../../runtime/system-answers.js';
import { jsonAnswer, type Route } from '../http.js';

export interface SystemDeps {
  readonly checks: () => Promise<readonly ReadyCheck[]>;
  readonly metrics: Metrics;
  /** Without a token, metrics are for loopback only. */
  readonly metricsToken: string | null;
  /** Set only for `serve --demo` on loopback: a short-lived token for the demo tenant. */
  readonly demo: Demo | null;
}

/** How the demo page signs in. */
export interface Demo {
  readonly tenant: string;
  readonly session: () => Promise<{ readonly token: string; readonly expiresAt: number }>;
}

const none = z.strictObject({});
const open = {
  ...{ permission: null, query: z.object({}), params: none },
  ...{ body: null, isIdempotent: false, errors: [] },
} as const;
const noStore = { 'cache-control': 'no-store' };

/** Routes without a tenant. */
export function systemRoutes(deps: SystemDeps): readonly Route[] {
  const routes: Route[] = [
    {
      ...open,
      method: 'GET',
      pattern: '/health',
      summary: 'The process is alive',
      answer: { status: 200, schema: z.object({ status: z.literal('ok') }) },
      handle: aliveAnswer,
    },
    {
      ...open,
      method: 'GET',
      pattern: '/health/ready',
      summary: 'The process may be sent traffic; 503 and the reasons when not',
      answer: { status: 200, schema: readySchema },
      handle: async () => readyAnswer(await deps.checks()),
    },
    {
      ...open,
      method: 'GET',
      pattern: '/metrics',
      summary: 'Prometheus metrics; needs the metrics token, or loopback when there is none',
      answer: { status: 200, schema: null },
      handle: ({ request }) => metricsAnswer(deps.metrics, deps.metricsToken, request),
    },
  ];
  return [...routes, demoRoute(deps.demo)];
}

const readySchema = z.object({
  status: z.enum(['ready', 'not ready']),
  checks: z.array(
    z.object({
      name: z.string(),
      ok: z.boolean(),
      status: z.enum(['ok', 'degraded', 'failed']).optional(),
      detail: z.string().optional(),
    }),
  ),
});

/**
 * The page asks here before it asks a reader for a key. Whoever has no demo gets an answer all the same:
 * a 404 would stand as an error on the console of every browser that opens the page.
 */
function demoRoute(demo: Demo | null): Route {
  return {
    ...open,
    method: 'GET',
    pattern: '/v1/demo/session',
    summary:
      'A short-lived token for the demo tenant, under serve --demo and on loopback; else 204',
    answer: {
      status: 200,
      schema: z.object({ token: z.string(), tenant: z.string(), expiresAt: z.string() }),
    },
    async handle({ request }) {
      if (demo === null || !isLocal(request) || !isLoopbackName(request.headers.get('host'))) {
        return { status: 204, headers: noStore };
      }
      const { token, expiresAt } = await demo.session();
      const { tenant } = demo;
      return jsonAnswer({ token, tenant, expiresAt: new Date(expiresAt).toISOString() }, noStore);
    },
  };
}

/** A page of another site whose name was pointed at us (DNS rebinding) calls by that name. */
const isLoopbackName = (host: string | undefined): boolean =>
  /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(host ?? '');
