// Metrics of the scheduler.

import { Counter, Gauge } from 'prom-client';

import type { Metrics } from '../runtime/metrics.js';
import { timerNames } from '../schemas/timers.js';
import { askOutcomes } from './asker.js';
import { differenceKinds } from './compare.js';
import { apiNames } from './providers/registry.js';
import { inferenceReasons } from './timer-fact.js';

/** Those whose API we do not know are one: names of providers come from a closed set here. */
export const otherProvider = 'other';

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
  /** Questions to providers' APIs, by how they were answered. */
  readonly asks: Counter<'provider' | 'outcome'>;
  readonly breakers: Gauge;
  /** Differences between providers’ lists of calls and ours. */
  readonly differences: Counter<'provider' | 'kind'>;
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
  const asks = new Counter({
    ...named('asks_total', 'Calls that providers were asked after, by outcome'),
    labelNames: ['provider', 'outcome'] as const,
  });
  for (const provider of [...apiNames, otherProvider]) {
    for (const outcome of askOutcomes) asks.inc({ provider, outcome }, 0);
  }
  const differences = new Counter({
    ...named('differences_total', 'Calls that differed from the provider’s list, by kind'),
    labelNames: ['provider', 'kind'] as const,
  });
  for (const provider of apiNames) {
    for (const kind of differenceKinds) differences.inc({ provider, kind }, 0);
  }
  return {
    asks,
    differences,
    breakers: new Gauge(named('breakers_open', 'Accounts at providers whose breaker is open')),
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
