// Gateway: what operators watch. In: the metrics registry of the process. Out: counters and gauges,
// all present from the start.

import { Counter, Gauge, Histogram } from 'prom-client';

import type { Metrics } from '../runtime/metrics.js';
import type { ResyncReason } from '../schemas/live-frames.js';

const resyncReasons = ['epoch', 'too_old', 'gap', 'slow'] as const satisfies ResyncReason[];
const closeReasons = [
  'slow',
  'unauthenticated',
  'expired',
  'too_large',
  'shutdown',
  'unavailable',
] as const;
export type CloseReason = (typeof closeReasons)[number];

export interface GatewayMetrics {
  readonly connections: Gauge;
  readonly subscriptions: Gauge;
  /** Frames to single sockets; frames to groups are counted once in `published`. */
  readonly frames: Counter;
  readonly published: Counter;
  readonly resyncs: Counter<'reason'>;
  readonly slow: Counter;
  readonly closed: Counter<'reason'>;
  readonly denied: Counter;
  readonly ringEvents: Gauge;
  readonly ringBytes: Gauge;
  readonly lag: Gauge<'partition'>;
  readonly lost: Gauge;
  /** From the log's own time of an event to its frames being handed to the transport. */
  readonly delay: Histogram;
  readonly requests: Counter<'route' | 'status'>;
}

/** Registers the gateway's metrics, zero-initialised. */
export function createGatewayMetrics(registry: Metrics): GatewayMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge({ name: `trunkline_gateway_${name}`, help, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name: `trunkline_gateway_${name}`, help, registers });
  const labelled = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: `trunkline_gateway_${name}`, help, labelNames, registers });
  const metrics: GatewayMetrics = {
    connections: gauge('connections', 'open WebSockets'),
    subscriptions: gauge('subscriptions', 'open subscriptions'),
    frames: counter('frames_total', 'frames sent to single sockets'),
    published: counter('published_frames_total', 'frames handed to publish groups'),
    resyncs: labelled('resyncs_total', 'subscriptions begun again, by reason', ['reason']),
    slow: counter('slow_total', 'times a reader fell behind and was conflated'),
    closed: labelled('closed_total', 'sockets closed by the gateway, by reason', ['reason']),
    denied: counter('denied_total', 'requests and subscriptions a role may not make'),
    ringEvents: gauge('ring_events', 'events kept for resuming'),
    ringBytes: gauge('ring_bytes', 'bytes of events kept for resuming'),
    lag: new Gauge({
      name: 'trunkline_gateway_lag_records',
      help: 'records of the log not read yet, by partition',
      labelNames: ['partition'],
      registers,
    }),
    lost: gauge('lost_partitions', 'partitions that are no longer followed after a loss'),
    delay: new Histogram({
      name: 'trunkline_gateway_delay_seconds',
      help: 'from the append of an event to its frames',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
    requests: labelled('requests_total', 'HTTP requests by route and status', ['route', 'status']),
  };
  for (const reason of resyncReasons) metrics.resyncs.inc({ reason }, 0);
  for (const reason of closeReasons) metrics.closed.inc({ reason }, 0);
  return metrics;
}
