// Embedded logs for tests, each on a fresh database of a real server.

import { join } from 'node:path';
import { openEmbeddedLog, type EmbeddedLogOptions } from '../../log/embedded.js';
import type { EventLog } from '../../log/event-log.js';
import { silentLogger } from '../../runtime/logger.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { openDatabase } from '../../runtime/postgres.js';
import { postgresUrl } from '../services/services.js';

/** URL of a fresh database with the tables of the log. */
export async function migratedUrl(): Promise<string> {
  const url = await postgresUrl();
  const database = openDatabase({ url, max: 1, applicationName: 'test' });
  await migrate(database, { set: 'log', directory: join(packageRoot(), 'log/migrations') });
  await database.end();
  return url;
}

/** Opens the embedded log of that database. */
export const openAt = (url: string, options: Partial<EmbeddedLogOptions> = {}): Promise<EventLog> =>
  openEmbeddedLog({
    url,
    partitions: 4,
    rawRetentionMs: 30 * 86_400_000,
    sessionTimeoutMs: 3000,
    logger: silentLogger,
    ...options,
  });
