// Bench 16: how long a partition is without a working owner. One of two processors is killed (kill -9) or
// asked to end (SIGTERM) under traffic, again and again; counted from the signal to the first record that
// its successor decides, on Kafka as a stock broker allows it and on the embedded log.

import { setTimeout as pause } from 'node:timers/promises';

import type { EventLog, StoredRecord } from '../log/event-log.js';
import { openEmbeddedLog } from '../log/embedded.js';
import { openKafkaLog } from '../log/kafka.js';
import { partitionOf } from '../log/topics.js';
import { runningEmbeddedUrl } from '../runtime/embedded-postgres.js';
import { createLogger } from '../runtime/logger.js';
import { tenantId } from '../schemas/ids.js';
import { closedLoop } from './http-load.js';
import { median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openDoor, type Roles, type Site } from './site.js';
import { twilioTraffic, type Target } from './traffic.js';

const partitions = 4;
const everyMs = 50;
/** After this a partition counts as never taken over. */
const patienceMs = 60_000;

const ways = (['Kafka', 'embedded'] as const).flatMap((kind) =>
  (['SIGKILL', 'SIGTERM'] as const).map((signal) => ({ kind, signal })),
);

/** BENCH_WAYS=1,3 leaves the others out, for looking closer at one. */
function wanted(): typeof ways {
  const numbers = process.env['BENCH_WAYS']?.split(',').map(Number);
  return ways.filter((_, i) => numbers === undefined || numbers.includes(i + 1));
}

/** Measures kills and clean ends on both logs. */
export async function measureTakeover(setting: Setting): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of new Set(wanted().map((way) => way.kind))) {
    const field = await openField(setting, kind);
    for (const { signal } of wanted().filter((way) => way.kind === kind)) {
      const tookMs: number[] = [];
      for (let n = 0; n < setting.size.takeovers; n += 1) {
        tookMs.push(...(await field.takeAway(signal)));
        setting.note(`(16) ${kind} ${signal} ${n + 1}: ${describe(tookMs.slice(-2))}`);
      }
      rows.push(...rowsOf(kind, signal, tookMs));
    }
    await field.close();
  }
  return rows;
}

const describe = (tookMs: readonly number[]): string =>
  tookMs.map((ms) => `${Math.round(ms)} ms`).join(', ');

