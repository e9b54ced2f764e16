// The station at work: a memory log, a real database, the projections beside it, and deliveries recorded
// as ingest records them.

import { createLocalCodec } from '../../log/event-codec.js';
import type { HotTier } from '../../log/hot-tier.js';
import { createMemoryLog, MemoryStore } from '../../log/memory.js';
import { actFact, FactAppender } from '../../log/own-facts.js';
import { formatHeader } from '../../log/record-header.js';
import { partitionOf } from '../../log/topics.js';
import { evolver } from '../../processors/evolver.js';
import { runProcessors, type ProcessorsDeps } from '../../processors/main.js';
import { runProjections } from '../../projections/main.js';
import { systemClock } from '../../runtime/clock.js';
import { createKeyRing, createMemoryKeyStore } from '../../runtime/keys.js';
import type { Logger } from '../../runtime/logger.js';
import { createMetrics } from '../../runtime/metrics.js';
import type { Database } from '../../runtime/postgres.js';
import { encodeContent } from '../../schemas/delivery-content.js';
import type { EventEnvelope } from '../../schemas/events.js';
import type { ActName, RecordedFact, SourceFact } from '../../schemas/facts.js';
import { endpointId } from '../../schemas/ids.js';
import { deliveryPlace } from '../../schemas/sealed.js';
import { recordDelivery } from '../../ingest/record.js';
import { mapDelivery } from '../../ingest/providers/registry.js';
import { verifyDelivery } from '../../ingest/verify.js';
import { endpointOf, rawOf, stored } from '../ingest/stored-deliveries.js';
import { until } from '../services/shared.js';
import { acme } from './facts.js';

export const codec = createLocalCodec();
export const keyRing = createKeyRing(Buffer.alloc(32, 3), createMemoryKeyStore());
export const partitions = 2;
export const home = partitionOf(acme, partitions);

const listening = (lines: Record<string, unknown>[]): Logger => {
  const line = (fields: object): void => {
    lines.push(fields as Record<string, unknown>);
  };
  const logger: Logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
  return logger;
};

export class Station {
  readonly store: MemoryStore;
  readonly lines: Record<string, unknown>[] = [];
  /** Of the process started last. */
  metrics = createMetrics();

  constructor(
    readonly database: Database,
    options: { readonly maxBatchBytes?: number } = {},
  ) {
    this.store = new MemoryStore({ partitions, ...options });
  }

  /** One process; `stop` ends it cleanly. */
  processors(
    more: Pick<
      Partial<ProcessorsDeps>,
      'maxInputs' | 'maxOverlay' | 'hotTier' | 'decideFacts' | 'keyRing' | 'timers' | 'onStopped'
    > = {},
  ) {
    const controller = new AbortController();
    this.metrics = createMetrics();
    const running = runProcessors(
      {
        log: createMemoryLog(this.store),
        codec,
        database: this.database,
        keyRing,
        logger: listening(this.lines),
        metrics: this.metrics,
        ...more,
      },
      controller.signal,
    );
    return this.#stoppable(running, controller);
  }

  projections(more: { readonly hotTier?: HotTier } = {}) {
    const controller = new AbortController();
    const running = runProjections(
      {
        log: createMemoryLog(this.store),
        codec,
        database: this.database,
        evolver,
        logger: listening(this.lines),
        metrics: createMetrics(),
        clock: systemClock,
        ...more,
      },
      controller.signal,
    );
    return this.#stoppable(running, controller);
  }

  /** A stored delivery as ingest would record it. */
  async deliver(
    file: string,
    lane: 'deliveries' | 'deliveries.bulk' = 'deliveries',
  ): Promise<void> {
    const delivery = stored(file);
    const nowMs = delivery._signedAt * 1000;
    const outcome = verifyDelivery(rawOf(delivery), endpointOf(delivery.provider), nowMs);
    if (!outcome.ok) throw new Error(outcome.code);
    const { facts, mappingVersion } = mapDelivery(outcome.delivery);
    const recorded = await recordDelivery(
      {
        keyRing,
        codec,
        log: { partitions, maxBatchBytes: 1 << 20 },
        logger: listening(this.lines),
      },
      outcome.delivery,
      { facts, mappingVersion },
    );
    if (!recorded.ok) throw new Error(recorded.reason);
    const { key, header, value } = recorded.record;
    this.store.land(lane, recorded.partition, [{ key, header, value }]);
  }

  /** Facts made by hand, sealed and recorded. */
  async record(facts: readonly SourceFact[], change: Partial<RecordedFact> = {}): Promise<void> {
    const deliveryId = `d${this.store.bounds('deliveries', home).next}`;
    const dayKey = '2026-10-01';
    const place = deliveryPlace(acme, deliveryId);
    const raw = { method: 'POST', url: '', headers: {}, body: Buffer.alloc(0) };
    const content = encodeContent({ facts, raw });
    const sealed = await keyRing.sealDay(acme, dayKey, place, content);
    const value = codec.encodeFact({
      tenant: acme,
      endpoint: endpointId('ep_0000000000000001'),
      provider: 'twilio',
      deliveryId,
      receivedAt: 1_790_000_000_000,
      correlationId: 'c',
      traceId: 't',
      schemaVersion: 1,
      mappingVersion: 1,
      dayKey,
      sealed,
      ...change,
    });
    this.land(value);
  }

  /** An operator's act, as the gateway appends it. */
  async act(act: ActName, about: string, requestId: string): Promise<void> {
    const log = createMemoryLog(this.store);
    const appender = new FactAppender({ log, codec, keyRing, clock: () => 1_790_000_100_000 });
    const request = { act, about, actor: 'key_1', reason: 'mended' };
    await appender.append([actFact(acme, request, requestId)]);
    await appender.close();
  }

  land(value: Buffer | null): void {
    this.store.land('deliveries', home, [
      { key: acme, header: formatHeader({ kind: 'fact' }), value },
    ]);
  }

  /** Events in the log, those of deposed owners too: tests without zombies have none. */
  events(): readonly EventEnvelope[] {
    return this.store
      .records('events', home)
      .flatMap(({ value }) => (value === null ? [] : [codec.decodeEvent(value)]));
  }

  async untilEvents(count: number): Promise<readonly EventEnvelope[]> {
    await until(`${count} events`, () => this.events().length >= count, 15_000);
    return this.events();
  }

  async untilProjected(): Promise<void> {
    await until('projected', async () => {
      const { rows } = await this.database.query<{ next: string }>(
        `select next_offset as next from marks where projection = 'aggregate_state' and partition = $1`,
        [home],
      );
      return Number(rows[0]?.next ?? -1) >= this.store.bounds('events', home).next;
    });
  }

  #stoppable(running: Promise<void>, controller: AbortController) {
    return {
      stop: async (): Promise<void> => {
        controller.abort();
        await running;
      },
    };
  }
}
