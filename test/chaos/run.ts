// Chaos: one run. Comes in: seed and length. Goes out: a report, and nothing left running, whatever happens.

import { setTimeout as pause } from 'node:timers/promises';

import type { RegistryStore } from '../../runtime/registry-store.js';
import { createRegistryStore } from '../../runtime/registry-store.js';
import { partitionOf } from '../../log/topics.js';
import { tenantId, type TenantId } from '../../schemas/ids.js';
import { until } from '../services/shared.js';
import { Breaker } from './faults.js';
import * as judge from './judge.js';
import { startLoad, type Load } from './load.js';
import { readHistory } from './record.js';
import { scheduleLines, takeoversOf, type ChaosReport } from './report.js';
import { describeFault, planFaults, type FaultKind, type Planned } from './schedule.js';
import { Site } from './site.js';
import type { Slot } from './slots.js';
import { Subscriber } from './subscribers.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Deliveries per second. Default 40. */
  readonly rate?: number;
  /** Told what happens, a line at a time. */
  readonly note: (text: string) => void;
  /** Ends the run early; what was done by then is not judged. */
  readonly signal: AbortSignal;
}

/** How long everything may take to come back after the last fault. */
const healMs = 120_000;

/** Breaks a site by the seed's schedule under load, waits until it has healed, and judges it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const site = new Site();
  const subscribers: Subscriber[] = [];
  let load: Load | null = null;
  try {
    await site.open(options.note);
    options.signal.throwIfAborted();
    const store = createRegistryStore(site.installation.database, site.installation.keyRing);
    const tenants = tenantsOfEveryPartition(site.log.partitions);
    const nodes = [site.slot('ingest-1'), site.slot('ingest-2')] as const;
    const { seed, rate = 40 } = options;
    load = await startLoad(store, tenants, nodes, { seed, rate });
    subscribers.push(...(await subscribe(store, tenants, site)));
    return await underLoad(options, { site, load, subscribers });
  } finally {
    for (const subscriber of subscribers) subscriber.close();
    load?.balancer.close();
    void load?.stop();
    await site.close();
  }
}

interface Running {
  readonly site: Site;
  readonly load: Load;
  readonly subscribers: readonly Subscriber[];
}

async function underLoad(options: ChaosOptions, running: Running): Promise<ChaosReport> {
  const { note, seed, minutes, signal } = options;
  const { site, load, subscribers } = running;
  const startedAt = new Date().toISOString();
  const plan = planFaults(seed, minutes * 60_000);
  const breaker = new Breaker(site, note);
  await breaker.prepare();
  await play(plan, breaker, options);
  note('everything is made whole');
  const wholeAt = performance.now();
  await breaker.whole();
  const notes: string[] = [];
  const missed = (what: string) => (thrown: unknown) => {
    notes.push(`${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  };
  await Promise.all([...site.slots.values()].map((slot) => site.ready(slot, healMs))).catch(
    missed('a process did not come back'),
  );
  signal.throwIfAborted();
  const sent = await load.stop();
  await spoolsEmpty(site).catch(missed('a spool'));
  const { database } = site.installation;
  await judge.untilProcessed(site.log, database, healMs).catch(missed('the lag'));
  const healedMs = Math.round(performance.now() - wholeAt);
  note('judging');
  const codec = await site.installation.openCodec();
  const history = await readHistory(site.log, codec);
  await caughtUp(history.tenants, subscribers).catch(missed('a subscriber'));
  const { accepted, answers } = load.balancer;
  const [lost, twice] = [judge.judgeLost(history, accepted), judge.judgeTwice(history)];
  const verdicts = [
    ...[lost, twice, judge.judgeDense(history), judge.judgeZombies(history)],
    await judge.judgeTruth(database, load.tenants, load.truths),
    await judge.judgeRebuilt({ log: site.log, codec, database }),
    ...[judge.judgeSubscribers(history, subscribers), judge.judgeParked(history)],
    endsVerdict(site),
    {
      promise: 'everything comes back by itself',
      ok: notes.length === 0,
      detail: notes.join('; '),
    },
  ];
  return {
    ...{ seed, minutes, startedAt, verdicts, ok: verdicts.every(({ ok }) => ok), healedMs, notes },
    faults: countKinds(plan),
    schedule: scheduleLines(plan),
    sent: sent.sent,
    answers: Object.fromEntries(answers),
    deliveries: history.deliveries,
    events: [...history.tenants.values()].reduce((sum, events) => sum + events.length, 0),
    lost: countOf(lost),
    twice: countOf(twice),
    zombies: history.zombies,
    zombiesAccepted: history.zombiesAccepted,
    takeovers: takeoversOf(breaker, history.ownerships),
    stops: breaker.stops,
    resyncs: sumOf(subscribers.map(({ resyncs }) => resyncs)),
    crashes: site.crashes,
    errors: errorLines(site),
  };
}

/** Breaks each thing when its time has come. */
async function play(
  plan: readonly Planned[],
  breaker: Breaker,
  { note, minutes, signal }: ChaosOptions,
): Promise<void> {
  const begin = performance.now();
  const at = async (ms: number): Promise<void> => {
    await pause(Math.max(0, begin + ms - performance.now()), undefined, { signal });
  };
  for (const { atMs, fault } of plan) {
    await at(atMs);
    note(describeFault(fault));
    breaker.break(fault);
  }
  await at(minutes * 60_000);
}

