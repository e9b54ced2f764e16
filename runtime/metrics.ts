// Metrics of one process (prom-client). Each station makes its own in `<station>/metrics.ts` with
// this registry, zero-initialised, named `trunkline_<station>_<what>_<unit>`.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';

export type Metrics = Registry;

/** A registry with what every process tells of itself. */
export function createMetrics(): Registry {
  const registry = new Registry();
  addProcessMetrics(registry);
  return registry;
}

/**
 * CPU, memory and event loop delay, read when scraped. prom-client's own default set is not used: it
 * has 40 series, and its timers run between scrapes.
 */
function addProcessMetrics(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: 'trunkline_process_cpu_seconds_total',
    help: 'User and system CPU time of this process',
    labelNames: ['mode'],
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.set({ mode: 'user' }, user / 1e6);
      this.set({ mode: 'system' }, system / 1e6);
    },
  });
  new Gauge({
    name: 'trunkline_process_memory_bytes',
    help: 'Memory of this process: resident, JavaScript heap in use, buffers outside it',
    labelNames: ['kind'],
    registers,
    collect() {
      const { rss, heapUsed, external } = process.memoryUsage();
      this.set({ kind: 'resident' }, rss);
      this.set({ kind: 'heap' }, heapUsed);
      this.set({ kind: 'external' }, external);
    },
  });
  addLoopDelay(registers);
  new Gauge({
    name: 'trunkline_process_start_time_seconds',
    help: 'When this process started, seconds since 1970',
    registers,
  }).set(Math.round(Date.now() / 1000 - process.uptime()));
}

function addLoopDelay(registers: Registry[]): void {
  const resolutionMs = 20;
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  new Gauge({
    name: 'trunkline_process_event_loop_delay_seconds',
    help: 'How late the event loop was since the last scrape',
    labelNames: ['quantile'],
    registers,
    collect() {
      // The histogram holds the time between ticks, the sampling interval included.
      const late = (ns: number): number => Math.max(0, ns / 1e9 - resolutionMs / 1e3);
      if (delay.count > 0) {
        this.set({ quantile: '0.5' }, late(delay.percentile(50)));
        this.set({ quantile: '0.99' }, late(delay.percentile(99)));
        this.set({ quantile: '1' }, late(delay.max));
      } else {
        for (const quantile of ['0.5', '0.99', '1']) this.set({ quantile }, 0);
      }
      delay.reset();
    },
  });
}
