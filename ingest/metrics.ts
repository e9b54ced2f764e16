// Ingest: what is counted. Comes in: outcomes of deliveries and appends. Goes out: metrics of this
// station on the process's registry. Plain numbers on the hot path; labels are made when scraped.

import { Counter, Gauge, Histogram } from 'prom-client';

import type { Clock } from '../runtime/clock.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Registry } from '../runtime/registry.js';
import type { ProviderName } from '../schemas/facts.js';
import { providerNames } from './providers/registry.js';

/** Where a delivery's way ended. */
export type Layer =
  | 'identify'
  | 'rate_limit'
  | 'admit'
  | 'receive'
  | 'source_address'
  | 'signature'
  | 'timestamp'
  | 'record'
  | 'append';

/** What the spool holds now. */
export interface SpoolLevels {
  readonly bytes: number;
  readonly records: number;
  /** When the oldest record came, ms since 1970; null when there is none. */
  readonly oldestAt: number | null;
}

/** What is on its way, and how much may come. */
export interface AdmissionLevels {
  readonly inFlight: number;
  readonly bytes: number;
  /** Infinite without overload. */
  readonly perSecond: number;
}

/** What was read and is not worked on yet. */
export interface TurnLevels {
  readonly waiting: number;
  readonly oldestMs: number;
}

const appendBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const sizeBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** Counters by (outcome, layer, code, provider); `code` is one of a fixed set, never a value. */
export class IngestMetrics {
  readonly #counts = new Map<string, number>();
  readonly #notUnderstood = new Map<ProviderName, number>(providerNames.map((name) => [name, 0]));
  readonly #omitted = new Map<ProviderName, number>();
  readonly #appendSeconds: Histogram;
  readonly #batchRecords: Histogram;
  #appendFailures = 0;
  #spoolFaults = 0;

  constructor(private readonly metrics: Metrics) {
    this.#appendSeconds = new Histogram({
      name: 'trunkline_ingest_append_seconds',
      help: 'From sending a batch to the acknowledgement of the log',
      buckets: appendBuckets,
      registers: [metrics],
    });
    this.#batchRecords = new Histogram({
      name: 'trunkline_ingest_batch_records',
      help: 'Deliveries in one acknowledged batch',
      buckets: sizeBuckets,
      registers: [metrics],
    });
    for (const provider of providerNames) this.#counts.set(accepted(provider), 0);
    this.#exportCounts(metrics);
    this.#exportFaults(metrics);
  }

  /** Exports how much the spool holds, asked when scraped. */
  watchSpool(levels: SpoolLevels): void {
    exportSpool(this.metrics, levels);
  }

  /** Exports how far ingest can do without Postgres, asked when scraped. */
  watchRegistry(
    registry: Pick<Registry, 'freshness'>,
    dayKeys: { readonly daysSealable: number },
    clock: Clock,
  ): void {
    const gauge = (what: string, help: string, value: () => number): void => {
      exportGauge(this.metrics, what, help, value);
    };
    gauge('registry_stale', '1 while PostgreSQL is away and the last registry serves', () =>
      registry.freshness().isFresh ? 0 : 1,
    );
    gauge('registry_age_seconds', 'Since the registry was last read from PostgreSQL', () =>
      Math.max(0, (clock() - registry.freshness().readAt) / 1000),
    );
    const ahead = 'Whole days after today that all tenants can be sealed for without PostgreSQL';
    gauge('day_keys_ahead_days', ahead, () => dayKeys.daysSealable);
  }

  /** Exports what is on its way to an answer, asked when scraped. */
  watchAdmission(levels: AdmissionLevels): void {
    exportAdmission(this.metrics, levels);
  }

  /** Exports what waits for its turn, asked when scraped. */
  watchTurns(turns: TurnLevels): void {
    exportTurns(this.metrics, turns);
  }

  /** A delivery was answered 2xx: it is in the log, or in the spool. */
  accepted(provider: ProviderName, isSpooled: boolean): void {
    this.#count(isSpooled ? `accepted append spooled ${provider}` : accepted(provider));
  }

  /** A delivery was refused by a layer; the provider is `unknown` until the endpoint is known. */
  refused(layer: Layer, code: string, provider: ProviderName): void {
    this.#count(`refused ${layer} ${code} ${provider}`);
  }

  /** A verified delivery whose content could not be read; it is kept. */
  notUnderstood(provider: ProviderName): void {
    this.#notUnderstood.set(provider, (this.#notUnderstood.get(provider) ?? 0) + 1);
  }

  /** A body was larger than a record may be: its facts, digest and length are kept. */
  bodyOmitted(provider: ProviderName): void {
    this.#omitted.set(provider, (this.#omitted.get(provider) ?? 0) + 1);
  }

  appended(records: number, tookMs: number): void {
    this.#appendSeconds.observe(tookMs / 1000);
    this.#batchRecords.observe(records);
  }

  appendFailed(): void {
    this.#appendFailures += 1;
  }

  spoolFault(): void {
    this.#spoolFaults += 1;
  }

  #count(labels: string): void {
    this.#counts.set(labels, (this.#counts.get(labels) ?? 0) + 1);
  }

  #exportCounts(metrics: Metrics): void {
    const counts = this.#counts;
    new Counter({
      name: 'trunkline_ingest_deliveries_total',
      help: 'Deliveries by how their way through ingest ended',
      labelNames: ['outcome', 'layer', 'code', 'provider'],
      registers: [metrics],
      collect() {
        this.reset();
        for (const [labels, count] of counts) this.inc(readLabels(labels), count);
      },
    });
    exportByProvider(metrics, this.#notUnderstood, {
      name: 'trunkline_ingest_not_understood_total',
      help: 'Verified deliveries that were kept although their content could not be read',
    });
    exportByProvider(metrics, this.#omitted, {
      name: 'trunkline_ingest_bodies_omitted_total',
      help: 'Verified deliveries too large for a record: their facts, digest and length were kept',
    });
  }

  #exportFaults(metrics: Metrics): void {
    const append = () => this.#appendFailures;
    const spool = () => this.#spoolFaults;
    exportTotal(metrics, 'append_failures', 'Appends whose outcome is unknown', append);
    exportTotal(metrics, 'spool_faults', 'Damaged spool segments found', spool);
  }
}

