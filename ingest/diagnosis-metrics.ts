// Ingest: what is counted of refusals and credentials. Comes in: causes, rows that were not written, credentials
// used. Goes out: metrics; labels come from closed sets.

import { Counter } from 'prom-client';

import type { Metrics } from '../runtime/metrics.js';
import type { ProviderName } from '../schemas/facts.js';
import type { CauseCode } from '../schemas/refusal-causes.js';
import { providerNames } from './providers/registry.js';
import { unwrittenReasons, type UnwrittenReason } from './refusal-log.js';

export class DiagnosisMetrics {
  readonly #explained: Counter;
  readonly #unwritten: Counter;
  /** Plain numbers: these are counted on the way of every delivery. */
  readonly #current = new Map<ProviderName, number>(providerNames.map((name) => [name, 0]));
  readonly #retiring = new Map<ProviderName, number>(providerNames.map((name) => [name, 0]));

  constructor(metrics: Metrics) {
    const registers = [metrics];
    this.#explained = new Counter({
      name: 'trunkline_ingest_refusals_explained_total',
      help: 'Refusals of known endpoints by their likely cause',
      labelNames: ['provider', 'cause'],
      registers,
    });
    for (const provider of providerNames) this.#explained.inc({ provider, cause: 'unknown' }, 0);
    this.#unwritten = new Counter({
      name: 'trunkline_ingest_refusals_unwritten_total',
      help: 'Refusals that are not in the list of recent ones',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of unwrittenReasons) this.#unwritten.inc({ reason }, 0);
    const uses = { current: this.#current, retiring: this.#retiring };
    new Counter({
      name: 'trunkline_ingest_credential_uses_total',
      help: 'Accepted deliveries by whether the newest credential verified them or one that ends',
      labelNames: ['provider', 'age'],
      registers,
      collect() {
        this.reset();
        for (const [age, counts] of Object.entries(uses)) {
          for (const [provider, count] of counts) this.inc({ provider, age }, count);
        }
      },
    });
  }

  explained(provider: ProviderName, cause: CauseCode): void {
    this.#explained.inc({ provider, cause });
  }

  unwritten(reason: UnwrittenReason, count: number): void {
    this.#unwritten.inc({ reason }, count);
  }

  used(provider: ProviderName, isRetiring: boolean): void {
    const counts = isRetiring ? this.#retiring : this.#current;
    counts.set(provider, (counts.get(provider) ?? 0) + 1);
  }
}
