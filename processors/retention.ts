// Station processors: deliveries against their retention (design 3.2, end), which removes them decided or
// not. Comes in: what is covered, by owners of this process and by the store's marks. Goes out: metrics,
// log lines and a report before that happens, and loudly when it has.

import type { EventLog, Fetcher } from '../log/event-log.js';
import { laneNames, laneTopics, type Lane } from '../log/lanes.js';
import { startMark } from '../log/mark.js';
import { pause } from '../log/pause.js';
import { systemClock, type Clock } from '../runtime/clock.js';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Database } from '../runtime/postgres.js';
import type { Coverage } from '../schemas/events.js';
import { offset } from '../schemas/ids.js';
import type { ProcessorMetrics } from './metrics.js';

/** `half`, `near`: the oldest undecided delivery has 50 or 80 % of its time behind it. */
export type RetentionLevel = 'fine' | 'half' | 'near' | 'removed';

/** The worst lane of all partitions. */
export interface RetentionReport {
  readonly level: RetentionLevel;
  /** For people; empty while all is fine. */
  readonly detail: string;
}

export interface RetentionDeps {
  readonly log: EventLog;
  readonly database: Database;
  readonly logger: Logger;
  /** Absent: nothing is watched. */
  readonly rawRetentionMs?: number;
  readonly onRetention?: (report: RetentionReport) => void;
  readonly clock?: Clock;
}

const levels: readonly RetentionLevel[] = ['fine', 'half', 'near', 'removed'];
const halfway = 0.5;
const nearly = 0.8;
const sampleMs = 60_000;
/** What stays as it is is said again after this time. */
const sayAgainMs = 3_600_000;

interface Seen {
  readonly partition: number;
  readonly lane: Lane;
  /** Of the oldest undecided delivery in ms; null when it was removed. */
  readonly ageMs: number | null;
}

/**
 * Watches every partition, owned here or nowhere: that nobody owns one is what it must find. Each
 * process watches them all; it costs a few reads a minute.
 */
export class RetentionWatch {
  readonly #deps: RetentionDeps;
  readonly #metrics: ProcessorMetrics;
  readonly #covered = new Map<number, Coverage>();
  readonly #said = new Map<string, { readonly level: RetentionLevel; readonly at: number }>();

  constructor(deps: RetentionDeps, metrics: ProcessorMetrics) {
    this.#deps = deps;
    this.#metrics = metrics;
  }

  /** What an owner of this process, or the store, says is covered; the highest counts. */
  covered(partition: number, { realtime, bulk }: Coverage): void {
    const known = this.#covered.get(partition) ?? startMark.covered;
    this.#covered.set(partition, {
      realtime: offset(Math.max(known.realtime, realtime)),
      bulk: offset(Math.max(known.bulk, bulk)),
    });
  }

  /** Looks once a minute until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#deps.rawRetentionMs === undefined) return;
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      try {
        await this.sample(signal);
      } catch (thrown) {
        const error = toError(thrown).message;
        if (!isOver()) {
          const fields = { code: 'retention_unknown', error };
          this.#deps.logger.warn(fields, 'the age of undecided deliveries is not known now');
        }
      }
      await pause(sampleMs, signal);
    }
  }

  /** Looks at every lane of every partition. */
  async sample(signal: AbortSignal): Promise<RetentionReport> {
    const { log } = this.#deps;
    const fetcher = await log.openFetcher();
    const seen: Seen[] = [];
    try {
      await this.#readMarks();
      for (let partition = 0; partition < log.partitions; partition += 1) {
        for (const lane of laneNames) seen.push(await this.#look(fetcher, partition, lane, signal));
      }
    } finally {
      await fetcher.close();
    }
    return this.#report(seen);
  }

  /** Every mark is true of the log before it, whatever projection and version it belongs to. */
  async #readMarks(): Promise<void> {
    const { rows } = await this.#deps.database.query<{
      partition: number;
      realtime: string | number;
      bulk: string | number;
    }>(
      `select partition, max(covered_realtime) as realtime, max(covered_bulk) as bulk
        from marks group by partition`,
    );
    for (const { partition, realtime, bulk } of rows) {
      this.covered(partition, { realtime: offset(Number(realtime)), bulk: offset(Number(bulk)) });
    }
  }

  async #look(fetcher: Fetcher, partition: number, lane: Lane, signal: AbortSignal): Promise<Seen> {
    const { log, clock = systemClock } = this.#deps;
    const topic = laneTopics[lane];
    const { first, next } = await log.bounds(topic, partition);
    // Read after the bounds: what was covered meanwhile may be removed.
    const from = offset((this.#covered.get(partition) ?? startMark.covered)[lane] + 1);
    if (first > from) return { partition, lane, ageMs: null };
    if (next <= from) return { partition, lane, ageMs: 0 };
    const limits = { maxWaitMs: 1_000, maxBytesPerPartition: 1 };
    const [found] = await fetcher.fetch([{ topic, partition, from }], limits, signal);
    const oldest = found?.records.find((record) => record.offset >= from);
    const ageMs = oldest === undefined ? 0 : Math.max(0, clock() - oldest.appendedAt);
    return { partition, lane, ageMs };
  }

  #report(all: readonly Seen[]): RetentionReport {
    let worst: RetentionReport = { level: 'fine', detail: '' };
    let removed = 0;
    for (const seen of all) {
      const report = this.#judge(seen);
      if (report.level === 'removed') removed += 1;
      if (levels.indexOf(report.level) > levels.indexOf(worst.level)) worst = report;
      const labels = { partition: String(seen.partition), lane: seen.lane };
      const { rawRetentionMs = 0 } = this.#deps;
      this.#metrics.oldestUndecided.set(labels, (seen.ageMs ?? rawRetentionMs) / 1000);
      this.#say(seen, report);
    }
    this.#metrics.removedUndecided.set(removed);
    this.#deps.onRetention?.(worst);
    return worst;
  }

  #judge({ partition, lane, ageMs }: Seen): RetentionReport {
    const { rawRetentionMs = Infinity } = this.#deps;
    const place = `${laneTopics[lane]}[${partition}]`;
    if (ageMs === null) {
      return { level: 'removed', detail: `${place}: deliveries were removed before their turn` };
    }
    const share = ageMs / rawRetentionMs;
    if (share < halfway) return { level: 'fine', detail: '' };
    const hours = Math.max(0, Math.floor((rawRetentionMs - ageMs) / 3_600_000));
    const detail = `${place}: undecided deliveries are removed in ${hours} hours`;
    return { level: share < nearly ? 'half' : 'near', detail };
  }

  #say({ partition, lane }: Seen, { level, detail }: RetentionReport): void {
    const { logger, clock = systemClock } = this.#deps;
    const place = `${partition}/${lane}`;
    const last = this.#said.get(place);
    if (level === 'fine') {
      this.#said.delete(place);
      return;
    }
    if (last?.level === level && clock() - last.at < sayAgainMs) return;
    this.#said.set(place, { level, at: clock() });
    const fields = { code: `retention_${level}`, partition, lane };
    if (level === 'half') logger.warn(fields, detail);
    else logger.error(fields, detail);
  }
}
