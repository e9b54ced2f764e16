// Command line: log and codec of an installation, also while Kafka, the schema registry or the database
// of the embedded log is away. In: the configuration and what the data directory remembers. Out: both.

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { createKnownCodec, createLocalCodec, createRegistryCodec } from '../log/event-codec.js';
import type { Codec } from '../log/event-codec.js';
import { maxBatchBytes } from '../log/append-order.js';
import { openEmbeddedLog } from '../log/embedded.js';
import type { EventLog } from '../log/event-log.js';
import { openKafkaLog } from '../log/kafka.js';
import { partitionConflict, readKnownLog, updateKnownLog } from '../log/known-log.js';
import { openLateLog, type LateLog } from '../log/late.js';
import { schemaFingerprint } from '../log/schema-history.js';
import { surveySpool } from '../ingest/spool-survey.js';
import type { Config } from '../runtime/config.js';
import { makeDataDir } from '../runtime/data-dir.js';
import { TrunklineError, toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';

export interface LogPlace {
  readonly config: Config;
  /** Of the embedded log; on Kafka, where processors see each other. */
  readonly databaseUrl: string;
  readonly logger: Logger;
}

/** Opens the log; rejects when it is away. */
export function openLog({ config, databaseUrl, logger }: LogPlace): Promise<EventLog> {
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
    peersUrl: databaseUrl,
    prefix: config.TRUNKLINE_TOPIC_PREFIX,
    clientId: 'trunkline',
    replication: config.TRUNKLINE_KAFKA_REPLICATION,
    minIsr: config.TRUNKLINE_KAFKA_MIN_ISR,
  });
}

/**
 * Opens the log for a process that takes deliveries: it starts while the log is away too. P is the
 * configured one, held against what the directory remembers now and against the log when it answers.
 */
export async function openLogOrSpool(place: LogPlace): Promise<LateLog> {
  const { config, logger } = place;
  const directory = await makeDataDir(config.TRUNKLINE_DATA);
  const wanted = wantedLog(config);
  const known = await readKnownLog(directory);
  const isOther = known !== null && known.partitions !== wanted.partitions;
  const spooled = isOther ? (await surveySpool(join(directory, 'spool'))).records : 0;
  const conflict = partitionConflict(known, wanted, spooled);
  if (conflict !== null) throw conflict;
  const isSame = known?.name === wanted.name && known.partitions === wanted.partitions;
  const remember = (isConfirmed: boolean): Promise<void> =>
    updateKnownLog(directory, (before) => ({ ...before, ...wanted, isConfirmed }));
  if (!isSame) await remember(false);
  return openLateLog({
    known: { driver: driverOf(config), partitions: wanted.partitions, maxBatchBytes },
    open: () => openLog(place),
    onOpen: () => remember(true),
    logger,
  });
}

const driverOf = (config: Config) => (config.KAFKA_BROKERS.length === 0 ? 'embedded' : 'kafka');

const wantedLog = (config: Config) => ({
  name: `${driverOf(config)}/${config.TRUNKLINE_TOPIC_PREFIX}`,
  partitions: config.TRUNKLINE_PARTITIONS,
});

export const openCodec = (config: Config): Promise<Codec> =>
  config.SCHEMA_REGISTRY_URL === undefined
    ? Promise.resolve(createLocalCodec())
    : createRegistryCodec(config.SCHEMA_REGISTRY_URL);

/**
 * The codec of a process that takes deliveries. While the registry is away it writes with the ids
 * that the registry gave these schemas before, or with those of the local table, which every Trunkline reads.
 */
export async function openCodecOrRemembered(config: Config, logger: Logger): Promise<Codec> {
  const registryUrl = config.SCHEMA_REGISTRY_URL;
  if (registryUrl === undefined) return createLocalCodec();
  const directory = await makeDataDir(config.TRUNKLINE_DATA);
  const fingerprint = schemaFingerprint();
  const known = await readKnownLog(directory);
  try {
    const codec = await withPatience(createRegistryCodec(registryUrl));
    const schemas = { registryUrl, fingerprint, ids: codec.schemaIds };
    const unknown = { ...wantedLog(config), isConfirmed: false };
    await updateKnownLog(directory, (before) => ({ ...(before ?? unknown), schemas }));
    return codec;
  } catch (thrown) {
    const error = toError(thrown);
    if (!(error instanceof TrunklineError) || error.code !== 'service_unreachable') throw error;
    const { schemas } = known ?? {};
    const isKnown = schemas?.registryUrl === registryUrl && schemas.fingerprint === fingerprint;
    const ids = isKnown ? 'as the registry gave them' : 'of the local table';
    logger.warn({ code: 'schema_registry_away', ids }, 'the schema registry does not answer');
    return isKnown ? createKnownCodec(registryUrl, schemas.ids) : createLocalCodec();
  }
}

const registryPatienceMs = 3_000;

/** The client of the registry asks again and again; deliveries do not wait for it. */
async function withPatience(codec: Promise<Codec>): Promise<Codec> {
  codec.catch(() => undefined);
  const limit = new AbortController();
  const late = pause(registryPatienceMs, null, { signal: limit.signal }).catch(() => null);
  const first = await Promise.race([codec, late]);
  limit.abort();
  if (first !== null) return first;
  throw new TrunklineError('service_unreachable', 'the schema registry does not answer in time');
}