async function subscribe(
  store: RegistryStore,
  tenants: readonly TenantId[],
  site: Site,
): Promise<Subscriber[]> {
  const gateways: Slot[] = [site.slot('gateway-1'), site.slot('gateway-2')];
  const made: Subscriber[] = [];
  for (const tenant of tenants) {
    const { key } = await store.addKey({ tenant, role: 'viewer', name: 'chaos', expiresAt: null });
    made.push(new Subscriber(tenant, key, gateways));
  }
  await until('all subscribers to be live', () => made.every(({ isLive }) => isLive), 60_000);
  return made;
}

/** Names of tenants so that each partition has one. */
function tenantsOfEveryPartition(partitions: number): readonly TenantId[] {
  const found = new Map<number, TenantId>();
  for (let index = 0; found.size < partitions; index += 1) {
    const name = tenantId(`tenant-${index}`);
    const partition = partitionOf(name, partitions);
    if (!found.has(partition)) found.set(partition, name);
  }
  return [...found.values()];
}

async function spoolsEmpty(site: Site): Promise<void> {
  for (const name of ['ingest-1', 'ingest-2'] as const) {
    const slot = site.slot(name);
    await until(
      `the spool of ${name} to be drained`,
      async () => (await slot.metric('trunkline_ingest_spool_records')) === 0,
      healMs,
    );
  }
}

async function caughtUp(
  tenants: ReadonlyMap<
    string,
    readonly { readonly seq: number; readonly body: { readonly kind: string } }[]
  >,
  subscribers: readonly Subscriber[],
): Promise<void> {
  for (const subscriber of subscribers) {
    const events = tenants.get(subscriber.tenant) ?? [];
    const top = events.findLast(({ body }) => body.kind === 'call')?.seq ?? 0;
    await until(
      `the subscriber of ${subscriber.tenant} to reach ${top}`,
      () => subscriber.position >= top,
      30_000,
    );
  }
}

function endsVerdict({ crashes }: Site): judge.Verdict {
  const shown = crashes.map(({ slot, code }) => `${slot} with ${String(code)}`).join(', ');
  return { promise: 'no process ends by itself', ok: crashes.length === 0, detail: shown };
}

/** A verdict's count of faults; its detail begins with it. */
const countOf = ({ ok, detail }: judge.Verdict): number => (ok ? 0 : Number(detail.split(' ')[0]));

function countKinds(plan: readonly Planned[]): Partial<Record<FaultKind, number>> {
  const counts: Partial<Record<FaultKind, number>> = {};
  for (const { fault } of plan) counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
  return counts;
}

function sumOf(maps: readonly ReadonlyMap<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const map of maps) {
    for (const [name, count] of map) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

function errorLines(site: Site): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { name, errors } of site.slots.values()) {
    for (const [code, count] of errors) found[`${name} ${code}`] = count;
  }
  return found;
}
