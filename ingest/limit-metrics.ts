// Ingest, the rate limit: what is counted and said of counting together. Comes in: decisions, and Redis
// coming and going. Goes out: metrics, one log line each time, and a report for health.

import { Counter, Gauge, Histogram } from 'prom-client';

import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { DecidedBy } from './limit.js';
import type { Absence, SharingWatch } from './limit-shared.js';

/** How limits are counted now. */
export interface SharingReport {
  readonly isTogether: boolean;
  /** For people. */
  readonly detail: string;
}

const absences: readonly Absence[] = ['late', 'failed', 'not_reached'];
const redisBuckets = [0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05];

/** Counts the decisions of one process; plain numbers on the hot path. */
export class LimitMetrics implements SharingWatch {
  readonly #decisions: Record<DecidedBy, number> = { alone: 0, together: 0, away: 0, late: 0 };
  readonly #absences = new Map<Absence, number>(absences.map((absence) => [absence, 0]));
  readonly #seconds: Histogram;
  #isTogether = false;
  #nodes: () => number = () => 1;

  constructor(
    metrics: Metrics,
    private readonly logger: Logger,
    private readonly onReport: (report: SharingReport) => void = () => undefined,
  ) {
    this.#seconds = new Histogram({
      name: 'trunkline_ingest_limit_redis_seconds',
      help: 'From asking Redis for the limits of one turn of requests to its last answer',
      buckets: redisBuckets,
      registers: [metrics],
    });
    this.#exportCounts(metrics);
    this.#exportLevels(metrics);
  }

  /** Exports the number of nodes, asked when scraped. */
  watchNodes(nodes: () => number): void {
    this.#nodes = nodes;
  }

  decided(by: DecidedBy): void {
    this.#decisions[by] += 1;
  }

  together(nodes: number, afterMs: number | null): void {
    this.#isTogether = true;
    const decidedAlone = this.#decisions.away + this.#decisions.late;
    const fields = { code: 'limits_shared', nodes, afterMs: afterMs && Math.round(afterMs) };
    this.logger.info({ ...fields, decidedAlone }, 'limits are counted together with other nodes');
    this.onReport({ isTogether: true, detail: `limits are counted together (nodes: ${nodes})` });
  }

  alone(absence: Absence, reason: string, nodes: number): void {
    this.#isTogether = false;
    this.#absences.set(absence, (this.#absences.get(absence) ?? 0) + 1);
    const fields = { code: 'limits_local', absence, reason, nodes };
    this.logger.warn(fields, 'Redis is away: this node gives its part of each limit, by itself');
    const detail = `Redis is away (${reason}): limits are counted here, divided by ${nodes}`;
    this.onReport({ isTogether: false, detail });
  }

  answered(tookMs: number): void {
    this.#seconds.observe(tookMs / 1000);
  }

  #exportCounts(metrics: Metrics): void {
    const decisions = this.#decisions;
    new Counter({
      name: 'trunkline_ingest_limit_decisions_total',
      help: 'Verified deliveries by who decided on their limits: together (Redis), alone (no Redis is configured), away or late (Redis is, so this node alone)',
      labelNames: ['by'],
      registers: [metrics],
      collect() {
        this.reset();
        for (const [by, count] of Object.entries(decisions)) this.inc({ by }, count);
      },
    });
    const faults = this.#absences;
    new Counter({
      name: 'trunkline_ingest_limit_redis_lost_total',
      help: 'Times that limits stopped being counted together, by what Redis did',
      labelNames: ['reason'],
      registers: [metrics],
      collect() {
        this.reset();
        for (const [reason, count] of faults) this.inc({ reason }, count);
      },
    });
  }

  #exportLevels(metrics: Metrics): void {
    const levels = { isTogether: () => this.#isTogether, nodes: () => this.#nodes() };
    new Gauge({
      name: 'trunkline_ingest_limit_shared',
      help: '1 while limits are counted together through Redis, 0 while this node counts alone',
      registers: [metrics],
      collect() {
        this.set(levels.isTogether() ? 1 : 0);
      },
    });
    new Gauge({
      name: 'trunkline_ingest_limit_nodes',
      help: 'Ingest nodes that count together, as last known',
      registers: [metrics],
      collect() {
        this.set(levels.nodes());
      },
    });
  }
}
