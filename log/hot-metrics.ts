// The hot tier: what is counted and told of it. Comes in: its watch. Goes out: metrics, a log line for each
// change, and a report for health.

import { Counter, Gauge, Histogram } from 'prom-client';

import type { HealthResult } from '../runtime/health.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import { hotOutcomes } from './hot-store.js';
import { hotAbsences, type HotWatch } from './hot-tier.js';

const reads = ['answered', 'none', 'away', ...hotAbsences] as const;
const writes = [...hotOutcomes, 'away', ...hotAbsences] as const;

/** Of the tier of one process. */
export class HotMetrics implements HotWatch {
  readonly #reads: Counter<'outcome'>;
  readonly #writes: Counter<'what' | 'outcome'>;
  readonly #rows: Counter<'what'>;
  readonly #seconds: Histogram;
  readonly #used: Gauge;
  #health: HealthResult = { status: 'ok', detail: 'Redis is not asked yet' };

  constructor(
    metrics: Metrics,
    private readonly logger: Logger,
  ) {
    const registers = [metrics];
    const named = (what: string, help: string) => ({
      name: `trunkline_hot_tier_${what}`,
      help,
      registers,
    });
    this.#reads = new Counter({
      ...named('reads_total', 'Lookups of states in Redis, by outcome'),
      labelNames: ['outcome'] as const,
    });
    this.#writes = new Counter({
      ...named('writes_total', 'Changes of states in Redis, by what asked and outcome'),
      labelNames: ['what', 'outcome'] as const,
    });
    this.#rows = new Counter({
      ...named('written_rows_total', 'States written to Redis'),
      labelNames: ['what'] as const,
    });
    this.#seconds = new Histogram({
      ...named('read_seconds', 'Time of a lookup of states in Redis that was answered'),
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
    });
    this.#used = new Gauge(named('used', '1 while states are looked up in Redis first'));
    for (const outcome of reads) this.#reads.inc({ outcome }, 0);
    for (const what of ['apply', 'fill']) {
      this.#rows.inc({ what }, 0);
      for (const outcome of writes) this.#writes.inc({ what, outcome }, 0);
    }
  }

  get health(): HealthResult {
    return this.#health;
  }

  used(afterMs: number | null): void {
    this.#used.set(1);
    this.#health = { status: 'ok', detail: 'states are looked up in Redis first' };
    this.logger.info({ code: 'hot_tier_used', afterMs }, 'states are looked up in Redis first');
  }

  away(...[absence, reason]: Parameters<HotWatch['away']>): void {
    this.#used.set(0);
    const detail = `Redis is away (${absence}, ${reason}): states are looked up in PostgreSQL alone`;
    this.#health = { status: 'degraded', detail };
    this.logger.warn(
      { code: 'hot_tier_away', absence, reason },
      'Redis is away: states are looked up in PostgreSQL alone',
    );
  }

  read(...[outcome, seconds]: Parameters<HotWatch['read']>): void {
    this.#reads.inc({ outcome });
    if (outcome === 'answered') this.#seconds.observe(seconds);
  }

  wrote(...[what, outcome, rows]: Parameters<HotWatch['wrote']>): void {
    this.#writes.inc({ what, outcome });
    if (outcome === 'written' || outcome === 'begun') this.#rows.inc({ what }, rows);
  }
}
