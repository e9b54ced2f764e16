// The embedded log, assignment: processes on one database share the partitions by session advisory
// locks on one connection each, which the server frees when the process or its connection dies.

import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { Database } from '../runtime/postgres.js';
import type { AssignmentListener } from './event-log.js';

/** Classes of advisory locks: one per member (its random number), one per partition. */
const memberClass = 0x544c01;
const partitionClass = 0x544c02;
const tickMs = 200;

export interface JoinOptions {
  readonly database: Database;
  readonly partitions: number;
  /** A process that does not even tick for this long loses its connection, and with it its locks. */
  readonly sessionTimeoutMs: number;
  readonly logger: Logger;
}

/** Shares the partitions until the signal aborts; nothing is reported after that. */
export async function joinByLocks(
  options: JoinOptions,
  listener: AssignmentListener,
  signal: AbortSignal,
): Promise<void> {
  const held = new Set<number>();
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      await holdSession(options, held, listener, signal);
    } catch (thrown) {
      if (isOver()) return;
      const fields = { code: 'log_assignment_lost', error: toError(thrown).message };
      options.logger.warn(fields, 'lost the connection that holds the partitions; joining again');
      for (const partition of held) listener.revoked(partition);
      held.clear();
      await delay(tickMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function holdSession(
  options: JoinOptions,
  held: Set<number>,
  listener: AssignmentListener,
  signal: AbortSignal,
): Promise<void> {
  const client = await options.database.connect();
  let broken: Error | undefined;
  client.on('error', (error) => (broken = error));
  try {
    const timeout = String(options.sessionTimeoutMs);
    await client.query(`select set_config('idle_session_timeout', $1, false)`, [timeout]);
    const member = await takeMemberLock(client);
    while (!signal.aborted) {
      if (broken !== undefined) throw broken;
      await tick(client, { member, held, listener, partitions: options.partitions }, signal);
      await delay(tickMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    // Closed, not given back: its end is what frees the locks.
    client.release(true);
  }
}

async function takeMemberLock(client: PoolClient): Promise<number> {
  for (;;) {
    const member = Math.floor(Math.random() * 0x7fffffff);
    const { rows } = await client.query<{ ok: boolean }>(
      'select pg_try_advisory_lock($1::int, $2::int) as ok',
      [memberClass, member],
    );
    if (rows[0]?.ok === true) return member;
  }
}

interface Seat {
  readonly member: number;
  readonly partitions: number;
  readonly held: Set<number>;
  readonly listener: AssignmentListener;
}

/** Gives up what belongs to others now, takes what is free and belongs to this member. */
async function tick(client: PoolClient, seat: Seat, signal: AbortSignal): Promise<void> {
  const members = await readMembers(client);
  const rank = members.indexOf(seat.member);
  if (rank < 0) throw new Error('the member lock is gone');
  const isMine = (partition: number): boolean => partition % members.length === rank;
  const all = Array.from({ length: seat.partitions }, (_, partition) => partition);
  const leaving = [...seat.held].filter((partition) => !isMine(partition));
  if (leaving.length > 0) {
    for (const partition of leaving) {
      seat.held.delete(partition);
      seat.listener.revoked(partition);
    }
    await eachPartition(client, 'pg_advisory_unlock', leaving);
  }
  const wanted = all.filter((partition) => isMine(partition) && !seat.held.has(partition));
  if (wanted.length === 0) return;
  const taken = await eachPartition(client, 'pg_try_advisory_lock', wanted);
  for (const partition of taken) {
    seat.held.add(partition);
    if (!signal.aborted) seat.listener.assigned(partition);
  }
}

async function readMembers(client: PoolClient): Promise<number[]> {
  // objsubid 2: a lock made of two ints. Object ids are unsigned there, and ours are below 2^31.
  const { rows } = await client.query<{ member: number }>({
    name: 'log_members',
    text: `select objid::bigint as member from pg_locks
      where locktype = 'advisory' and classid = $1::int::oid and objsubid = 2 and granted
        and database = (select oid from pg_database where datname = current_database())
      order by objid`,
    values: [memberClass],
  });
  return rows.map(({ member }) => member);
}

/** The partitions for which the lock function said yes. */
async function eachPartition(
  client: PoolClient,
  lockFunction: 'pg_try_advisory_lock' | 'pg_advisory_unlock',
  partitions: readonly number[],
): Promise<number[]> {
  const { rows } = await client.query<{ partition: number; ok: boolean }>(
    `select partition, ${lockFunction}($1::int, partition) as ok from unnest($2::int[]) partition`,
    [partitionClass, partitions],
  );
  return rows.filter(({ ok }) => ok).map(({ partition }) => partition);
}
