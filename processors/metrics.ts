// Station processors: what is counted. Comes in: facts and events as they are decided. Goes out: metrics
// of this station on the process's registry.

import { Counter, Gauge, Histogram } from 'prom-client';
import { endReasons, type EndReason } from '../log/ownership-end.js';
import type { Metrics } from '../runtime/metrics.js';
import { actEventTypes, parkedClasses, parkedEventTypes } from '../schemas/parking.js';
import {
  callEventTypes,
  messageEventTypes,
  recordEventTypes,
  type EventType,
} from '../schemas/events.js';
import type { HotLookup } from './state.js';

const eventTypes: readonly EventType[] = [
  ...callEventTypes,
  ...messageEventTypes,
  ...recordEventTypes,
  'delivery.not_understood',
  ...parkedEventTypes,
  ...actEventTypes,
];
const factKinds = ['call', 'message', 'record', 'not_understood', 'act', 'timer'] as const;
const lanes = ['realtime', 'bulk'] as const;
const lookupBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1];

/** Counts of one process. Decided is not appended: after a lost ownership inputs count again. */
export class ProcessorMetrics {
  readonly facts: Counter<'kind'>;
  readonly events: Counter<'type'>;
  /** Facts of a call, message or record that name none; the samples must leave it at zero. */
  readonly unattributed: Counter;
  /** By why: what is `behind` waits for another one. */
  readonly parked: Counter<'class'>;
  readonly appended: Counter;
  readonly lookups: Histogram;
  readonly lookupRefs: Counter;
  /** Aggregates asked of the hot tier: `hit`, `miss`, or `behind` when its mark was too old to be used. */
  readonly hotRefs: Counter<'outcome'>;
  readonly overlay: Gauge<'partition'>;
  readonly waits: Counter;
  readonly takes: Counter;
  readonly ends: Counter<'reason'>;
  readonly owned: Gauge;
  /** Partitions that stopped for good because records are missing: someone must look. */
  readonly stopped: Gauge;
  readonly lag: Gauge<'partition' | 'lane'>;
  /** Against the retention of deliveries, which removes them decided or not. */
  readonly oldestUndecided: Gauge<'partition' | 'lane'>;
  readonly removedUndecided: Gauge;

  readonly #registry: Metrics;

  constructor(metrics: Metrics) {
    this.#registry = metrics;
    const registers = [metrics];
    const counter = <T extends string>(what: string, help: string, labelNames: T[] = []) =>
      new Counter({ name: `trunkline_processors_${what}_total`, help, labelNames, registers });
    const gauge = <T extends string>(what: string, help: string, labelNames: T[] = []) =>
      new Gauge({ name: `trunkline_processors_${what}`, help, labelNames, registers });
    this.facts = counter('facts', 'Facts decided, by kind', ['kind']);
    this.events = counter('events', 'Events decided, by type', ['type']);
    this.unattributed = counter('unattributed_facts', 'Facts that name no call, message or record');
    this.parked = counter('parked_facts', 'Facts that could not be processed, by why', ['class']);
    this.appended = counter('appended_events', 'Events acknowledged by the log');
    this.lookups = new Histogram({
      name: 'trunkline_processors_lookup_seconds',
      help: 'Time of one lookup of states',
      buckets: lookupBuckets,
      registers,
    });
    this.lookupRefs = counter('lookup_refs', 'Aggregates looked up in the store');
    this.hotRefs = counter('hot_refs', 'Aggregates looked up in Redis, by outcome', ['outcome']);
    this.overlay = gauge('overlay_entries', 'States not yet applied by the store', ['partition']);
    this.waits = counter('overlay_waits', 'Times a full overlay waited for the store');
    this.takes = counter('takes', 'Ownerships begun');
    this.ends = counter('ownership_ends', 'Ownerships ended, by reason', ['reason']);
    this.owned = gauge('owned_partitions', 'Partitions owned now');
    this.stopped = gauge('stopped_partitions', 'Partitions stopped by a loss');
    this.lag = gauge('lag_records', 'Inputs read or waiting, not decided', ['partition', 'lane']);
    this.oldestUndecided = gauge(
      'oldest_undecided_seconds',
      'Age of the oldest undecided delivery',
      ['partition', 'lane'],
    );
    this.removedUndecided = gauge(
      'removed_undecided',
      'Lanes that lost deliveries to the retention',
    );
    for (const outcome of ['hit', 'miss', 'behind'] as const) this.hotRefs.inc({ outcome }, 0);
    for (const kind of factKinds) this.facts.inc({ kind }, 0);
    for (const type of eventTypes) this.events.inc({ type }, 0);
    for (const one of parkedClasses) this.parked.inc({ class: one }, 0);
    for (const reason of endReasons) this.ends.inc({ reason }, 0);
  }

  hot({ refs, found, isBehind }: HotLookup): void {
    this.hotRefs.inc({ outcome: 'hit' }, found);
    this.hotRefs.inc({ outcome: isBehind ? 'behind' : 'miss' }, refs - found);
  }

  /** Partitions that stand still for now, though they have work. */
  watchStalls(count: () => number): void {
    const name = 'trunkline_processors_stalled_partitions';
    const help = 'Partitions with work that got nowhere for 30 s';
    new Gauge({
      ...{ name, help, registers: [this.#registry] },
      collect() {
        this.set(count());
      },
    });
  }

  ended(reason: EndReason): void {
    this.ends.inc({ reason });
  }

  /** A partition that is no longer assigned has no level of its own. */
  forget(partition: number): void {
    const label = String(partition);
    this.overlay.remove({ partition: label });
    for (const lane of lanes) this.lag.remove({ partition: label, lane });
  }
}
