// Metrics of the projections station.

import { Counter, Gauge, Histogram } from 'prom-client';

import type { Metrics } from '../runtime/metrics.js';

const ends = ['ahead', 'retry', 'stopped'] as const;

export interface ProjectionMetrics {
  readonly events: Counter;
  readonly commits: Counter;
  readonly commitSeconds: Histogram;
  readonly batchEvents: Histogram;
  /** Why lanes ended, by `reason`. */
  readonly ends: Counter<'reason'>;
  readonly lagRecords: Gauge<'partition'>;
  readonly lagSeconds: Gauge<'partition'>;
  readonly stuckPartitions: Gauge;
  readonly stoppedPartitions: Gauge;
  readonly standbyPartitions: Gauge;
}

/** Makes the station's metrics in `registry`, all at zero. */
export function createProjectionMetrics(registry: Metrics): ProjectionMetrics {
  const registers = [registry];
  const named = (what: string, help: string) => ({
    name: `trunkline_projections_${what}`,
    help,
    registers,
  });
  const endCounter = new Counter({
    ...named('lane_ends_total', 'Lanes that ended, by reason'),
    labelNames: ['reason'] as const,
  });
  for (const reason of ends) endCounter.inc({ reason }, 0);
  return {
    events: new Counter(named('events_total', 'Events whose rows are committed')),
    commits: new Counter(named('commits_total', 'Transactions of rows and marks')),
    commitSeconds: new Histogram({
      ...named('commit_seconds', 'Duration of a transaction of rows and marks'),
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    }),
    batchEvents: new Histogram({
      ...named('batch_events', 'Events per transaction'),
      buckets: [1, 5, 10, 50, 100, 250, 500, 1000, 2000, 5000],
    }),
    ends: endCounter,
    lagRecords: new Gauge({
      ...named('lag_records', 'Records of the partition that are not applied yet'),
      labelNames: ['partition'] as const,
    }),
    lagSeconds: new Gauge({
      ...named('lag_seconds', 'How long the partition has had records that are not applied'),
      labelNames: ['partition'] as const,
    }),
    stuckPartitions: new Gauge(named('stuck_partitions', 'Partitions with lag that do not move')),
    stoppedPartitions: new Gauge(named('stopped_partitions', 'Partitions that stopped loudly')),
    standbyPartitions: new Gauge(named('standby_partitions', 'Partitions another process serves')),
  };
}
