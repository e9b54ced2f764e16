// Command line: what a configuration stands for, opened. In: the configuration. Out: database, keys,
// codec and log, embedded or real, migrated and ready; closed in the reverse order.

import { join } from 'node:path';

import { createLocalCodec, createRegistryCodec, type Codec } from '../log/event-codec.js';
import { openEmbeddedLog } from '../log/embedded.js';
import type { EventLog } from '../log/event-log.js';
import { openKafkaLog } from '../log/kafka.js';
import type { Config } from '../runtime/config.js';
import { dataDirHolder, lockDataDir, type DataDir } from '../runtime/data-dir.js';
import { runningEmbeddedUrl, startEmbeddedPostgres } from '../runtime/embedded-postgres.js';
import { createPostgresKeyStore } from '../runtime/key-store.js';
import { createKeyRing, type KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import { loadMasterKey, type MasterKey } from '../runtime/master-key.js';
import { migrate } from '../runtime/migrate.js';
import { packageRoot } from '../runtime/package-root.js';
import { assertReachable, openDatabase, type Database } from '../runtime/postgres.js';

/** Everything below the stations. */
export interface Installation {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly database: Database;
  readonly masterKey: MasterKey;
  readonly keyRing: KeyRing;
  /** Resolves when the embedded server is gone; never for a real one. */
  readonly databaseExited: Promise<void>;
  openCodec(): Promise<Codec>;
  openLog(): Promise<EventLog>;
  close(): Promise<void>;
}

interface Server {
  readonly url: string;
  readonly exited: Promise<void>;
  readonly stop: () => Promise<void>;
}

const never = new Promise<void>(() => undefined);

/**
 * Opens the installation; `purpose` names the command for whoever finds the data directory in use.
 * A command beside a running embedded `serve` joins its server; otherwise it starts and stops its own.
 */
export async function openInstallation(
  config: Config,
  logger: Logger,
  purpose: string,
): Promise<Installation> {
  const server = await openServer(config, purpose);
  const database = openDatabase({ url: server.url, max: 16, applicationName: 'trunkline' });
  try {
    const masterKey = await loadMasterKey(config);
    await assertReachable(database, server.url);
    await migrateAll(database);
    const keyRing = createKeyRing(masterKey.key, createPostgresKeyStore(database));
    return {
      ...{ config, databaseUrl: server.url, database, masterKey, keyRing },
      databaseExited: server.exited,
      openCodec: () => openCodec(config),
      openLog: () => openLog(config, server.url, logger),
      async close() {
        await database.end();
        await server.stop();
      },
    };
  } catch (thrown) {
    await database.end();
    await server.stop();
    throw thrown;
  }
}

async function openServer(config: Config, purpose: string): Promise<Server> {
  if (config.DATABASE_URL !== undefined) {
    return { url: config.DATABASE_URL, exited: never, stop: () => Promise.resolve() };
  }
  const directory = join(config.TRUNKLINE_DATA, 'postgres');
  if (purpose !== 'serve' && (await dataDirHolder(config.TRUNKLINE_DATA)) !== null) {
    const url = await runningEmbeddedUrl(directory);
    if (url !== null) return { url, exited: never, stop: () => Promise.resolve() };
  }
  const lock: DataDir = await lockDataDir(config.TRUNKLINE_DATA, `trunkline ${purpose}`);
  try {
    const postgres = await startEmbeddedPostgres(directory);
    return {
      url: postgres.url,
      exited: postgres.exited,
      async stop() {
        await postgres.stop();
        await lock.release();
      },
    };
  } catch (thrown) {
    await lock.release();
    throw thrown;
  }
}

/** The three sets of tables; processes that start together wait for one another. */
async function migrateAll(database: Database): Promise<void> {
  for (const set of ['runtime', 'log', 'projections'] as const) {
    await migrate(database, { set, directory: join(packageRoot(), set, 'migrations') });
  }
}

const openCodec = (config: Config): Promise<Codec> =>
  config.SCHEMA_REGISTRY_URL === undefined
    ? Promise.resolve(createLocalCodec())
    : createRegistryCodec(config.SCHEMA_REGISTRY_URL);

function openLog(config: Config, databaseUrl: string, logger: Logger): Promise<EventLog> {
  const common = {
    partitions: config.TRUNKLINE_PARTITIONS,
    sessionTimeoutMs: config.TRUNKLINE_SESSION_TIMEOUT,
    rawRetentionMs: config.TRUNKLINE_RAW_RETENTION,
    logger,
  };
  if (config.KAFKA_BROKERS.length === 0) return openEmbeddedLog({ ...common, url: databaseUrl });
  return openKafkaLog({
    ...common,
    brokers: config.KAFKA_BROKERS,
    prefix: config.TRUNKLINE_TOPIC_PREFIX,
    clientId: 'trunkline',
    replication: config.TRUNKLINE_KAFKA_REPLICATION,
    minIsr: config.TRUNKLINE_KAFKA_MIN_ISR,
  });
}
