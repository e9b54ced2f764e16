// Command line: the scheduler of one process, composed; and what processes without one say of it. In: what the
// stations share. Out: a task for the supervisor, a health check.

import { runScheduler } from '../scheduler/main.js';
import { createAccountStore } from '../runtime/account-store.js';
import { lookAtScheduler, schedulerHealth, type SchedulerLook } from '../scheduler/status.js';
import type { HealthResult } from '../runtime/health.js';
import type { Task } from '../runtime/lifecycle.js';
import type { Role } from '../runtime/config.js';
import type { Shared } from './stations.js';

/** The role `scheduler`. */
export function schedulerTask(shared: Shared): Task {
  const { installation, log, codec, logger, metrics, health } = shared;
  const { database, keyRing, config } = installation;
  let look: SchedulerLook | null = null;
  health.add('scheduler', () => {
    if (look !== null) return schedulerHealth(look);
    return { status: 'degraded', detail: 'PostgreSQL has not told how timers stand' };
  });
  const accounts = createAccountStore(database, keyRing);
  const parts = { log, codec, database, keyRing, logger, metrics, accounts };
  const rates = {
    ratePerSecond: config.TRUNKLINE_TIMER_RATE,
    asksPerSecond: config.TRUNKLINE_ASK_RATE,
  };
  return (signal) =>
    runScheduler({ ...parts, ...rates, onLook: (now) => void (look = now) }, signal);
}

/**
 * What a gateway without a scheduler beside it says: calls that never end are seen there first. It goes on taking
 * traffic.
 */
export function watchScheduler({ installation, health }: Shared, roles: readonly Role[]): void {
  if (!roles.includes('gateway') || roles.includes('scheduler')) return;
  const { database } = installation;
  health.add('scheduler', async (): Promise<HealthResult> => {
    const found = schedulerHealth(await lookAtScheduler(database));
    return found.status === 'failed' ? { ...found, status: 'degraded' } : found;
  });
}
