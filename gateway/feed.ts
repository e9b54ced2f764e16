// Gateway: the log into the rings. In: all partitions of `events`, read without a group from the lowest
// mark of the read models that are served. Out: ring entries, published in the same step. A partition
// that lost something is never called live again: its tenants are told, and the process is unhealthy.

import { setTimeout as sleep } from 'node:timers/promises';

import { follow, type ValidBatch, type ValidEvent } from '../log/consume.js';
import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import type { Mark } from '../log/mark.js';
import { TrunklineError, toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { TenantId } from '../schemas/ids.js';
import type { FanOut } from './fan-out.js';
import type { GatewayMetrics } from './metrics.js';
import type { Renderer } from './render.js';
import type { Rings } from './ring.js';
import type { Opened } from './views.js';

/** Who is told about what the feed did. */
export interface FeedListener {
  /** New events of these tenants stand in the ring and were published. */
  advanced(tenants: ReadonlySet<TenantId>): void;
  /** Everything known of these tenants is void. */
  restarted(tenants: readonly TenantId[], reason: 'gap' | 'epoch'): void;
}

export interface FeedOptions {
  readonly log: EventLog;
  /** Where each partition is read from: the lowest mark of the read models. */
  readonly starts: ReadonlyMap<number, Mark>;
  readonly codec: Pick<Codec, 'decodeEvent' | 'learn'>;
  readonly rings: Rings;
  readonly fanOut: FanOut;
  readonly renderer: Renderer;
  readonly listener: FeedListener;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: () => number;
  /** For how long: it goes on whatever is done to `clock`. */
  readonly steady: () => number;
  /** A partition is followed no more: the alert must say so. */
  readonly onStopped?: (error: Error) => void;
}

/** What is known of a partition. */
interface PartitionState {
  epoch: string | null;
  isFollowed: boolean;
  /** Next offset, and the end of the log as it was at the start; null until that is known. */
  next: number;
  target: number | null;
  readonly tenants: Set<TenantId>;
}

const maxEvents = 500;
const maxWaitMs = 500;
/** Longest wait for keys before a batch goes out without the open view. */
const openWithinMs = 500;

/** Reads the log into the rings; one instance per process. */
export class Feed {
  private readonly partitions = new Map<number, PartitionState>();
  private readonly epochWaiters = new Set<() => void>();

  constructor(private readonly options: FeedOptions) {
    for (const [partition, mark] of options.starts) {
      const tenants = new Set(mark.lastSeq.keys());
      const { epoch, next } = mark;
      this.partitions.set(partition, { epoch, isFollowed: true, next, target: null, tenants });
      for (const [tenant, last] of mark.lastSeq) options.rings.begin(tenant, last);
      options.metrics.lag.set({ partition: String(partition) }, 0);
    }
  }

  epochOf(partition: number): string | null {
    return this.partitions.get(partition)?.epoch ?? null;
  }

  isFollowed(partition: number): boolean {
    return this.partitions.get(partition)?.isFollowed ?? false;
  }

  /** Partitions that stopped on a loss. */
  lost(): readonly number[] {
    return [...this.partitions].filter(([, state]) => !state.isFollowed).map(([index]) => index);
  }

  /** True once everything that stood in the log at the start was read. */
  isCaughtUp(): boolean {
    return [...this.partitions.values()].every(
      ({ isFollowed, next, target }) => !isFollowed || (target !== null && next >= target),
    );
  }

  /** Waits for the partition's epoch; null when it is not known within `ms`. */
  async waitForEpoch(partition: number, ms: number): Promise<string | null> {
    const until = this.options.steady() + ms;
    while (this.epochOf(partition) === null && this.options.steady() < until) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.epochWaiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, until - this.options.steady());
        this.epochWaiters.add(done);
      });
    }
    return this.epochOf(partition);
  }

  /** Follows until the signal aborts or every partition is lost. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, starts, logger } = this.options;
    const batches = follow({
      log,
      starts,
      signal,
      maxEvents,
      maxWaitMs,
      onLoss: (partition, error) => {
        this.lose(partition, error);
      },
      onRetry: (error) => {
        logger.warn({ code: 'log_unreachable', error: error.message }, 'the log is read again');
      },
    });
    void this.findTargets(signal);
    for await (const batch of batches) {
      try {
        await this.learn(batch, signal);
        await this.apply(batch);
      } catch (thrown) {
        // An event that cannot be read is a hole like any other: of its partition, not of all.
        if (!signal.aborted) this.lose(batch.partition, toError(thrown));
      }
    }
  }

  /** The schemas of a batch; a registry that is away is asked again. */
  private async learn({ events }: ValidBatch, signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.options.codec.learn(events.map(({ value }) => value));
        return;
      } catch (thrown) {
        if (!(thrown instanceof TrunklineError) || !thrown.retryable || signal.aborted)
          throw thrown;
        const fields = { code: 'schema_unreachable', error: thrown.message };
        this.options.logger.warn(fields, 'a schema is asked for again');
        await sleep(500, undefined, { signal });
      }
    }
  }

  /** Where the log ended when we began: what must be read before this node is ready. */
  private async findTargets(signal: AbortSignal): Promise<void> {
    for (const [partition, state] of this.partitions) {
      while (state.target === null && !signal.aborted) {
        try {
          state.target = (await this.options.log.bounds('events', partition)).next;
        } catch {
          // The log is away; `follow` says so.
          await sleep(500, undefined, { signal }).catch(() => undefined);
        }
      }
    }
  }

  private async apply(batch: ValidBatch): Promise<void> {
    const state = this.partitions.get(batch.partition);
    if (state?.isFollowed !== true) return;
    this.noteEpoch(state, batch.mark);
    if (batch.events.length > 0) {
      const { codec } = this.options;
      const decoded = batch.events.map(({ value }) => codec.decodeEvent(value));
      const opened = await this.openFor(decoded);
      this.publish(batch, decoded, opened);
    }
    const lag = Math.max(0, batch.end - batch.mark.next);
    this.options.metrics.lag.set({ partition: String(batch.partition) }, lag);
    state.next = batch.mark.next;
  }

  private publish(
    batch: ValidBatch,
    decoded: readonly EventEnvelope[],
    opened: ReadonlyMap<TenantId, Opened | null>,
  ): void {
    const { rings, fanOut, listener } = this.options;
    const touched = new Set<TenantId>();
    decoded.forEach((event, index) => {
      const source = batch.events[index];
      if (source === undefined || !this.isFollowed(batch.partition)) return;
      const entry = rings.push(event, source.value);
      if (entry === null) return this.lose(batch.partition, new Error('a hole before the ring'));
      this.partitions.get(batch.partition)?.tenants.add(event.tenant);
      touched.add(event.tenant);
      fanOut.publish(entry, event, opened.get(event.tenant) ?? null);
    });
    this.observeDelay(batch.events.at(-1));
    listener.advanced(touched);
  }

  private observeDelay(last: ValidEvent | undefined): void {
    if (last === undefined) return;
    this.options.metrics.delay.observe(Math.max(0, this.options.clock() - last.appendedAt) / 1000);
  }

  /** Numbers and texts of the tenants that somebody permitted watches live; null where keys are late. */
  private async openFor(
    events: readonly EventEnvelope[],
  ): Promise<ReadonlyMap<TenantId, Opened | null>> {
    const { fanOut, renderer, logger } = this.options;
    const opened = new Map<TenantId, Opened | null>();
    for (const [tenant, ofTenant] of groupByTenant(events)) {
      if (!fanOut.hasOpenView(tenant)) continue;
      try {
        opened.set(tenant, await within(openWithinMs, renderer.open(tenant, ofTenant)));
      } catch (thrown) {
        opened.set(tenant, null);
        const error = toError(thrown).message;
        logger.warn({ code: 'open_failed', tenant, error }, 'numbers could not be opened in time');
      }
    }
    return opened;
  }

  private noteEpoch(state: PartitionState, { epoch, lastSeq }: Mark): void {
    if (epoch === null || epoch === state.epoch) return;
    const isNew = state.epoch === null;
    state.epoch = epoch;
    for (const wake of [...this.epochWaiters]) wake();
    if (isNew) return;
    for (const tenant of state.tenants) this.options.rings.begin(tenant, lastSeq.get(tenant) ?? 0);
    this.options.listener.restarted([...state.tenants], 'epoch');
  }

  private lose(partition: number, error: Error): void {
    const state = this.partitions.get(partition);
    if (state?.isFollowed !== true) return;
    state.isFollowed = false;
    this.options.onStopped?.(error);
    this.options.metrics.lost.inc();
    this.options.logger.error(
      { code: 'log_loss', partition, error: error.message },
      'a partition is not followed any more; restart this process once the log is whole',
    );
    this.options.listener.restarted([...state.tenants], 'gap');
  }
}

function groupByTenant(events: readonly EventEnvelope[]): Map<TenantId, EventEnvelope[]> {
  const groups = new Map<TenantId, EventEnvelope[]>();
  for (const event of events) {
    const known = groups.get(event.tenant);
    if (known === undefined) groups.set(event.tenant, [event]);
    else known.push(event);
  }
  return groups;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
