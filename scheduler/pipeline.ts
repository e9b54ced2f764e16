// Scheduler, in the order of one round: what time it is, which timers are due, tell them, ask after calls. Comes
// in: the read model `timers`. Goes out: facts of `deliveries`, nothing else.

import type { OwnFact } from '../log/own-facts.js';
import type { Logger } from '../runtime/logger.js';
import { databaseTime, postgresError, type Database } from '../runtime/postgres.js';
import type { Asking } from './ask.js';
import type { DueClock } from './due-clock.js';
import { readDue, readTenants, readToAsk, type TimerRow } from './due.js';
import type { Freshness } from './freshness.js';
import type { SchedulerMetrics } from './metrics.js';
import { timerFactOf, type InferenceReason } from './timer-fact.js';
import type { ToldTimers } from './told.js';

export interface RoundParts {
  readonly database: Database;
  readonly clock: DueClock;
  readonly told: ToldTimers;
  readonly freshness: Freshness;
  readonly asking: () => Asking;
  /** Resolves once they are durable; else the next round tells them again. */
  readonly append: (facts: readonly OwnFact[]) => Promise<unknown>;
  /** True while no other scheduler can be at work. */
  readonly isLeading: () => boolean;
  readonly metrics: SchedulerMetrics;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Timers told of which the projection has not said that they are gone; then it is waited for. */
  readonly maxWaiting: number;
}

const most = { batch: 500, ask: 500 } as const;

/** What a round left over: true when more is due than it told. */
export interface RoundEnd {
  readonly told: number;
  readonly isMore: boolean;
}

/** One round: tells at most `budget` timers. */
export async function runRound(
  parts: RoundParts,
  budget: number,
  signal: AbortSignal,
): Promise<RoundEnd> {
  const { clock, told, metrics, now, database } = parts;
  const nowMs = clock.judge(await timeOf(database), now());
  const limit = Math.min(parts.maxWaiting, told.size) + most.batch;
  const tenants = await parts.freshness.among(await readTenants(database));
  const due = await readDue(database, tenants, { nowMs, limit });
  const toAsk = await readToAsk(database, tenants, most.ask);
  const isAll = due.length < limit && toAsk.length < most.ask;
  if (isAll) told.keepOnly([...due, ...toAsk]);
  const isFull = told.size >= parts.maxWaiting;
  const fresh = due.filter((row) => !told.has(row, now()) && isReady(parts, row));
  const room = Math.min(budget, most.batch);
  const chosen = fresh.filter((row) => !isFull || told.isRepeat(row)).slice(0, room);
  await tell(parts, chosen);
  metrics.waiting.set(told.size);
  parts.asking().begin(toAsk, signal);
  return { told: chosen.length, isMore: fresh.length > chosen.length };
}

/** Also after an outage a call is asked after once before its end is inferred. */
const isReady = ({ asking }: RoundParts, row: TimerRow): boolean =>
  row.name !== 'inference' || asking().reasonOf(row) !== null;

async function timeOf(database: Database): Promise<number> {
  try {
    return await databaseTime(database);
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

/** What is told of a timer; the reason is that of an inference. */
interface Told {
  readonly row: TimerRow;
  readonly reason: InferenceReason | null;
}

const tell = (parts: RoundParts, rows: readonly TimerRow[]): Promise<void> =>
  tellAll(
    parts,
    rows.map((row) => ({
      row,
      reason: row.name === 'inference' ? parts.asking().reasonOf(row) : null,
    })),
  );

/** Ends a call by inference before its time, because there is nothing to wait for. */
export async function inferNow(
  parts: RoundParts,
  row: TimerRow,
  reason: InferenceReason,
): Promise<void> {
  if (!parts.told.has(row, parts.now())) await tellAll(parts, [{ row, reason }]);
}

/** Remembered before it is appended: what is on its way is not told a second time beside it. */
async function tellAll(parts: RoundParts, all: readonly Told[]): Promise<void> {
  const { told, append, isLeading, metrics, logger, now } = parts;
  if (all.length === 0 || !isLeading()) return;
  const repeated = all.filter(({ row }) => told.isRepeat(row)).length;
  for (const { row } of all) told.add(row, now());
  try {
    await append(all.map(({ row, reason }) => timerFactOf(row, reason)));
  } catch (thrown) {
    for (const { row } of all) told.drop(row);
    throw thrown;
  }
  metrics.repeated.inc(repeated);
  for (const { row, reason } of all) {
    metrics.told.inc({ name: row.name });
    if (reason !== null) metrics.inferred.inc({ reason });
    const { tenant, name, callId, dueAt } = row;
    const fields = { code: 'timer_told', tenant, timer: name, call: callId, dueAt, reason };
    // An end that is inferred is for people; the others are every call's way.
    if (reason === null) logger.debug(fields, 'a timer ran out');
    else logger.info(fields, 'the end of a call is inferred');
  }
}
