// PostgreSQL for every station: one pool, transactions, and the scope of one tenant.
// In: a connection URL. Out: rows, or a TrunklineError that names what cannot be reached.

import pg from 'pg';
import type { Pool, PoolClient } from 'pg';
import { TrunklineError, toError } from './errors.js';

export type Database = Pool;
export type Transaction = PoolClient;

/** Owns nothing, may only read, and is held to one tenant by row-level security. */
export const readerRole = 'trunkline_reader';

/** The setting that the policies of row-level security read; set per transaction, never per connection. */
const tenantSetting = 'trunkline.tenant';

// bigint columns here are offsets, sequences and counts: all below 2^53.
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text));

/**
 * Opens a pool; nothing connects before the first query. A statement may take 30 s, a transaction
 * may sit idle for 15 s: longer is a fault (a process that hangs), and others wait for its locks.
 */
export function openDatabase(options: {
  readonly url: string;
  readonly max: number;
  readonly applicationName: string;
  readonly statementTimeoutMs?: number;
}): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: 15_000,
    // A plan that was made while a table was empty reads the whole of it, and would be kept until the
    // next analyze: lookups of 40 ms at 20,000 rows instead of 0.8. Planning anew costs less than that.
    options: '-c plan_cache_mode=force_custom_plan',
    types,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it ends the process.
  pool.on('error', () => undefined);
  return pool;
}

/** Where a connection URL leads, without user and password, for messages and logs. */
function describeDatabase(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.hostname}:${parsed.port === '' ? '5432' : parsed.port}${parsed.pathname}`;
  } catch {
    return 'the database of DATABASE_URL';
  }
}

const unreachableCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EPIPE',
  'EAI_AGAIN',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '53300', // too_many_connections
]);

/** True when the failure says that Postgres is away or cannot take us, not that the query is wrong. */
function isUnreachable(thrown: unknown): boolean {
  const error = toError(thrown);
  if (error instanceof TrunklineError) return error.code === 'service_unreachable';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') return unreachableCodes.has(code) || code.startsWith('08');
  return /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error/i.test(
    error.message,
  );
}

/** Wraps a failure to reach Postgres as `service_unreachable`; anything else stays as it is. */
export function postgresError(thrown: unknown): Error {
  const error = toError(thrown);
  if (error instanceof TrunklineError || !isUnreachable(error)) return error;
  return new TrunklineError('service_unreachable', 'PostgreSQL cannot be reached', {
    cause: error,
  });
}

/** Fails with `service_unreachable` and where it looked, unless Postgres answers. */
export async function assertReachable(database: Database, url: string): Promise<void> {
  try {
    await database.query('select 1');
  } catch (thrown) {
    const cause = toError(thrown);
    const why = isUnreachable(cause) ? 'is it running?' : cause.message;
    throw new TrunklineError(
      'service_unreachable',
      `PostgreSQL at ${describeDatabase(url)} does not answer: ${why} Check DATABASE_URL, or unset it to use the embedded one`,
      { cause },
    );
  }
}

/** The database's clock, ms since 1970. */
export async function databaseTime(database: Database): Promise<number> {
  const { rows } = await database.query<{ ms: number }>(
    'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
  );
  return rows[0]?.ms ?? NaN;
}

/**
 * Runs `work` in one transaction (read committed); rolled back when it throws. A connection whose
 * state is not known afterwards is thrown away, never given back to the pool.
 */
export async function inTransaction<T>(
  database: Database,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return bracket(database, 'begin', work);
}

/**
 * Runs `work` in a read-only repeatable-read transaction as the role `trunkline_reader`, which owns
 * nothing and is held to `tenant` by row-level security (the second wall; the first is the tenant
 * predicate in the query). Role and tenant end with the transaction.
 */
export async function asTenant<T>(
  database: Database,
  tenant: string,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return bracket(database, 'begin isolation level repeatable read read only', async (client) => {
    await client.query(`select set_config('role', $1, true), set_config($2, $3, true)`, [
      readerRole,
      tenantSetting,
      tenant,
    ]);
    return work(client);
  });
}

async function bracket<T>(
  database: Database,
  begin: string,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const client = await connect(database);
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (thrown) {
    broken ??= await rollback(client);
    throw postgresError(thrown);
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

async function connect(database: Database): Promise<PoolClient> {
  try {
    return await database.connect();
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

async function rollback(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('rollback');
    return undefined;
  } catch (thrown) {
    return toError(thrown);
  }
}
