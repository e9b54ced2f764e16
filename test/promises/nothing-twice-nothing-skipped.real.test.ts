// Promise 2 on real parts, Kafka and the embedded log: processes are frozen in mid-stream, others take over, and
// the frozen ones wake up as zombies that go on appending; two projectors race for the same rows.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { follow, type ValidBatch } from '../../log/consume.js';
import { openEmbeddedLog } from '../../log/embedded.js';
import type { EventLog } from '../../log/event-log.js';
import { openKafkaLog } from '../../log/kafka.js';
import { startMark } from '../../log/mark.js';
import { moveMarks, readMark } from '../../log/mark-store.js';
import { ownPartition, type Restored } from '../../log/owner.js';
import { formatHeader } from '../../log/record-header.js';
import { silentLogger } from '../../runtime/logger.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import {
  inTransaction,
  openDatabase,
  type Database,
  type Transaction,
} from '../../runtime/postgres.js';
import { eventId, seq, tenantId, type TenantId } from '../../schemas/ids.js';
import { chainDecider, encodePayload, foldEvent, foldTail } from '../log/simulation/inputs.js';
import { judgeApplied, type Applied } from '../log/simulation/judge.js';
import { kafkaBrokers, postgresUrl } from '../services/services.js';

const key = { projection: 'test', version: 1, partition: 0 };
let database: Database;
let log: EventLog;

const retention = { rawRetentionMs: 30 * 86_400_000, sessionTimeoutMs: 6_000, partitions: 1 };
const drivers = {
  kafka: async () =>
    openKafkaLog({
      brokers: await kafkaBrokers(),
      clientId: 'test',
      prefix: `t${randomBytes(5).toString('hex')}`,
      replication: 1,
      minIsr: 1,
      logger: silentLogger,
      ...retention,
    }),
  embedded: (url: string) => openEmbeddedLog({ url, logger: silentLogger, ...retention }),
} satisfies Record<string, (url: string) => Promise<EventLog>>;

async function open(driver: keyof typeof drivers): Promise<void> {
  const url = await postgresUrl();
  database = openDatabase({ url, max: 10, applicationName: 'test' });
  await migrate(database, { set: 'log', directory: join(packageRoot(), 'log/migrations') });
  await database.query(
    'create table applied (id bigserial, event_id text, tenant text, seq bigint, value bytea)',
  );
  log = await drivers[driver](url);
}

async function close(): Promise<void> {
  await log.close();
  await database.end();
}

async function readApplied(on: Database | Transaction = database): Promise<readonly Applied[]> {
  const { rows } = await on.query<{
    event_id: string;
    tenant: string;
    seq: string;
    value: Buffer;
  }>('select event_id, tenant, seq, value from applied order by id');
  return rows.map((row) => ({
    eventId: eventId(row.event_id),
    tenant: tenantId(row.tenant),
    seq: seq(Number(row.seq)),
    value: row.value,
  }));
}

/** Rows and mark of one moment. */
const snapshot = (): Promise<{ readonly rows: Map<TenantId, string>; readonly next: number }> =>
  inTransaction(database, async (transaction) => {
    await transaction.query('set transaction isolation level repeatable read');
    const rows = new Map<TenantId, string>();
    for (const event of await readApplied(transaction)) foldEvent(rows, event);
    return { rows, next: ((await readMark(transaction, key)) ?? startMark).next };
  });

/** A process that can be stopped as by SIGSTOP: whatever it does next waits until it is woken. */
class Freezable {
  readonly stop = new AbortController();
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  freeze(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }
  wake(): void {
    this.#open();
  }
  readonly wait = (): Promise<void> => this.#gate;

  /** The log as this process sees it: every call and every answer can be frozen. */
  log(): EventLog {
    const both = async <T>(act: () => Promise<T>): Promise<T> => {
      await this.wait();
      const result = await act();
      await this.wait();
      return result;
    };
    return {
      ...log,
      openAppender: async () => {
        const appender = await log.openAppender();
        return { ...appender, append: (...args) => both(() => appender.append(...args)) };
      },
      openFetcher: async () => {
        const fetcher = await log.openFetcher();
        return { ...fetcher, fetch: (...args) => both(() => fetcher.fetch(...args)) };
      },
    };
  }
}

const ends = new Map<string, number>();

function startOwner(process: Freezable): Promise<void> {
  return ownPartition({
    log: process.log(),
    partition: 0,
    readMark: async () => (await readMark(database, key)) ?? startMark,
    begin: async (restored: Restored) => {
      const { rows, next } = await snapshot();
      if (next < restored.mark.next) return 'again';
      return chainDecider(foldTail(rows, next, restored.tail), process.wait);
    },
    encode: encodePayload,
    maxInputs: 20,
    signal: process.stop.signal,
    observe: { ended: ({ reason }) => ends.set(reason, (ends.get(reason) ?? 0) + 1) },
  });
}

