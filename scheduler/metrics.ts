// Metrics of the scheduler.

import { Counter, Gauge } from 'prom-client';

import type { Metrics } from '../runtime/metrics.js';
import { timerNames } from '../schemas/timers.js';
import { inferenceReasons } from './timer-fact.js';

export interface SchedulerMetrics {
  /** 1 while this process is the one at work. */
  readonly leading: Gauge;
  readonly terms: Counter;
  readonly told: Counter<'name'>;
  /** Told before, and still there: the processors or the projections lag. */
  readonly repeated: Counter;
  readonly inferred: Counter<'reason'>;
  readonly waiting: Gauge;
  readonly late: Gauge;
  readonly lateSeconds: Gauge;
  readonly leaps: Counter;
  readonly failures: Counter;
}

/** Makes the scheduler's metrics in `registry`, all at zero. */
export function createSchedulerMetrics(registry: Metrics): SchedulerMetrics {
  const named = (what: string, help: string) => ({
    name: `trunkline_scheduler_${what}`,
    help,
    registers: [registry],
  });
  const told = new Counter({
    ...named('timers_told_total', 'Timers that ran out and were told, by name'),
    labelNames: ['name'] as const,
  });
  for (const name of timerNames) told.inc({ name }, 0);
  const inferred = new Counter({
    ...named('inferences_total', 'Ends of calls that were inferred, by reason'),
    labelNames: ['reason'] as const,
  });
  for (const reason of inferenceReasons) inferred.inc({ reason }, 0);
  return {
    told,
    inferred,
    leading: new Gauge(named('leading', '1 while this process holds the lease')),
    terms: new Counter(named('terms_total', 'Times this process took the lease')),
    repeated: new Counter(named('timers_repeated_total', 'Timers that had to be told again')),
    waiting: new Gauge(named('timers_waiting', 'Timers told whose rows are still there')),
    late: new Gauge(named('timers_late', 'Timers that are due for more than a minute')),
    lateSeconds: new Gauge(named('timers_late_seconds', 'Age of the timer that is late longest')),
    leaps: new Counter(named('clock_leaps_total', 'Leaps of the database clock against our own')),
    failures: new Counter(named('failures_total', 'Rounds that failed and were tried again')),
  };
}
