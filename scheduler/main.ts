// The scheduler: timers that are due become facts. Comes in: the read model `timers`. Goes out: facts of
// `deliveries`. Any number of processes may run; one is at work, and two at once would do no harm.

import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { orAborted } from '../log/abort.js';
import { FactAppender } from '../log/own-facts.js';
import { pause } from '../log/pause.js';
import { toError } from '../runtime/errors.js';
import type { AccountStore } from '../runtime/account-store.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { Metrics } from '../runtime/metrics.js';
import type { Database } from '../runtime/postgres.js';
import { Asker } from './asker.js';
import type { ApiOptions } from './call-api.js';
import { Asking, noApi, type AskingOptions, type AskProvider } from './ask.js';
import { DueClock } from './due-clock.js';
import { Freshness } from './freshness.js';
import { Lease } from './lease.js';
import { createSchedulerMetrics, otherProvider, type SchedulerMetrics } from './metrics.js';
import { inferNow, runRound, type RoundParts } from './pipeline.js';
import { apiNames } from './providers/registry.js';
import { reconcileOnStart } from './reconcile-start.js';
import type { ReconcileParts } from './reconcile.js';
import { lookAtScheduler, type SchedulerLook } from './status.js';
import { ToldTimers } from './told.js';

export interface SchedulerDeps {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
  readonly keyRing: KeyRing;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Accounts at providers, to ask after calls; absent: nobody is asked, ends are inferred. */
  readonly accounts?: Pick<AccountStore, 'open'>;
  /** Questions per second and account. Default 5. */
  readonly asksPerSecond?: number;
  /** After a term has begun its accounts are reconciled. Default 60 s. */
  readonly reconcileAfterMs?: number;
  /** For tests: other time-outs. */
  readonly api?: Partial<ApiOptions>;
  /** Timers told per second at most: an hour that was missed is caught up at this rate. Default 1,000. */
  readonly ratePerSecond?: number;
  /** How long a holder of the lease may be silent. Default 10 s. */
  readonly leaseMs?: number;
  /** Between rounds. Default 1 s. */
  readonly roundMs?: number;
  /** How long a leap ahead of the database's clock must last. Default 30 s. */
  readonly leapHoldMs?: number;
  /** Monotonic ms. */
  readonly now?: () => number;
  /** How the scheduler stands, by health. Told every few seconds; null while Postgres is away. */
  readonly onLook?: (look: SchedulerLook | null) => void;
}

const sampleMs = 5_000;
const closeMs = 500;
const listenersOfTerm = 200;
const noSignal = new AbortController().signal;
const maxWaiting = 10_000;
/** A batch of timers beside a page of calls. */
const maxAppending = 5_000;
const backOffMs = { first: 200, most: 5_000 } as const;

/** Takes its turn and works until the signal aborts; nothing but the signal ends it. */
export async function runScheduler(deps: SchedulerDeps, signal: AbortSignal): Promise<void> {
  const { logger, leaseMs = 10_000, now = () => performance.now() } = deps;
  const metrics = createSchedulerMetrics(deps.metrics);
  const lease = new Lease({ database: deps.database, holder: randomUUID(), leaseMs, now });
  const asker = askerOf(deps, metrics, now);
  const ask = asker?.ask ?? noApi;
  const sampling = sample(deps, { metrics, asker }, signal);
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (await lease.keep())
        await lead(deps, { lease, metrics, leaseMs, now, ask, asker }, signal);
      failures = 0;
      await pause(leaseMs / 4, signal);
    } catch (thrown) {
      failures += 1;
      metrics.failures.inc();
      const fields = { code: 'scheduler_retry', error: toError(thrown) };
      logger.warn(fields, 'the scheduler tries again');
      const mostMs = Math.min(backOffMs.most, backOffMs.first * 2 ** failures);
      await pause(backOffMs.first + Math.random() * mostMs, signal);
    } finally {
      metrics.leading.set(0);
    }
  }
  await sampling;
  // Others need not wait until it lapses.
  await lease.giveBack().catch(() => undefined);
}

function askerOf(
  { database, accounts, asksPerSecond = 5, api = {} }: SchedulerDeps,
  metrics: SchedulerMetrics,
  now: () => number,
): Asker | null {
  if (accounts === undefined) return null;
  return new Asker({
    ...{ database, accounts, ratePerSecond: asksPerSecond, now },
    api: { sleep: pause, ...api },
    onAsked: (name, outcome) => {
      const provider = apiNames.includes(name) ? name : otherProvider;
      metrics.asks.inc({ provider, outcome });
    },
  });
}

