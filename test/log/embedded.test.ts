// The embedded driver beyond the port, on a real PostgreSQL (test/services/): retention, lost
// connections, silent processes.

import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { sweepOnce } from '../../log/embedded-sweep.js';
import type { EventLog, LogRecord } from '../../log/event-log.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { offset } from '../../schemas/ids.js';
import { migratedUrl, openAt } from './open-embedded.js';

const never = new AbortController().signal;
const limits = { maxWaitMs: 1000, maxBytesPerPartition: 1 << 20 };
const record = (text: string): LogRecord => ({
  key: 'acme',
  header: 'h',
  value: Buffer.from(text),
});
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function openBoth(): Promise<{ url: string; log: EventLog; database: Database }> {
  const url = await migratedUrl();
  const log = await openAt(url);
  const database = openDatabase({ url, max: 4, applicationName: 'test' });
  ends.push(
    () => database.end(),
    () => log.close(),
  );
  return { url, log, database };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 5000) {
  const deadline = Date.now() + ms;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await delay(10);
  }
}

test('another number of partitions is refused, and the number it has is said', async () => {
  const { url } = await openBoth();
  await expect(openAt(url, { partitions: 7 })).rejects.toThrow(
    /has 4 partitions, wanted 7.*TRUNKLINE_PARTITIONS=4/,
  );
});

test('processes that open a new log at the same time agree', async () => {
  const url = await migratedUrl();
  const logs = await Promise.all([1, 2, 3].map(() => openAt(url)));
  ends.push(...logs.map((log) => () => log.close()));
  expect(await logs[0]?.bounds('events', 3)).toEqual({ first: 0, next: 0 });
});

describe('retention', () => {
  test('old deliveries go in steps, their positions are errors, events stay', async () => {
    const { log, database } = await openBoth();
    const appender = await log.openAppender();
    for (const text of ['a', 'b', 'c']) {
      for (const topic of ['deliveries', 'deliveries.bulk', 'events'] as const) {
        await appender.append(topic, 0, [record(text), record(text)]);
      }
    }
    const { rows } = await database.query<{ at: number }>(
      `select appended_at as at from log_records where topic = 'deliveries' and "offset" = 4`,
    );
    await database.query(
      `update log_records set appended_at = appended_at - 100000 where "offset" < 4`,
    );
    expect(await sweepOnce(database, (rows[0]?.at ?? 0) - 50_000)).toBe(8);
    expect(await sweepOnce(database, (rows[0]?.at ?? 0) - 50_000)).toBe(0);
    expect(await log.bounds('deliveries', 0)).toEqual({ first: 4, next: 6 });
    expect(await log.bounds('events', 0)).toEqual({ first: 0, next: 6 });
    const fetcher = await log.openFetcher();
    const at = (from: number) => [
      { topic: 'deliveries' as const, partition: 0, from: offset(from) },
    ];
    await expect(fetcher.fetch(at(3), limits, never)).rejects.toMatchObject({
      code: 'log_position',
    });
    const [found] = await fetcher.fetch(at(4), limits, never);
    expect(found?.records.map((one) => one.offset)).toEqual([4, 5]);
    expect((await appender.append('deliveries', 0, [record('d')])).baseOffset).toBe(6);
    await sweepOnce(database, Date.now() + 1_000_000);
    expect(await log.bounds('deliveries', 0)).toEqual({ first: 7, next: 7 });
  });
});

describe('lost connections', () => {
  const terminate = (database: Database, name: string) =>
    database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = $1 and datname = current_database()`,
      [name],
    );

  test('an append whose connection dies is unknown and ends the appender', async () => {
    const { log, database } = await openBoth();
    const appender = await log.openAppender();
    const client = await database.connect();
    await client.query('begin');
    await client.query(`select * from log_heads where topic = 'events' for update`);
    const unknown = expect(appender.append('events', 0, [record('x')])).rejects.toMatchObject({
      code: 'append_unknown',
    });
    await until('the append waits for the head', async () => {
      const { rows } = await database.query(
        `select 1 from pg_stat_activity where application_name = 'trunkline-log'
          and wait_event_type = 'Lock' and datname = current_database()`,
      );
      return rows.length > 0;
    });
    await terminate(database, 'trunkline-log');
    await unknown;
    await client.query('rollback');
    client.release();
    await expect(appender.append('events', 0, [record('y')])).rejects.toMatchObject({
      code: 'append_unknown',
    });
    // The pool may hand out a connection whose end it has not read yet.
    await expect
      .poll(() => log.bounds('events', 0).catch(() => null))
      .toEqual({ first: 0, next: 0 });
    const again = await log.openAppender();
    expect((await again.append('events', 0, [record('z')])).baseOffset).toBe(0);
  });

  test('a reader whose wake-up connection dies hears of other processes again', async () => {
    const { url, log, database } = await openBoth();
    const other = await openAt(url);
    ends.push(() => other.close());
    await terminate(database, 'trunkline-log-listen');
    const fetcher = await log.openFetcher();
    const position = { topic: 'events' as const, partition: 0, from: offset(0) };
    const waiting = fetcher.fetch([position], { ...limits, maxWaitMs: 10_000 }, never);
    const appender = await other.openAppender();
    await appender.append('events', 0, [record('x')]);
    const [found] = await waiting;
    expect(found?.records).toHaveLength(1);
  });

  test('a member whose connection dies gives its partitions up and gets them again', async () => {
    const { log, database } = await openBoth();
    const calls: string[] = [];
    const stop = new AbortController();
    const joined = log.joinProcessors(
      {
        assigned: (partition) => void calls.push(`+${partition}`),
        revoked: (partition) => void calls.push(`-${partition}`),
      },
      stop.signal,
    );
    await until('all assigned', () => calls.length === 4);
    await terminate(database, 'trunkline-log');
    await until('all again', () => calls.length === 12);
    expect(calls.slice(4)).toEqual(['-0', '-1', '-2', '-3', '+0', '+1', '+2', '+3']);
    stop.abort();
    await joined;
  });

  test('a member that is silent for the session timeout loses its partitions', async () => {
    const { url, log } = await openBoth();
    const database = openDatabase({ url, max: 1, applicationName: 'silent' });
    ends.push(() => database.end());
    const silent = await database.connect();
    silent.on('error', () => undefined);
    await silent.query(`set idle_session_timeout = 1000`);
    await silent.query('select pg_advisory_lock($1::int, 5)', [0x544c01]);
    await silent.query(
      'select pg_advisory_lock($1::int, p) from generate_series(0, 3) p',
      [0x544c02],
    );
    const held = new Set<number>();
    const stop = new AbortController();
    const started = Date.now();
    const joined = log.joinProcessors(
      { assigned: (p) => void held.add(p), revoked: (p) => void held.delete(p) },
      stop.signal,
    );
    await until('all assigned', () => held.size === 4);
    expect(Date.now() - started).toBeGreaterThan(700);
    stop.abort();
    await joined;
    silent.release(true);
  });
});