function rowsOf(kind: string, signal: 'SIGKILL' | 'SIGTERM', tookMs: readonly number[]): Row[] {
  const sorted = [...tookMs].sort((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? NaN;
  const how = signal === 'SIGKILL' ? 'kill -9' : 'SIGTERM';
  const what = `takeover after ${how}, ${kind}, ${tookMs.length} partitions`;
  const base = { bench: 16, what, bare: null, rounds: { ours: tookMs, bare: [] } };
  return [
    { ...base, unit: 'p50 ms', ours: median(tookMs), target: null },
    {
      ...base,
      unit: 'p99 ms',
      ours: p99,
      target: { atMost: signal === 'SIGKILL' ? 3_000 : 1_000 },
    },
  ];
}

/** Two processors under traffic, and an eye on who decides. */
interface Field {
  /** Ends one of them and starts another; how long each of its partitions waited, in ms. */
  takeAway(signal: 'SIGKILL' | 'SIGTERM'): Promise<number[]>;
  close(): Promise<void>;
}

async function openField(setting: Setting, kind: 'Kafka' | 'embedded'): Promise<Field> {
  const plain = kind === 'Kafka' ? await setting.kafkaSite() : setting.embeddedSite();
  const site: Site = {
    ...plain,
    // 6 s is what a stock broker allows at least (group.min.session.timeout.ms).
    env: {
      ...plain.env,
      TRUNKLINE_PARTITIONS: String(partitions),
      TRUNKLINE_SESSION_TIMEOUT: '6s',
    },
  };
  setting.note(`(16) starting ${kind}`);
  // The embedded server belongs to the first process, which is not the one that is killed.
  const others = await setting.roles(site, 'ingest,projections');
  const url = site.databaseUrl ?? (await runningEmbeddedUrl(`${site.data}/postgres`));
  if (url === null) throw new Error('the embedded server does not run');
  const log = await openLog(site, url);
  const doors = await doorsOfEveryPartition(site);
  const eye = new Eye(log);
  const watching = eye.watch();
  const traffic = new AbortController();
  const sending = send(others.port, doors, traffic.signal);
  const pair = { ...site, databaseUrl: url, env: { ...site.env, DATABASE_URL: url } };
  const start = (): Promise<Roles> => setting.roles(pair, 'processors');
  let older = await start();
  await eye.until(() => eye.owned.size === partitions);
  const before = new Map(eye.owned);
  let newer = await start();
  await eye.settled(before);
  return {
    async takeAway(signal) {
      // Whoever was first had all and kept what the other did not get: both are known by their owners.
      const lost = eye.ofOlder();
      const at = Date.now();
      process.kill(older.pid, signal);
      await eye.until(() => lost.every((p) => (eye.takenAt.get(p) ?? 0) > at));
      const tookMs = lost.map((p) => (eye.takenAt.get(p) ?? 0) - at);
      older = newer;
      const all = new Map(eye.owned);
      newer = await start();
      await eye.settled(all);
      return tookMs;
    },
    async close() {
      traffic.abort();
      eye.close();
      await Promise.all([sending, watching]);
      await log.close();
      await setting.clear();
    },
  };
}

function openLog(site: Site, url: string): Promise<EventLog> {
  const common = {
    ...{ partitions, sessionTimeoutMs: 6_000, rawRetentionMs: 30 * 86_400_000 },
    logger: createLogger({ level: 'error' }),
  };
  const brokers = site.env['KAFKA_BROKERS']?.split(',');
  if (brokers === undefined) return openEmbeddedLog({ ...common, url });
  const { prefix } = site;
  return openKafkaLog({ ...common, brokers, clientId: 'bench', prefix, replication: 1, minIsr: 1 });
}

/** A tenant with an endpoint for each partition. */
async function doorsOfEveryPartition(site: Site): Promise<readonly Target[]> {
  const found = new Map<number, Target>();
  for (let index = 0; found.size < partitions; index += 1) {
    const name = `tenant-${index}`;
    const partition = partitionOf(tenantId(name), partitions);
    if (!found.has(partition)) found.set(partition, (await openDoor(site, name)).target);
  }
  return [...found.values()];
}

async function send(port: number, doors: readonly Target[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const requests = doors.flatMap((door) => twilioTraffic(door, 1).map(({ bytes }) => bytes));
    await closedLoop(port, requests, 1).catch(() => undefined);
    await pause(everyMs);
  }
}

/** Reads `events` and knows who decides: by whom the latest record of each partition is. */
class Eye {
  /** Owner of each partition. */
  readonly owned = new Map<number, string>();
  /** When the owner's first record after its marker was appended, ms since 1970. */
  readonly takenAt = new Map<number, number>();
  readonly #closed = new AbortController();
  readonly #next = new Map<number, number>();
  #newer = new Set<number>();

  constructor(private readonly log: EventLog) {}

  async watch(): Promise<void> {
    const fetcher = await this.log.openFetcher();
    for (let p = 0; p < partitions; p += 1) this.#next.set(p, 0);
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const positions = [...this.#next].map(([partition, from]) => ({
        ...{ topic: 'events' as const, partition, from: from as never },
      }));
      const limits = { maxWaitMs: 100, maxBytesPerPartition: 1 << 20 };
      const fetched = await fetcher.fetch(positions, limits, signal).catch(() => []);
      for (const { partition, records } of fetched) {
        for (const record of records) this.#read(partition, record);
      }
    }
    await fetcher.close();
  }

  close(): void {
    this.#closed.abort();
  }

  async until(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error('a partition was never taken over');
      await pause(5);
    }
  }

  /** The newcomer has its half, and nothing changes any more. */
  async settled(before: ReadonlyMap<number, string>): Promise<void> {
    const changed = (): number[] =>
      [...this.owned].filter(([p, owner]) => before.get(p) !== owner).map(([p]) => p);
    await this.until(() => changed().length === partitions / 2);
    await pause(1_000);
    this.#newer = new Set(changed());
  }

  ofOlder(): number[] {
    return [...this.owned.keys()].filter((p) => !this.#newer.has(p));
  }

  #read(partition: number, record: StoredRecord): void {
    if (record.offset < (this.#next.get(partition) ?? 0)) return;
    this.#next.set(partition, record.offset + 1);
    const [, kind, owner = ''] = record.header.split(' ');
    if (kind === 'm' || this.owned.get(partition) === owner) return;
    this.owned.set(partition, owner);
    this.takenAt.set(partition, record.appendedAt);
  }
}