interface Term {
  readonly ask: AskProvider;
  readonly asker: Asker | null;
  readonly lease: Lease;
  readonly metrics: SchedulerMetrics;
  readonly leaseMs: number;
  readonly now: () => number;
}

/** Works while the lease is held. What it remembers goes with the term. */
async function lead(deps: SchedulerDeps, term: Term, stop: AbortSignal): Promise<void> {
  const { log, codec, keyRing, logger, database, leapHoldMs: holdMs = 30_000 } = deps;
  const { lease, metrics, now, ask, asker } = term;
  metrics.terms.inc();
  metrics.leading.set(1);
  logger.info({ code: 'scheduler_leads', term: lease.term }, 'this scheduler is at work');
  const clock = new DueClock({
    holdMs,
    onLeap: (byMs) => {
      metrics.leaps.inc();
      logger.warn({ code: 'clock_leap', byMs: Math.round(byMs) }, 'the database’s clock has leapt');
    },
  });
  const at = (): number => clock.at(now());
  const appender = new FactAppender({ log, codec, keyRing, clock: at, maxWaiting: maxAppending });
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal]);
  // Every question under way hangs a few on it: more than Node's guess at a leak.
  setMaxListeners(listenersOfTerm, signal);
  const append: RoundParts['append'] = (facts) => orAborted(appender.append(facts), signal);
  const isLeading = (): boolean => lease.isHeld && !signal.aborted;
  const told = new ToldTimers();
  const freshness = new Freshness({ database, log, now });
  const parts: RoundParts = {
    ...{ database, clock, told, freshness, append, isLeading, metrics, logger, now, maxWaiting },
    asking: () => asking,
  };
  const infer: AskingOptions['infer'] = (row, reason) => inferNow(parts, row, reason);
  const asking = new Asking({ ask, append, infer, logger, now, at });
  const reconciling = reconcileFrom(deps, { asker, metrics, append, at }, signal);
  try {
    await runRounds(deps, term, { ...parts, signal });
  } finally {
    over.abort();
    await Promise.all([asking.settled(), reconciling]);
    // What waits for a log that is away is no reason to stay.
    await Promise.race([appender.close(), pause(closeMs, noSignal)]);
    logger.info(
      { code: 'scheduler_rests', term: lease.term },
      'this scheduler is no longer at work',
    );
  }
}

/** Beside the rounds: what was missed while nobody was at work. */
function reconcileFrom(
  { accounts, database, logger, reconcileAfterMs: delayMs = 60_000 }: SchedulerDeps,
  {
    asker,
    metrics,
    ...more
  }: Pick<Term, 'asker' | 'metrics'> & Pick<ReconcileParts, 'append' | 'at'>,
  signal: AbortSignal,
): Promise<void> {
  if (asker === null || accounts === undefined) return Promise.resolve();
  const onDifference: ReconcileParts['onDifference'] = ({ provider, kind }) => {
    metrics.differences.inc({ provider, kind });
  };
  const parts = { database, logger, asker, onDifference, ...more };
  return reconcileOnStart(parts, { accounts, delayMs }, signal);
}

async function runRounds(
  { ratePerSecond = 1_000, roundMs = 1_000 }: SchedulerDeps,
  { lease, leaseMs, now }: Term,
  { signal, ...parts }: RoundParts & { readonly signal: AbortSignal },
): Promise<void> {
  let renewedMs = now();
  let filledMs = now();
  let budget = ratePerSecond;
  while (parts.isLeading()) {
    if (now() - renewedMs > leaseMs / 4) {
      renewedMs = now();
      if (!(await lease.keep())) return;
    }
    const atMs = now();
    budget = Math.min(ratePerSecond, budget + ((atMs - filledMs) * ratePerSecond) / 1000);
    filledMs = atMs;
    const { told, isMore } = await runRound(parts, Math.floor(budget), signal);
    budget -= told;
    await pause(isMore ? Math.min(roundMs, 50) : roundMs, signal);
  }
}

/** Says every few seconds how late timers are, whoever is at work. */
async function sample(
  { database, onLook, logger }: SchedulerDeps,
  { metrics, asker }: { readonly metrics: SchedulerMetrics; readonly asker: Asker | null },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const look = await lookAtScheduler(database);
      const { count, firstDueAt } = look.late;
      metrics.late.set(count);
      metrics.lateSeconds.set(firstDueAt === null ? 0 : (look.nowMs - firstDueAt) / 1000);
      metrics.breakers.set(asker?.openBreakers ?? 0);
      onLook?.(look);
    } catch (thrown) {
      onLook?.(null);
      const fields = { code: 'scheduler_look_failed', error: toError(thrown) };
      logger.debug(fields, 'how late timers are is not known now');
    }
    await pause(sampleMs, signal);
  }
}
