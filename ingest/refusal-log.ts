// Ingest: the last refusals, kept for people. Comes in: refusals with their cause. Goes out: rows in Postgres,
// in batches and beside the way of deliveries: while Postgres is away, or under a flood, what is not
// written is counted, never silently dropped.

import { performance } from 'node:perf_hooks';

import type { DiagnosisStore, KeptRefusal } from '../runtime/diagnosis-store.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { EndpointId } from '../schemas/ids.js';
import { Budget } from './budget.js';

/** Why a refusal is not in the list. */
export const unwrittenReasons = ['flood', 'database', 'stopping'] as const;
export type UnwrittenReason = (typeof unwrittenReasons)[number];

export interface RefusalLogOptions {
  readonly store: DiagnosisStore;
  readonly logger: Logger;
  readonly onUnwritten: (reason: UnwrittenReason, count: number) => void;
  /** Default 1 s. */
  readonly flushMs?: number;
}

const flushMs = 1_000;
const sweepMs = 3_600_000;
/** Rows that wait for Postgres; about 300 bytes each. */
const maxWaiting = 500;
/** Rows of one endpoint: the list shows a flood by its count, not by its length. */
const perEndpoint = { burst: 40, perSecond: 1, maxKeys: 20_000 } as const;
const perProcess = { burst: 200, perSecond: 50, maxKeys: 1 } as const;

export class RefusalLog {
  readonly #waiting: KeptRefusal[] = [];
  /** Not written since the endpoint's last row. */
  readonly #unwritten = new Map<string, number>();
  readonly #endpoints = new Budget(perEndpoint);
  readonly #process = new Budget(perProcess);
  readonly #sweeper: NodeJS.Timeout;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #isAway = false;

  constructor(private readonly options: RefusalLogOptions) {
    this.#sweeper = setInterval(() => void options.store.sweep().catch(() => undefined), sweepMs);
    this.#sweeper.unref();
  }

  /** Never waits. The row is made only where it is written; `unwritten` is filled in here. */
  add(endpoint: EndpointId, make: () => Omit<KeptRefusal, 'unwritten'>): void {
    const now = performance.now();
    const isOver = !this.#endpoints.has(endpoint, now) || !this.#process.has('', now);
    if (isOver || this.#waiting.length >= maxWaiting) {
      this.#count(endpoint, isOver ? 'flood' : 'database');
      return;
    }
    this.#endpoints.spend(endpoint, 1, now);
    this.#process.spend('', 1, now);
    this.#waiting.push({ ...make(), unwritten: this.#unwritten.get(endpoint) ?? 0 });
    this.#unwritten.delete(endpoint);
    this.#timer ??= setTimeout(() => this.#flush(), this.options.flushMs ?? flushMs).unref();
  }

  /** Writes what waits, once; what Postgres does not take then is counted. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#writing;
    await this.#write();
    const left = this.#waiting.splice(0).length;
    if (left > 0) this.options.onUnwritten('stopping', left);
  }

  #count(endpoint: string, reason: UnwrittenReason): void {
    if (this.#unwritten.size >= perEndpoint.maxKeys) this.#unwritten.clear();
    this.#unwritten.set(endpoint, (this.#unwritten.get(endpoint) ?? 0) + 1);
    this.options.onUnwritten(reason, 1);
  }

  #flush(): void {
    this.#writing = this.#write().finally(() => {
      this.#timer = null;
      if (this.#waiting.length === 0) return;
      this.#timer = setTimeout(() => this.#flush(), this.options.flushMs ?? flushMs).unref();
    });
  }

  /** One batch; kept where it did not arrive. */
  async #write(): Promise<void> {
    const batch = this.#waiting.slice();
    if (batch.length === 0) return;
    try {
      await this.options.store.writeRefusals(batch);
      this.#waiting.splice(0, batch.length);
      this.#isAway = false;
    } catch (thrown) {
      if (this.#isAway) return;
      this.#isAway = true;
      const error = toError(thrown).message;
      this.options.logger.warn({ code: 'refusals_unwritten', error }, 'refusals wait for Postgres');
    }
  }
}
