// Processors that see each other through a real PostgreSQL: one that ends is missed at once, one that was
// merely unseen has its partitions again.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import type { AssignmentListener } from '../../log/event-log.js';
import { joinWithPeers } from '../../log/peers.js';
import { silentLogger } from '../../runtime/logger.js';
import { openDatabase, type Database } from '../../runtime/postgres.js';
import { postgresUrl } from '../services/services.js';
import { until } from '../services/shared.js';

let url: string;
let database: Database;
const members: Member[] = [];

beforeAll(async () => {
  url = await postgresUrl();
  database = openDatabase({ url, max: 1, applicationName: 'test' });
});
afterEach(async () => {
  for (const member of members.splice(0)) await member.end();
});
afterAll(() => database.end());

/** A processor whose group gave it `partitions` and says nothing more. */
class Member {
  readonly works = new Set<number>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(partitions: readonly number[]) {
    const listener: AssignmentListener = {
      assigned: (partition) => void this.works.add(partition),
      revoked: (partition) => void this.works.delete(partition),
    };
    const join = async (to: AssignmentListener, signal: AbortSignal): Promise<void> => {
      for (const partition of partitions) to.assigned(partition);
      to.joined?.();
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    };
    const options = { url, sessionTimeoutMs: 6_000, logger: silentLogger };
    this.#running = joinWithPeers(options, join, { listener, signal: this.#stop.signal });
    members.push(this);
  }

  end(): Promise<void> {
    this.#stop.abort();
    return this.#running;
  }
}

/** Backends that hold a work lock on the partition. */
async function holdersOf(partition: number): Promise<number[]> {
  const { rows } = await database.query<{ pid: number }>(
    `select pid from pg_locks
      where locktype = 'advisory' and classid = $1::int::oid and objid = $2::int::oid and objsubid = 2
        and database = (select oid from pg_database where datname = current_database())`,
    [0x544c04, partition],
  );
  return rows.map(({ pid }) => pid);
}

/** Each partition is held by one, and everybody has looked since then. */
async function seen(...partitions: readonly number[]): Promise<void> {
  await until('everybody to be at work', async () => {
    const holders = await Promise.all(partitions.map(holdersOf));
    return holders.every((pids) => pids.length === 1);
  });
  const { rows } = await database.query<{ now: string }>('select clock_timestamp()::text as now');
  await until('everybody to have looked', async () => {
    const looked = await database.query<{ all: boolean }>(
      `select bool_and(query_start > $1::timestamptz and query like '%pg_locks%' and state = 'idle') as all
         from pg_stat_activity
        where application_name = 'trunkline-peers' and datname = current_database()`,
      [rows[0]?.now],
    );
    return looked.rows[0]?.all === true;
  });
}

test('the partitions of one that ends go on at the other, at once', async () => {
  const stays = new Member([0, 2]);
  const leaves = new Member([1, 3]);
  await seen(0, 1, 2, 3);
  const begin = performance.now();
  await leaves.end();
  await until('the takeover', () => stays.works.size === 4);
  expect(performance.now() - begin).toBeLessThan(3_000);
  await seen(0, 1, 2, 3);
});

test('one whose connection is cut is replaced, and has its partitions back when it is seen again', async () => {
  const stays = new Member([0, 2]);
  const cut = new Member([1, 3]);
  await seen(0, 1, 2, 3);
  const [backend] = await holdersOf(1);
  await database.query('select pg_terminate_backend($1)', [backend]);
  await until('it to be seen again', async () => {
    const pids = await holdersOf(1);
    return pids.length === 1 && pids[0] !== backend && !stays.works.has(1) && !stays.works.has(3);
  });
  expect([...stays.works].sort()).toEqual([0, 2]);
  expect([...cut.works].sort()).toEqual([1, 3]);
});

test('all connections cut at once make nobody take anything', async () => {
  const one = new Member([0, 2]);
  const other = new Member([1, 3]);
  await seen(0, 1, 2, 3);
  const before = new Set((await Promise.all([0, 1].map(holdersOf))).flat());
  await database.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [
    [...before],
  ]);
  await until('both to be seen again', async () => {
    const pids = (await Promise.all([0, 1, 2, 3].map(holdersOf))).flat();
    return pids.length === 4 && pids.every((pid) => !before.has(pid));
  });
  expect([...one.works].sort()).toEqual([0, 2]);
  expect([...other.works].sort()).toEqual([1, 3]);
});
