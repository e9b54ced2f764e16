// PostgreSQL for every station: one pool, transactions, tenant scope, the embedded server.

import type { Pool, PoolClient } from 'pg';

export type Database = Pool;
export type Transaction = PoolClient;

export declare function openDatabase(options: {
  readonly url: string;
  readonly max: number;
  readonly applicationName: string;
}): Database;

/** Runs `work` in one transaction; rolled back when it throws. */
export declare function inTransaction<T>(
  database: Database,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T>;

/**
 * Runs `work` in a read-only repeatable-read transaction as the role `trunkline_reader`, which owns
 * nothing and is held to `tenant` by row-level security (the second wall).
 */
export declare function asTenant<T>(
  database: Database,
  tenant: string,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T>;