function exportByProvider(
  metrics: Metrics,
  counts: ReadonlyMap<ProviderName, number>,
  named: { readonly name: string; readonly help: string },
): void {
  new Counter({
    ...named,
    labelNames: ['provider'],
    registers: [metrics],
    collect() {
      this.reset();
      for (const [provider, count] of counts) this.inc({ provider }, count);
    },
  });
}

const accepted = (provider: ProviderName): string => `accepted append appended ${provider}`;

function readLabels(text: string): Record<string, string> {
  const [outcome = '', layer = '', code = '', provider = ''] = text.split(' ');
  return { outcome, layer, code, provider };
}

function exportTotal(metrics: Metrics, what: string, help: string, value: () => number): void {
  new Counter({
    name: `trunkline_ingest_${what}_total`,
    help,
    registers: [metrics],
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}

function exportSpool(metrics: Metrics, levels: SpoolLevels): void {
  const bytes = 'Bytes of deliveries on this disk that are not in the log yet';
  exportGauge(metrics, 'spool_bytes', bytes, () => levels.bytes);
  const records = 'Deliveries on this disk that are not in the log yet';
  exportGauge(metrics, 'spool_records', records, () => levels.records);
  const oldest = 'Age of the oldest delivery that is not in the log yet; 0 when all are';
  exportGauge(metrics, 'spool_oldest_seconds', oldest, () =>
    levels.oldestAt === null ? 0 : Math.max(0, (Date.now() - levels.oldestAt) / 1000),
  );
}

function exportGauge(metrics: Metrics, what: string, help: string, value: () => number): void {
  new Gauge({
    name: `trunkline_ingest_${what}`,
    help,
    registers: [metrics],
    collect() {
      this.set(value());
    },
  });
}

function exportAdmission(metrics: Metrics, levels: AdmissionLevels): void {
  exportGauge(metrics, 'in_flight', 'Deliveries on their way to an answer', () => levels.inFlight);
  exportGauge(metrics, 'in_flight_bytes', 'What they hold of memory', () => levels.bytes);
  const help = 'Deliveries per second that are let in under overload; 0 without overload';
  exportGauge(metrics, 'admitted_per_second', help, () =>
    Number.isFinite(levels.perSecond) ? levels.perSecond : 0,
  );
}

function exportTurns(metrics: Metrics, turns: TurnLevels): void {
  const waiting = 'Deliveries that were read and wait for their turn among the tenants';
  exportGauge(metrics, 'turns_waiting', waiting, () => turns.waiting);
  const oldest = 'How long the one of them waits that has waited longest';
  exportGauge(metrics, 'turns_oldest_seconds', oldest, () => turns.oldestMs / 1000);
}
