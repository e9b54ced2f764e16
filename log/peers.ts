// The Kafka log, peers: processors see each other through session locks of PostgreSQL, which are gone with the
// process or its connection, seconds before Kafka's group gives up on a member. Comes in: the group's
// assignments. Goes out: the same, and those of a peer that is gone (docs/decisions/0016-takeover.md).

import type { PoolClient } from 'pg';

import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { openDatabase, type Database } from '../runtime/postgres.js';
import { EarlyTakes } from './early-takes.js';
import type { AssignmentListener } from './event-log.js';
import { pause } from './pause.js';

export interface PeerOptions {
  readonly url: string;
  /** Names the installation: several may share a database server, each has a database of its own. */
  readonly sessionTimeoutMs: number;
  readonly logger: Logger;
}

/** Classes of advisory locks, beside those of the embedded log: a member by its number, a partition at work. */
const memberClass = 0x544c03;
const workClass = 0x544c04;
const tickMs = 150;
const retryMs = { first: 200, most: 2_000 } as const;
/** A process that stands still for so long loses its session here, and its partitions to a peer. */
const stillMs = (sessionTimeoutMs: number): number => Math.max(2_000, sessionTimeoutMs / 3);

/**
 * Runs `join` with a listener that also takes over early. PostgreSQL away changes nothing but that:
 * then the group alone decides, after its session timeout.
 */
export async function joinWithPeers(
  options: PeerOptions,
  join: (listener: AssignmentListener, signal: AbortSignal) => Promise<void>,
  { listener, signal }: { readonly listener: AssignmentListener; readonly signal: AbortSignal },
): Promise<void> {
  const { logger } = options;
  const takes = new EarlyTakes(listener, (partition) => {
    logger.warn({ code: 'partition_taken_early', partition }, 'its owner is gone: taken over');
  });
  const ended = new AbortController();
  const either = AbortSignal.any([signal, ended.signal]);
  const watching = watchPeers(options, takes, either);
  try {
    await join(takes, signal);
  } finally {
    ended.abort();
    await watching;
  }
}

/** Never rejects: without PostgreSQL it waits for it. */
async function watchPeers(
  { url, sessionTimeoutMs, logger }: PeerOptions,
  takes: EarlyTakes,
  signal: AbortSignal,
): Promise<void> {
  const database = openDatabase({ url, max: 1, applicationName: 'trunkline-peers' });
  for (let failures = 0; !signal.aborted; failures += 1) {
    takes.forget();
    try {
      await watchSession(database, { takes, stillMs: stillMs(sessionTimeoutMs) }, signal);
    } catch (thrown) {
      const fields = { code: 'peers_unseen', error: toError(thrown).message };
      logger.warn(fields, 'other processors are not seen now; the group alone assigns');
      await pause(Math.min(retryMs.first * 2 ** failures, retryMs.most), signal);
    }
  }
  await database.end();
}

async function watchSession(
  database: Database,
  { takes, stillMs: idleMs }: { readonly takes: EarlyTakes; readonly stillMs: number },
  signal: AbortSignal,
): Promise<void> {
  const client = await database.connect();
  let broken: Error | undefined;
  client.on('error', (error) => (broken = error));
  try {
    await client.query(`select set_config('idle_session_timeout', $1, false)`, [String(idleMs)]);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const self = rows[0]?.pid ?? 0;
    await client.query('select pg_advisory_lock_shared($1::int, $2::int)', [memberClass, self]);
    const told = new Set<number>();
    while (!signal.aborted) {
      if (broken !== undefined) throw broken;
      await tell(client, told, takes.held);
      takes.seen(self, await look(client, self));
      await pause(tickMs, signal);
    }
  } finally {
    // Closed, not given back: its end is what frees the locks.
    client.release(true);
  }
}

/** Says what this process works on now. */
async function tell(
  client: PoolClient,
  told: Set<number>,
  held: ReadonlySet<number>,
): Promise<void> {
  const begun = [...held].filter((partition) => !told.has(partition));
  const ended = [...told].filter((partition) => !held.has(partition));
  if (begun.length > 0) await locks(client, 'pg_advisory_lock_shared', begun);
  if (ended.length > 0) await locks(client, 'pg_advisory_unlock_shared', ended);
  for (const partition of begun) told.add(partition);
  for (const partition of ended) told.delete(partition);
}

async function locks(
  client: PoolClient,
  name: 'pg_advisory_lock_shared' | 'pg_advisory_unlock_shared',
  partitions: readonly number[],
): Promise<void> {
  await client.query(`select ${name}($1::int, partition) from unnest($2::int[]) partition`, [
    workClass,
    partitions,
  ]);
}

interface LockRow {
  readonly class: number;
  readonly object: number;
  readonly pid: number;
}

async function look(client: PoolClient, self: number) {
  // objsubid 2: a lock made of two ints. A backend's pid names the member: one connection each.
  const { rows } = await client.query<LockRow>({
    name: 'peers_seen',
    text: `select classid::int as class, objid::int as object, pid from pg_locks
      where locktype = 'advisory' and objsubid = 2 and granted
        and classid in ($1::int::oid, $2::int::oid)
        and database = (select oid from pg_database where datname = current_database())
      order by objid`,
    values: [memberClass, workClass],
  });
  const others = rows.filter((row) => row.class === workClass && row.pid !== self);
  return {
    members: rows.filter((row) => row.class === memberClass).map(({ object }) => object),
    heldByOthers: new Set(others.map(({ object }) => object)),
  };
}
