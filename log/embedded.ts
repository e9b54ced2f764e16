// Driver `embedded`: the log in PostgreSQL, durable and shared by all processes on one database. Comes
// in: a migrated database (log/migrations). Goes out: the port of `event-log.ts`.

import { TrunklineError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import { inTransaction, openDatabase, postgresError, type Database } from '../runtime/postgres.js';
import { offset } from '../schemas/ids.js';
import { maxBatchBytes } from './append-order.js';
import { embeddedAppender } from './embedded-append.js';
import { embeddedFetcher } from './embedded-fetch.js';
import { Heads } from './embedded-heads.js';
import { joinByLocks } from './embedded-join.js';
import { startSweep } from './embedded-sweep.js';
import type { Bounds, EventLog, Topic } from './event-log.js';
import { topics } from './topics.js';

export interface EmbeddedLogOptions {
  /** Connection URL of a database with the migrations of `log/migrations`. */
  readonly url: string;
  /** P, fixed when the log is first opened. */
  readonly partitions: number;
  /** Deliveries older than this are removed. */
  readonly rawRetentionMs: number;
  readonly sessionTimeoutMs: number;
  readonly logger: Logger;
  /** Deadline of one append; later its outcome is unknown. Default 10 s. */
  readonly appendTimeoutMs?: number;
  /** The slow poll behind LISTEN. Default 1 s. */
  readonly pollMs?: number;
  /** Connections of the log's own pool. Default 10. */
  readonly connections?: number;
}

/** Opens the log on its own pool. Fails with `topic_settings` when it was made with another P. */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EventLog> {
  const { url, logger, partitions } = options;
  const max = options.connections ?? 10;
  const database = openDatabase({ url, max, applicationName: 'trunkline-log' });
  const heads = new Heads({ database, url, logger, pollMs: options.pollMs ?? 1000 });
  try {
    await ensurePartitions(database, partitions);
    await heads.open();
  } catch (thrown) {
    await heads.close().catch(() => undefined);
    await database.end();
    throw thrown;
  }
  const sweep = startSweep({ database, logger, rawRetentionMs: options.rawRetentionMs });
  const timeoutMs = options.appendTimeoutMs ?? 10_000;
  let closing: Promise<void> | undefined;
  return {
    driver: 'embedded',
    partitions,
    maxBatchBytes,
    openAppender: () => Promise.resolve(embeddedAppender(database, heads, timeoutMs)),
    openFetcher: () => Promise.resolve(embeddedFetcher(database, heads)),
    bounds: (topic, partition) => readBounds(database, topic, partition),
    joinProcessors: (listener, signal) => joinByLocks({ ...options, database }, listener, signal),
    close() {
      sweep.stop();
      closing ??= heads.close().then(() => database.end());
      return closing;
    },
  };
}

/** Makes the heads and floors of a new log; P of an old one must be the same. */
async function ensurePartitions(database: Database, partitions: number): Promise<void> {
  const counts = await inTransaction(database, async (transaction) => {
    await transaction.query(`select pg_advisory_xact_lock(hashtext('trunkline/log'))`);
    const { rows } = await transaction.query<{ topic: string; count: number }>(
      'select topic, count(*)::int as count from log_heads group by topic',
    );
    if (rows.length > 0) return rows;
    for (const table of ['log_heads', 'log_floors']) {
      await transaction.query(
        `insert into ${table} (topic, partition)
          select topic, partition from unnest($1::text[]) topic, generate_series(0, $2 - 1) partition`,
        [topics, partitions],
      );
    }
    return [];
  });
  const other = counts.find(({ count }) => count !== partitions);
  if (other === undefined) return;
  throw new TrunklineError(
    'topic_settings',
    `topic ${other.topic} of the embedded log has ${other.count} partitions, wanted ${partitions}: ` +
      `P is fixed when a log is made; set TRUNKLINE_PARTITIONS=${other.count}`,
  );
}

async function readBounds(database: Database, topic: Topic, partition: number): Promise<Bounds> {
  const { rows } = await database
    .query<{ first: number; next: number }>({
      name: 'log_bounds',
      text: `select f.first_offset as first, h.next_offset as next
      from log_heads h join log_floors f using (topic, partition)
      where topic = $1 and partition = $2`,
      values: [topic, partition],
    })
    .catch((thrown: unknown) => {
      throw postgresError(thrown);
    });
  const [row] = rows;
  if (row === undefined) {
    throw new TrunklineError('log_position', `there is no partition ${partition} of ${topic}`);
  }
  return { first: offset(row.first), next: offset(row.next) };
}
