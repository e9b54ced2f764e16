// Bench 19: a processor is killed (SIGKILL) while 100,000 calls go on. Comes in: a setting. Goes out: how long it takes from the
// kill, and from the next owner's marker, to the first event that is decided again; with Redis and without.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import type { Fetcher } from '../log/event-log.js';
import { startRedis } from '../test/services/redis.js';
import { offset } from '../schemas/ids.js';
import { closedLoop } from './http-load.js';
import { cpuSeconds, median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import type { Roles } from './site.js';
import { openStage, type Stage } from './stage.js';
import { openPeer, startPeer } from './streams-peer.js';
import { activeCalls, type SignedRequest } from './traffic.js';

type Way = 'with Redis' | 'without Redis';
const ways: readonly Way[] = ['without Redis', 'with Redis'];

/** Callbacks of the calls that go on, while it is measured: so many in each fifth of a second. */
const perTurn = 40;
const turnMs = 200;
const sessionMs = 6_000;
/** Members of the group have settled by then. */
const settleMs = 3_000;

interface Found {
  /** From the kill to the marker of the next owner: that it is seen, and the partition taken. */
  readonly markerMs: number;
  /** From that marker to the first event: restoring, looking up, deciding. */
  readonly restoreMs: number;
  /** From the kill to the first event. */
  readonly totalMs: number;
}

/** Both ways in turn, on one installation. */
export async function measureRecovery(setting: Setting): Promise<Row[]> {
  const { size, note } = setting;
  const stage = await openStage(setting);
  const redis = await startRedis();
  setting.onEnd(() => redis.kill());
  const env = { TRUNKLINE_SESSION_TIMEOUT: `${sessionMs}ms` };
  const hotEnv = { ...env, REDIS_URL: redis.url };
  const ingest = await setting.roles(stage.site, 'ingest');
  const projections = await setting.roles(beside(stage, 'projections', hotEnv), 'projections');
  const filler = await setting.roles(beside(stage, 'filler', hotEnv), 'processors');
  const count = size.deliveries * 5;
  const calls = activeCalls(stage.door.target, count);
  note(`(19) ${count} calls begin`);
  await closedLoop(
    ingest.port,
    calls.begin().map(({ bytes }) => bytes),
    64,
  );
  await caughtUp(stage);
  await filler.stop();
  const found: Record<Way, Found[]> = { 'with Redis': [], 'without Redis': [] };
  let used = 0;
  for (let round = 0; round < size.rounds; round += 1) {
    for (const way of ways) {
      const own = way === 'with Redis' ? hotEnv : env;
      const pair = [0, 1].map((n) => beside(stage, `${way}-${round}-${n}`.replace(' ', '-'), own));
      const processors = await Promise.all(pair.map((site) => setting.roles(site, 'processors')));
      await pause(settleMs);
      const over = new AbortController();
      const load = flow(ingest.port, over.signal, () => {
        used += perTurn;
        return calls.next((used - perTurn) % (count - perTurn), perTurn).map(({ bytes }) => bytes);
      });
      await pause(2_000);
      const one = await killOwner(stage, processors);
      found[way].push(one);
      note(`(19) ${way}: ${one.totalMs} ms, of them ${one.restoreMs} after the marker`);
      over.abort();
      await load;
      for (const each of processors) await each.stop();
      await caughtUp(stage);
    }
  }
  await projections.stop();
  await ingest.stop();
  const streams: number[] = [];
  for (let round = 0; round < size.rounds; round += 1) {
    streams.push(await killStreams(setting, calls.begin(), (at) => calls.next(at, perTurn)));
    note(`(19) Kafka Streams: ${streams.at(-1)} ms`);
  }
  return rowsOf(found, streams, count);
}

/** Sends what `next` says, turn by turn, until the signal aborts. */
async function flow(port: number, signal: AbortSignal, next: () => readonly Buffer[]) {
  while (!signal.aborted) {
    const turn = pause(turnMs);
    await closedLoop(port, next(), 4);
    await turn;
  }
}

/** Another node of the same installation. */
function beside(
  { site }: Stage,
  name: string,
  env: Readonly<Record<string, string>>,
): Stage['site'] {
  const data = join(site.data, name);
  mkdirSync(data, { recursive: true });
  return { ...site, data, env: { ...site.env, ...env, TRUNKLINE_DATA: data } };
}

/** Deliveries are decided, and projected. */
async function caughtUp({ log, partition, database }: Stage): Promise<void> {
  let still = 0;
  for (let before = -1; still < 3; await pause(1_000)) {
    const { next } = await log.bounds('events', partition);
    const { rows } = await database.query<{ next: number | null }>(
      'select min(next_offset)::int as next from marks where partition = $1',
      [partition],
    );
    still = rows[0]?.next === next && next === before ? still + 1 : 0;
    before = next;
  }
}

/** Which of them owns the partition: it alone says how far behind it is. */
async function ownerOf(stage: Stage, processors: readonly Roles[]): Promise<Roles> {
  const lag = `trunkline_processors_lag_records{partition="${stage.partition}"`;
  for (const each of processors) {
    const answer = await fetch(`http://127.0.0.1:${each.port}/metrics`);
    if ((await answer.text()).includes(lag)) return each;
  }
  throw new Error('nobody owns the partition');
}

async function killOwner(stage: Stage, processors: readonly Roles[]): Promise<Found> {
  const { log, partition } = stage;
  const owner = await ownerOf(stage, processors);
  const fetcher = await log.openFetcher();
  const { next } = await log.bounds('events', partition);
  const killedAt = Date.now();
  process.kill(owner.pid, 'SIGKILL');
  try {
    return await firstEvent(stage, fetcher, { from: next, killedAt });
  } finally {
    await fetcher.close();
  }
}

/** The broker's own times: its clock is ours. */
async function firstEvent(
  { partition }: Stage,
  fetcher: Fetcher,
  { from, killedAt }: { readonly from: number; readonly killedAt: number },
): Promise<Found> {
  const limits = { maxWaitMs: 100, maxBytesPerPartition: 1 << 20 };
  const deadline = AbortSignal.timeout(90_000);
  let markerAt: number | null = null;
  for (let at = offset(from); ;) {
    const [answer] = await fetcher.fetch(
      [{ topic: 'events', partition, from: at }],
      limits,
      deadline,
    );
    for (const { offset: found, header, value, appendedAt } of answer?.records ?? []) {
      if (found < at) continue;
      at = offset(found + 1);
      if (/^\S+ m /.test(header)) markerAt = appendedAt;
      else if (markerAt !== null && value !== null) {
        const totalMs = appendedAt - killedAt;
        return { totalMs, markerMs: markerAt - killedAt, restoreMs: appendedAt - markerAt };
      }
    }
  }
}

/** The same with Kafka Streams: until the next owner has committed an output. */
async function killStreams(
  setting: Setting,
  begun: readonly SignedRequest[],
  next: (at: number) => readonly SignedRequest[],
): Promise<number> {
  const peer = await openPeer(setting);
  await peer.feed(begun);
  const pair = [
    await startPeer(setting, peer, sessionMs),
    await startPeer(setting, peer, sessionMs),
  ];
  while ((await peer.committed()) < begun.length) await pause(200);
  await pause(settleMs);
  const over = new AbortController();
  const load = (async () => {
    for (let at = 0; !over.signal.aborted; at = (at + perTurn) % (begun.length - perTurn)) {
      const turn = pause(turnMs);
      await peer.feed(next(at));
      await turn;
    }
  })();
  // Who works uses the processor; the other one waits.
  const before = pair.map(({ pid }) => cpuSeconds(pid));
  await pause(2_000);
  const used = pair.map(({ pid }, i) => cpuSeconds(pid) - (before[i] ?? 0));
  const owner = (used[0] ?? 0) > (used[1] ?? 0) ? pair[0] : pair[1];
  const killedAt = performance.now();
  owner?.kill();
  // What it had committed just then may still become visible.
  await pause(100);
  const done = await peer.committed();
  while ((await peer.committed()) <= done) await pause(10);
  const tookMs = Math.round(performance.now() - killedAt);
  over.abort();
  await load;
  for (const each of pair) await each.stop();
  return tookMs;
}

function rowsOf(
  found: Readonly<Record<Way, readonly Found[]>>,
  streams: readonly number[],
  calls: number,
): Row[] {
  const units = {
    totalMs: 'ms from the kill to the first event',
    markerMs: 'ms of them until the marker of its successor',
    restoreMs: 'ms of them from the marker on',
  } as const;
  const what = `takeover after kill -9, ${calls.toLocaleString('en')} active calls`;
  const rows = (Object.keys(units) as (keyof typeof units)[]).map((one): Row => {
    const of = (way: Way): number[] => found[way].map((each) => each[one]);
    const rounds = { ours: of('with Redis'), bare: of('without Redis') };
    const [ours, bare] = [median(rounds.ours), median(rounds.bare)];
    const beside = `${what}: with Redis beside without`;
    return { bench: 19, what: beside, unit: units[one], ours, bare, target: null, rounds };
  });
  const rounds = { ours: found['without Redis'].map(({ totalMs }) => totalMs), bare: streams };
  const beside: Row = {
    ...{ bench: 19, what: `${what}: beside Kafka Streams with exactly-once` },
    ...{ unit: units.totalMs, ours: median(rounds.ours), bare: median(rounds.bare) },
    ...{ target: { atMost: 1 }, rounds },
  };
  return [...rows, beside];
}
