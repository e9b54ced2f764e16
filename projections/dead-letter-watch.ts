// Dead letters, watched: how many are open, how near the oldest is to the end of its key. Comes in: the read
// model. Goes out: metrics, log lines when a bound is passed, and what health and `doctor` say.

import { Gauge } from 'prom-client';

import { pause } from '../log/pause.js';
import { systemClock, type Clock } from '../runtime/clock.js';
import { toError } from '../runtime/errors.js';
import type { HealthResult } from '../runtime/health.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import { parkedClasses, type ParkedClass } from '../schemas/parking.js';

/** The open dead letters of an installation, all tenants together. */
export interface DeadLetterLook {
  readonly open: Readonly<Record<ParkedClass, number>>;
  /** When the log took the oldest record that waits, in ms; null where none does. */
  readonly oldestAt: number | null;
}

export interface DeadLetterBounds {
  /** More open ones than this are an alarm. */
  readonly alarm: number;
  /** Records can be opened for so long, in ms: what waits longer cannot be retried any more. */
  readonly retentionMs: number;
}

/** Counts what is open, by an index that holds nothing else. */
export async function lookAtDeadLetters(database: Database): Promise<DeadLetterLook> {
  try {
    const { rows } = await database.query<{ class: string; count: number; oldest: number }>(
      `select error_class as class, count(*)::int as count, min(source_at) as oldest
        from dead_letter_states where state = 'open' group by 1`,
    );
    const countOf = (name: string): number => rows.find((row) => row.class === name)?.count ?? 0;
    const open = Object.fromEntries(parkedClasses.map((name) => [name, countOf(name)]));
    const oldest = rows.map((row) => row.oldest);
    return {
      open: open as DeadLetterLook['open'],
      oldestAt: oldest.length === 0 ? null : Math.min(...oldest),
    };
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

const totalOf = ({ open }: DeadLetterLook): number =>
  parkedClasses.reduce((sum, name) => sum + open[name], 0);

const nearly = 0.8;
const hourMs = 3_600_000;

/** What a look says. Never `failed`: what is parked holds up nobody else. */
export function deadLetterHealth(
  look: DeadLetterLook,
  { alarm, retentionMs }: DeadLetterBounds,
  now: number,
): HealthResult {
  const total = totalOf(look);
  if (total === 0) return { status: 'ok', detail: 'none open' };
  const { oldestAt } = look;
  const leftMs = oldestAt === null ? retentionMs : oldestAt + retentionMs - now;
  const named = parkedClasses.filter((name) => look.open[name] > 0);
  const counts = named.map((name) => `${look.open[name]} ${name}`).join(', ');
  if (leftMs < retentionMs * (1 - nearly)) {
    const hours = Math.max(0, Math.floor(leftMs / hourMs));
    const detail = `${total} open (${counts}); the oldest cannot be retried any more in ${hours} h`;
    return { status: 'degraded', detail };
  }
  const detail = `${total} open (${counts}); see: trunkline dead-letters list`;
  return total > alarm ? { status: 'degraded', detail } : { status: 'ok', detail };
}

export interface DeadLetterWatchDeps extends DeadLetterBounds {
  readonly database: Database;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Default: the system's. */
  readonly clock?: Clock;
}

const lookEveryMs = 10_000;

/** Looks every ten seconds until the signal aborts; never rejects. */
export class DeadLetterWatch {
  readonly #deps: DeadLetterWatchDeps;
  readonly #open: Gauge<'class'>;
  readonly #oldest: Gauge;
  #health: HealthResult = { status: 'ok' };

  constructor(deps: DeadLetterWatchDeps) {
    const registers = [deps.metrics];
    this.#deps = deps;
    this.#open = new Gauge({
      name: 'trunkline_dead_letters_open',
      help: 'Facts that are parked, by why',
      labelNames: ['class'],
      registers,
    });
    this.#oldest = new Gauge({
      name: 'trunkline_dead_letters_oldest_seconds',
      help: 'Age of the oldest parked record; 0 where none is',
      registers,
    });
    for (const name of parkedClasses) this.#open.set({ class: name }, 0);
  }

  get health(): HealthResult {
    return this.#health;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.look();
      } catch (thrown) {
        const fields = { code: 'dead_letters_unknown', error: toError(thrown).message };
        this.#deps.logger.debug(fields, 'how many facts are parked is not known now');
      }
      await pause(lookEveryMs, signal);
    }
  }

  /** One look; says in the log when the alarm begins and when it ends. */
  async look(): Promise<HealthResult> {
    const { database, logger, clock = systemClock } = this.#deps;
    const found = await lookAtDeadLetters(database);
    const now = clock();
    for (const name of parkedClasses) this.#open.set({ class: name }, found.open[name]);
    this.#oldest.set(found.oldestAt === null ? 0 : Math.max(0, now - found.oldestAt) / 1000);
    const health = deadLetterHealth(found, this.#deps, now);
    const { detail = '' } = health;
    if (health.status !== this.#health.status) {
      const fields = { code: 'dead_letters_alarm', ...found.open };
      if (health.status === 'degraded') logger.error(fields, detail);
      else logger.info({ ...fields, code: 'dead_letters_calm' }, detail);
    }
    this.#health = health;
    return health;
  }
}
