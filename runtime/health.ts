// Health: named checks that /health/ready and `doctor` read. In: checks of the stations. Out: one
// report; a check that hangs or throws is a failed check, never a failed report.

import type { Clock } from './clock.js';
import { steadyClock } from './clock.js';
import { TrunklineError, toError } from './errors.js';

/** `degraded`: works, but somebody should look. `failed`: cannot do its work now. */
export type HealthStatus = 'ok' | 'degraded' | 'failed';

export interface HealthResult {
  readonly status: HealthStatus;
  /** For people: what is wrong and what to do. Safe to show without a sign-in. */
  readonly detail?: string;
}

export interface HealthReport {
  /** The worst of all checks. */
  readonly status: HealthStatus;
  /** False when a check failed: take no new traffic here. */
  readonly ready: boolean;
  readonly checks: readonly (HealthResult & { readonly name: string; readonly tookMs: number })[];
}

export type HealthCheck = () => HealthResult | Promise<HealthResult>;

export interface Health {
  /** Adds a check; the returned function takes it away. A name is used once. */
  add(name: string, check: HealthCheck): () => void;
  /** Runs all checks side by side. */
  report(): Promise<HealthReport>;
}

const severity: Readonly<Record<HealthStatus, number>> = { ok: 0, degraded: 1, failed: 2 };

/** `timeoutMs` bounds each check. */
export function createHealth(
  options: { readonly timeoutMs?: number; readonly clock?: Clock } = {},
): Health {
  const checks = new Map<string, HealthCheck>();
  const clock = options.clock ?? steadyClock;
  const timeoutMs = options.timeoutMs ?? 2_000;
  return {
    add: (name, check) => {
      if (checks.has(name)) throw new Error(`there is a health check ${name} already`);
      checks.set(name, check);
      return () => checks.delete(name);
    },
    report: async () => {
      const results = await Promise.all(
        [...checks].map(async ([name, check]) => {
          const startedAt = clock();
          const result = await bounded(check, timeoutMs);
          return { name, ...result, tookMs: clock() - startedAt };
        }),
      );
      const status = results.reduce<HealthStatus>(
        (worst, { status: one }) => (severity[one] > severity[worst] ? one : worst),
        'ok',
      );
      return { status, ready: status !== 'failed', checks: results };
    },
  };
}

async function bounded(check: HealthCheck, timeoutMs: number): Promise<HealthResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<HealthResult>((resolve) => {
    const result: HealthResult = { status: 'failed', detail: `no answer in ${timeoutMs} ms` };
    timer = setTimeout(() => resolve(result), timeoutMs);
    timer.unref();
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch (thrown) {
    return { status: 'failed', detail: describe(toError(thrown)) };
  } finally {
    clearTimeout(timer);
  }
}

/** Our own errors are worded for people and hold nothing personal; others may hold anything. */
const describe = (error: Error): string =>
  error instanceof TrunklineError ? error.message : 'the check failed; see the log';
