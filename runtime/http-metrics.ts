// Metrics of the HTTP server of one process: what it holds and what it turned away before any handler.

import { Counter, Gauge } from 'prom-client';

import type { HttpCounts } from './http-bounds.js';
import type { Metrics } from './metrics.js';

/** Exports the counts of a server, read when scraped. */
export function exportHttpMetrics(metrics: Metrics, counts: HttpCounts): void {
  const registers = [metrics];
  new Gauge({
    name: 'trunkline_http_connections',
    help: 'Open connections, WebSockets not among them',
    registers,
    collect() {
      this.set(counts.connections);
    },
  });
  new Gauge({
    name: 'trunkline_http_body_bytes',
    help: 'Bytes held of request bodies that are not complete yet',
    registers,
    collect() {
      this.set(counts.bodyBytes);
    },
  });
  new Counter({
    name: 'trunkline_http_refused_total',
    help: 'Connections and requests that were turned away before any handler saw them',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of counts.refused) this.inc({ reason }, count);
    },
  });
}
