// Ingest: keeps an eye on our own clock, because a clock that is wrong refuses every signed time. Comes in:
// times of the database, the log and the senders. Goes out: a log line, a gauge, a health check.

import { Gauge } from 'prom-client';

import { pause } from '../log/pause.js';
import type { Clock } from '../runtime/clock.js';
import type { Health, HealthResult } from '../runtime/health.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Endpoint } from '../runtime/registry.js';
import {
  levelOf,
  memoryMs,
  SignedTimes,
  suspicion,
  type ClockSource,
  type ClockSuspicion,
  type Drifts,
} from './clock-drift.js';

export interface ClockWatchOptions {
  /** Ours: the one that judges signed times. */
  readonly clock: Clock;
  /** The database's time, ms since 1970; null where there is none to ask. */
  readonly databaseTime: (() => Promise<number>) | null;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

const databaseEveryMs = 30_000;
const lookEveryMs = 5_000;
/** An answer that took longer says too little of when it was given. */
const maxRoundTripMs = 2_000;
/** The verdict is asked for with every stale delivery. */
const keptMs = 1_000;

const sources: readonly ClockSource[] = ['database', 'log', 'providers'];

/** The watch of one process. */
export class ClockWatch {
  readonly #signed = new SignedTimes();
  /** The last drift that database and log have shown, and when. */
  readonly #seen = new Map<'database' | 'log', { readonly driftMs: number; readonly at: number }>();
  readonly #told = new Map<ClockSource, 'fine' | 'warn' | 'alarm'>();
  #verdict: { readonly at: number; readonly value: ClockSuspicion | null } | null = null;
  readonly #removeCheck: () => void;

  constructor(private readonly options: ClockWatchOptions) {
    this.#removeCheck = options.health.add('clock', () => this.#check());
    this.#export(options.metrics);
  }

  /** A delivery with a right signature was signed at this time, by the sender's clock. */
  noteSigned(endpoint: Endpoint, signedAtMs: number, receivedAt: number): void {
    this.#signed.note(endpoint, signedAtMs, receivedAt);
  }

  /** The log gave a batch this time; the acknowledgement came just now and had taken so long. */
  noteAppended(appendedAt: number | undefined, tookMs: number): void {
    if (appendedAt === undefined || tookMs > maxRoundTripMs) return;
    const now = this.options.clock();
    this.#seen.set('log', { driftMs: now - tookMs / 2 - appendedAt, at: now });
  }

  /** Whether our own clock is the suspect, e.g. when a signed time is refused; null when it is not. */
  suspectsOwnClock(nowMs: number): ClockSuspicion | null {
    const { at } = this.#verdict ?? { at: -Infinity };
    if (Math.abs(nowMs - at) > keptMs) {
      this.#verdict = { at: nowMs, value: suspicion(this.drifts(nowMs)) };
    }
    return this.#verdict?.value ?? null;
  }

  /** Ours less theirs, of every source that is known. */
  drifts(nowMs: number): Drifts {
    const drifts: Partial<Record<ClockSource, number>> = {};
    for (const [source, { driftMs, at }] of this.#seen) {
      if (Math.abs(nowMs - at) <= memoryMs) drifts[source] = driftMs;
    }
    const providers = this.#signed.drift(nowMs);
    return providers === null ? drifts : { ...drifts, providers };
  }

  /** Asks the database and says what has changed, until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let askedAt = -Infinity;
    while (!signal.aborted) {
      if (performance.now() - askedAt >= databaseEveryMs) {
        askedAt = performance.now();
        await this.askDatabase();
      }
      this.report();
      await pause(lookEveryMs, signal);
    }
    this.#removeCheck();
  }

  /** One question; a database that does not answer says nothing of clocks. */
  async askDatabase(): Promise<void> {
    const { databaseTime, clock } = this.options;
    if (databaseTime === null) return;
    const begunAt = clock();
    const begin = performance.now();
    const theirs = await databaseTime().catch(() => null);
    const tookMs = performance.now() - begin;
    if (theirs === null || tookMs > maxRoundTripMs) return;
    this.#seen.set('database', { driftMs: begunAt + tookMs / 2 - theirs, at: begunAt });
  }

  /** A line for every source whose level has changed. */
  report(): void {
    const now = this.options.clock();
    const drifts = this.drifts(now);
    const suspected = this.suspectsOwnClock(now) !== null;
    for (const source of sources) {
      const driftMs = drifts[source];
      if (driftMs === undefined) continue;
      const level = levelOf(driftMs);
      if ((this.#told.get(source) ?? 'fine') === level) continue;
      this.#told.set(source, level);
      this.#say(source, { driftMs: Math.round(driftMs), level, suspected });
    }
  }

  #say(
    source: ClockSource,
    what: { readonly driftMs: number; readonly level: string; readonly suspected: boolean },
  ): void {
    const { logger } = this.options;
    const fields = { code: 'clock_drift', source, ...what };
    if (what.level === 'fine') logger.info(fields, 'the clocks agree again');
    else if (what.level === 'warn') logger.warn(fields, 'our clock differs from others');
    else logger.error(fields, 'our clock differs from others: signed times are judged wrongly');
  }

  #check(): HealthResult {
    const now = this.options.clock();
    const drifts = this.drifts(now);
    const off = sources.filter((source) => levelOf(drifts[source] ?? 0) !== 'fine');
    if (off.length === 0) return { status: 'ok' };
    const list = off.map((source) => `${source} by ${seconds(drifts[source] ?? 0)}`).join(', ');
    const whose =
      this.suspectsOwnClock(now) === null
        ? 'the others agree with ours, so theirs is the suspect'
        : 'ours is the suspect: set it by NTP';
    return { status: 'degraded', detail: `our clock differs from ${list}; ${whose}` };
  }

  #export(metrics: Metrics): void {
    const registers = [metrics];
    const driftsNow = (): Drifts => this.drifts(this.options.clock());
    new Gauge({
      name: 'trunkline_ingest_clock_drift_seconds',
      help: 'Our clock less that of the database, the log, most senders; absent while not known',
      labelNames: ['source'],
      registers,
      collect() {
        this.reset();
        for (const [source, driftMs] of Object.entries(driftsNow())) {
          this.set({ source }, driftMs / 1000);
        }
      },
    });
    const isSuspect = (): boolean => this.suspectsOwnClock(this.options.clock()) !== null;
    new Gauge({
      name: 'trunkline_ingest_clock_suspect',
      help: '1 while our own clock is the one that is probably wrong',
      registers,
      collect() {
        this.set(isSuspect() ? 1 : 0);
      },
    });
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(0)} s`;

/** For operators: a refused time whose fault is probably ours. */
export const suspectDetail = ({ driftMs, sources: witnesses }: ClockSuspicion): string =>
  `our clock is ${Math.abs(Math.round(driftMs / 1000))} s ` +
  `${driftMs > 0 ? 'ahead of' : 'behind'} ${witnesses.join(' and ')}`;
