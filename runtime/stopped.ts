// The alert of every station: consumers that stand still for good. Comes in: a stop and its error. Goes
// out: one gauge, by station and reason; readiness fails beside it.

import { Gauge } from 'prom-client';

import { TrunklineError, type ErrorCode } from './errors.js';
import type { Metrics } from './metrics.js';

export type ConsumerStation = 'processors' | 'projections' | 'gateway';

const name = 'trunkline_consumer_stopped_partitions';

/** Reasons with a runbook of their own; anything else is `other`. */
const reasons: readonly ErrorCode[] = [
  ...(['log_loss', 'log_position', 'record_invalid', 'mark_mismatch'] as const),
  ...(['state_version', 'schema_unknown', 'value_unreadable', 'projection_stopped'] as const),
];

/** Counts a partition that its station reads no more until somebody has acted and starts it again. */
export function noteStopped(metrics: Metrics, station: ConsumerStation, error: Error): void {
  const code = error instanceof TrunklineError ? error.code : null;
  const reason = reasons.find((one) => one === code) ?? 'other';
  stoppedGauge(metrics).inc({ station, reason });
}

/** Made once for each registry, at zero for every station that runs. */
export function watchStops(metrics: Metrics, station: ConsumerStation): void {
  for (const reason of [...reasons, 'other']) stoppedGauge(metrics).set({ station, reason }, 0);
}

function stoppedGauge(metrics: Metrics): Gauge<'station' | 'reason'> {
  const known = metrics.getSingleMetric(name);
  if (known instanceof Gauge) return known;
  return new Gauge({
    name,
    help: 'Partitions that a station reads no more: somebody must act (docs/runbooks)',
    labelNames: ['station', 'reason'],
    registers: [metrics],
  });
}
