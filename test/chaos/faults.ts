// Chaos: breaks what the schedule says and makes it whole again. Comes in: a fault. Goes out: a promise
// that resolves when its target is whole; two faults of one target follow each other.

import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';

import type { Fault, SlotName } from './schedule.js';
import type { Site } from './site.js';

/** A processor was taken away, and what it owned then. */
export interface Loss {
  readonly slot: SlotName;
  readonly how: 'kill' | 'zombie' | 'restart';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly partitions: readonly number[];
}

/** When something that processors depend on was broken, or had just come back; ms since 1970. */
export interface Trouble {
  readonly fault: Fault;
  readonly from: number;
  readonly to: number;
}

/**
 * How long after its end a fault is still felt by processors: leaders of a dead broker move after its own
 * session timeout (9 s), a process that was started again joins the group and makes it share anew.
 */
function feltForMs(fault: Fault): number | null {
  if (fault.kind.startsWith('broker')) return 12_000;
  if (fault.kind === 'postgres_restart') return 4_000;
  if ('slot' in fault && fault.slot.startsWith('processors')) return 10_000;
  return null;
}

/** Breaks things, one at a time on each target. */
export class Breaker {
  readonly losses: Loss[] = [];
  readonly troubles: Trouble[] = [];
  /** How long a process took to end after SIGTERM, in ms. */
  readonly stops: { readonly slot: SlotName; readonly tookMs: number }[] = [];
  readonly #busy = new Map<string, Promise<void>>();
  #snapshot: string | null = null;

  constructor(
    private readonly site: Site,
    private readonly note: (text: string) => void,
  ) {}

  /** What Redis will be put back to. */
  async prepare(): Promise<void> {
    this.#snapshot = await this.site.redis.snapshot();
  }

  break(fault: Fault): void {
    const target = targetOf(fault);
    const before = this.#busy.get(target) ?? Promise.resolve();
    const done = before
      .then(() => this.#noted(fault))
      .catch((thrown: unknown) => {
        this.note(`could not break: ${fault.kind}: ${String(thrown)}`);
      });
    this.#busy.set(target, done);
  }

  /** Resolves when nothing is broken any more. */
  async whole(): Promise<void> {
    await Promise.all(this.#busy.values());
    for (const wire of this.site.allWires()) wire.mend();
    for (const slot of this.site.slots.values()) slot.setClock(0);
  }

  async #noted(fault: Fault): Promise<void> {
    const felt = feltForMs(fault);
    if (felt === null) return this.#break(fault);
    const from = Date.now();
    const at = this.troubles.push({ fault, from, to: Infinity }) - 1;
    await this.#break(fault);
    this.troubles[at] = { fault, from, to: Date.now() + felt };
  }

  async #break(fault: Fault): Promise<void> {
    const { site } = this;
    switch (fault.kind) {
      case 'kill':
        this.#lost(fault.slot, 'kill');
        return site.slot(fault.slot).kill(fault.forMs);
      case 'restart': {
        const slot = site.slot(fault.slot);
        this.#lost(fault.slot, 'restart');
        this.stops.push({ slot: slot.name, tookMs: await slot.restart(fault.forMs) });
        return;
      }
      case 'zombie':
        this.#lost(fault.slot, 'zombie');
        site.slot(fault.slot).signal('SIGSTOP');
        await pause(fault.forMs);
        site.slot(fault.slot).signal('SIGCONT');
        return;
      case 'broker_kill':
      case 'broker_rolling_restart':
        return this.#breakKafka(fault);
      case 'postgres_restart':
        await site.postgres.stop(fault.how);
        await pause(fault.forMs);
        return site.postgres.start();
      case 'redis_flush':
      case 'redis_kill':
      case 'redis_old_snapshot':
        return this.#breakRedis(fault);
      case 'cut':
        for (const wire of site.wires(fault.slot, fault.part)) wire.cut();
        await pause(fault.forMs);
        for (const wire of site.wires(fault.slot, fault.part)) wire.mend();
        return;
      case 'latency':
        for (const wire of site.wires(fault.slot, fault.part)) wire.slow(fault.delayMs);
        await pause(fault.forMs);
        for (const wire of site.wires(fault.slot, fault.part)) wire.mend();
        return;
      case 'disk_full':
        return this.#fillDisk(fault);
      case 'clock_jump':
        site.slot(fault.slot).setClock(fault.byMs);
        await pause(fault.forMs);
        site.slot(fault.slot).setClock(0);
    }
  }

  async #breakKafka(
    fault: Extract<Fault, { kind: 'broker_kill' | 'broker_rolling_restart' }>,
  ): Promise<void> {
    const { brokers } = this.site.kafka;
    if (fault.kind === 'broker_kill') {
      const broker = brokers.find(({ node }) => node === fault.broker);
      await broker?.kill();
      await pause(fault.forMs);
      await broker?.start();
      return;
    }
    for (const broker of brokers) {
      await broker.stop();
      await broker.start();
    }
  }

  async #breakRedis(
    fault: Extract<Fault, { kind: 'redis_flush' | 'redis_kill' | 'redis_old_snapshot' }>,
  ): Promise<void> {
    const { redis } = this.site;
    if (fault.kind === 'redis_flush') {
      const client = new Redis(redis.url);
      await client.flushall();
      client.disconnect();
      return;
    }
    await redis.kill();
    await pause(fault.forMs);
    const isOld = fault.kind === 'redis_old_snapshot' && this.#snapshot !== null;
    await redis.restart(isOld ? (this.#snapshot ?? undefined) : undefined);
  }

  /** Without its log an ingest node needs the disk that is full: it must refuse, and lose nothing. */
  async #fillDisk({ slot, forMs }: Extract<Fault, { kind: 'disk_full' }>): Promise<void> {
    const makeRoom = this.site.fillDisk(slot);
    for (const wire of this.site.wires(slot, 'kafka')) wire.cut();
    await pause(forMs);
    makeRoom();
    for (const wire of this.site.wires(slot, 'kafka')) wire.mend();
  }

  #lost(name: SlotName, how: Loss['how']): void {
    const { owned } = this.site.slot(name);
    if (owned.size === 0) return;
    this.losses.push({ slot: name, how, at: Date.now(), partitions: [...owned] });
  }
}

/** What cannot be broken twice at a time. */
function targetOf(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'zombie':
    case 'restart':
      return fault.slot;
    case 'broker_kill':
    case 'broker_rolling_restart':
      return 'kafka';
    case 'postgres_restart':
      return 'postgres';
    case 'redis_flush':
    case 'redis_kill':
    case 'redis_old_snapshot':
      return 'redis';
    case 'cut':
    case 'latency':
      return `${fault.slot} ${fault.part}`;
    case 'disk_full':
      return `${fault.slot} kafka`;
    case 'clock_jump':
      return `${fault.slot} clock`;
  }
}
