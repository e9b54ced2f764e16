// Command line: what a configuration stands for, opened. In: the configuration. Out: database, keys,
// codec and log, embedded or real, migrated and ready; closed in the reverse order.

import { join } from 'node:path';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { openCodec, openLog } from './open-log.js';
import { systemClock } from '../runtime/clock.js';
import type { Config } from '../runtime/config.js';
import { dataDirHolder, lockDataDir, type DataDir } from '../runtime/data-dir.js';
import { runningEmbeddedUrl, startEmbeddedPostgres } from '../runtime/embedded-postgres.js';
import { TrunklineError, toError } from '../runtime/errors.js';
import { createShelvedKeyStore, isStoreAway, KeyShelf, offerKeys } from '../runtime/key-shelf.js';
import { createPostgresKeyStore } from '../runtime/key-store.js';
import { createKeyRing, type KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import { loadMasterKey, type MasterKey } from '../runtime/master-key.js';
import { migrate } from '../runtime/migrate.js';
import { packageRoot } from '../runtime/package-root.js';
import { assertReachable, openDatabase, type Database } from '../runtime/postgres.js';
import {
  readSnapshot,
  SnapshotKeeper,
  snapshotPath,
  type KeptRegistry,
} from '../runtime/registry-snapshot.js';

/** Everything below the stations. */
export interface Installation {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly database: Database;
  readonly masterKey: MasterKey;
  readonly keyRing: KeyRing;
  /** Under the key ring: the wrapped keys that are there without Postgres. */
  readonly shelf: KeyShelf;
  /** Resolves when the embedded server is gone; never for a real one. */
  readonly databaseExited: Promise<void>;
  /** Keeps the registry on disk, for a start without Postgres. */
  readonly keeper: SnapshotKeeper;
  /** Set when Postgres did not answer and the process began with the snapshot instead. */
  readonly blind: BlindStart | null;
  openCodec(): Promise<Codec>;
  openLog(): Promise<EventLog>;
  close(): Promise<void>;
}

/** A start without Postgres. */
export interface BlindStart {
  readonly snapshot: KeptRegistry;
  /** Why Postgres did not answer. */
  readonly reason: string;
  /** To be done once when Postgres answers: its tables are migrated, its keys held against ours. */
  readonly prepare: () => Promise<void>;
}

export interface InstallationOptions {
  /** Names the command for whoever finds the data directory in use. */
  readonly purpose: string;
  /** True for a process that can do its work with the snapshot of the registry. */
  readonly mayBeBlind?: boolean;
}

interface Server {
  readonly url: string;
  readonly exited: Promise<void>;
  readonly stop: () => Promise<void>;
}

const never = new Promise<void>(() => undefined);

/**
 * Opens the installation; a text names the command for whoever finds the data directory in use.
 * A command beside a running embedded `serve` joins its server; otherwise it starts and stops its own.
 */
export async function openInstallation(
  config: Config,
  logger: Logger,
  how: string | InstallationOptions,
): Promise<Installation> {
  const { purpose, mayBeBlind = false } = typeof how === 'string' ? { purpose: how } : how;
  const server = await openServer(config, purpose);
  const database = openDatabase({ url: server.url, max: 16, applicationName: 'trunkline' });
  try {
    const masterKey = await loadMasterKey(config);
    const shelf = new KeyShelf();
    const store = createPostgresKeyStore(database);
    const prepare = async (): Promise<void> => {
      await assertReachable(database, server.url);
      await migrateAll(database);
      await offerKeys(store, shelf);
    };
    const blind = await prepare().then(
      () => null,
      (thrown: unknown) => startBlind({ config, masterKey, mayBeBlind }, thrown),
    );
    if (blind !== null) shelf.load(blind.snapshot.keys);
    const dataDirectory = config.TRUNKLINE_DATA;
    const parts = { masterKey: masterKey.key, shelf, clock: systemClock, logger, dataDirectory };
    return {
      ...{ config, databaseUrl: server.url, database, masterKey, shelf },
      keyRing: createKeyRing(masterKey.key, createShelvedKeyStore(store, shelf)),
      keeper: new SnapshotKeeper(parts),
      blind: blind === null ? null : { ...blind, prepare },
      databaseExited: server.exited,
      openCodec: () => openCodec(config),
      openLog: () => openLog({ config, databaseUrl: server.url, logger }),
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

/** The snapshot in place of Postgres; throws what Postgres said where it cannot take its place. */
async function startBlind(
  how: { readonly config: Config; readonly masterKey: MasterKey; readonly mayBeBlind: boolean },
  thrown: unknown,
): Promise<Omit<BlindStart, 'prepare'>> {
  if (!how.mayBeBlind || !isStoreAway(thrown)) throw thrown;
  const directory = how.config.TRUNKLINE_DATA;
  const reason = toError(thrown).message;
  const snapshot = await readSnapshot(directory, how.masterKey.key);
  if (snapshot !== null) return { snapshot, reason };
  throw new TrunklineError(
    'service_unreachable',
    `${reason}. There is no registry snapshot ${snapshotPath(directory)} to start from: ingest makes ` +
      'one whenever PostgreSQL answers; start it once with PostgreSQL, or with the TRUNKLINE_DATA it had',
    { cause: thrown },
  );
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