async function project(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const start = (await readMark(database, key)) ?? startMark;
    const onLoss = (_partition: number, error: Error): void => {
      throw error;
    };
    const starts = new Map([[0, start]]);
    for await (const batch of follow({
      log,
      starts,
      signal,
      maxEvents: 50,
      maxWaitMs: 100,
      onLoss,
    })) {
      if ((await commit(batch)) === 'ahead') break;
    }
  }
}

/** Rows and mark in one transaction; the losing projector's rows are rolled back. */
async function commit({ before, events, mark }: ValidBatch): Promise<'stored' | 'ahead'> {
  const ahead = new Error('ahead');
  try {
    await inTransaction(database, async (transaction) => {
      await transaction.query(
        `insert into applied (event_id, tenant, seq, value)
          select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])`,
        [
          events.map((event) => event.eventId),
          events.map((event) => event.tenant),
          events.map((event) => event.seq),
          events.map((event) => event.value),
        ],
      );
      const outcome = await moveMarks(transaction, [key], before, mark);
      if (outcome === 'ahead') throw ahead;
      expect(outcome).toBe('stored');
    });
    return 'stored';
  } catch (error) {
    if (error === ahead) return 'ahead';
    throw error;
  }
}

/** Appends inputs to both lanes in turn until told to stop, and names the outputs they must have. */
async function appendInputs(enough: AbortSignal): Promise<Due> {
  const appender = await log.openAppender();
  const due: Record<'r' | 'b', string[]> = { r: [], b: [] };
  const next = { r: 0, b: 0 };
  const total = (): number => due.r.length + due.b.length;
  for (let i = 0; !enough.aborted; i += 1) {
    const letter = i % 2 === 0 ? 'r' : 'b';
    const records = Array.from({ length: 10 }, (_, j) => {
      const outputs = (i + j) % 3;
      for (let k = 0; k < outputs; k += 1) due[letter].push(`${letter}${next[letter]}.${k}`);
      next[letter] += 1;
      const value = Buffer.from(JSON.stringify({ outputs }));
      return { key: `tenant-${j % 3}`, header: formatHeader({ kind: 'fact' }), value };
    });
    await appender.append(letter === 'r' ? 'deliveries' : 'deliveries.bulk', 0, records);
    await until(async () => enough.aborted || (await appliedAtLeast(total() - 200)));
  }
  await appender.close();
  return { ids: [...due.r, ...due.b], realtime: next.r - 1, bulk: next.b - 1 };
}

interface Due {
  readonly ids: readonly string[];
  /** Last offsets of the lanes. */
  readonly realtime: number;
  readonly bulk: number;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('no progress');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const appliedCount = async (): Promise<number> => {
  const { rows } = await database.query<{ n: number }>('select count(*)::int n from applied');
  return rows[0]?.n ?? 0;
};
const appliedAtLeast = async (least: number): Promise<boolean> => (await appliedCount()) >= least;
const termAtLeast = async (least: number): Promise<boolean> =>
  ((await readMark(database, key))?.term ?? 0) >= least;

describe.each(['kafka', 'embedded'] as const)('on the log of driver %s', (driver) => {
  beforeAll(() => open(driver));
  afterAll(close);

  test('zombies that go on appending and racing projectors change nothing', run, 120_000);
});

async function run(): Promise<void> {
  ends.clear();
  const over = new AbortController();
  const enough = new AbortController();
  const work = [project(over.signal), project(over.signal)];
  const inputs = appendInputs(enough.signal);
  const owners: Freezable[] = [];
  for (let round = 1; round <= 4; round += 1) {
    const next = new Freezable();
    owners.push(next);
    work.push(startOwner(next));
    await until(() => termAtLeast(round));
    const count = await appliedCount();
    await until(() => appliedAtLeast(count + 50));
    if (round < 4) next.freeze();
  }
  // All wake in the middle of whatever they did, and fight for the partition for a while.
  for (const owner of owners) owner.wake();
  await until(() => termAtLeast(8));
  for (const owner of owners.slice(1)) owner.stop.abort();
  enough.abort();
  const due = await inputs;
  await until(async () => {
    const covered = (await readMark(database, key))?.covered;
    return covered?.realtime === due.realtime && covered.bulk === due.bulk;
  });
  owners[0]?.stop.abort();
  over.abort();
  await Promise.all(work);
  expect(judgeApplied(await readApplied(), due.ids)).toEqual([]);
  expect(ends.get('deposed') ?? 0, 'zombies found out').toBeGreaterThan(2);
}
