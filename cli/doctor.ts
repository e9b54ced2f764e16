// Command line: `trunkline doctor` looks at everything a start needs. In: the environment. Out: a line
// for each thing, and what to do about what is wrong. Changes nothing.

import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Command } from 'commander';
import { Kafka, logLevel, type Admin } from 'kafkajs';

import { runbookOfExamination, type Runbook } from './degraded.js';
import { clock, running, snapshot, spool } from './doctor-ingest.js';
import { partitions } from './doctor-partitions.js';
import { CommandExit, configWith, exitCodes } from './environment.js';
import { findBinaries } from '../runtime/embedded-binaries.js';
import type { Config } from '../runtime/config.js';
import { dataDirHolder } from '../runtime/data-dir.js';
import { toError } from '../runtime/errors.js';
import { assertReachable, openDatabase } from '../runtime/postgres.js';
import { redisFacts } from '../runtime/redis.js';
import { lookAtScheduler, schedulerHealth } from '../scheduler/status.js';
import { deadLetterHealth, lookAtDeadLetters } from '../projections/dead-letter-watch.js';
import { loadUws } from '../runtime/uws.js';

/** What was found; `advice` says what to do when it is not `ok`. */
export interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What docs/runbooks has about it, where it is a degraded state. */
  readonly runbook?: Runbook;
}

type Examination = (config: Config) => Promise<Finding>;

/** Adds `doctor`. */
export function registerDoctorCommand(program: Command, print: (line: string) => void): void {
  program
    .command('doctor')
    .description('check Node, port, services, clock and keys, and say what to do')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExit code 0 when a start would work, 1 when something must be done first.',
    )
    .action(async (options: { readonly json?: true }) => {
      const findings = await examine();
      if (options.json === true) print(JSON.stringify(findings));
      else for (const finding of findings) print(line(finding));
      if (findings.some(({ state }) => state === 'fail')) {
        throw new CommandExit(exitCodes.failed, 'doctor: something must be done before a start');
      }
    });
}

const marks = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;
const line = ({ what, state, detail, runbook }: Finding): string =>
  `${marks[state]}  ${what.padEnd(14)} ${detail}` +
  (runbook === undefined ? '' : `\n${' '.repeat(22)}see docs/runbooks/${runbook}.md`);

/** A finding that is not well names its runbook, unless its examination has named one. */
function named(finding: Finding): Finding {
  const runbook = runbookOfExamination(finding.what);
  return finding.state === 'ok' || runbook === null ? finding : { runbook, ...finding };
}

async function examine(): Promise<readonly Finding[]> {
  const result = configWith();
  const node = nodeVersion();
  const sockets = await uws();
  if (!result.ok) {
    const faults = result.faults.map(({ variable, fault }) => ({
      what: 'configuration',
      state: 'fail' as const,
      detail: `${variable} ${fault}`,
    }));
    return [node, sockets, ...faults];
  }
  const examinations: Examination[] = [
    ...[port, running, dataDirectory, masterKey, postgres, clock, snapshot],
    ...[kafka, registry, redis, spool, scheduler, partitions, deadLetters],
  ];
  const { config } = result;
  const found = await Promise.all(examinations.map((look) => look(config)));
  return [node, sockets, ...found.map(named)];
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isSupported = major > 20 || (major === 20 && minor >= 19);
  const detail = isSupported
    ? process.version
    : `${process.version}: install Node 20.19 or newer, e.g. the current LTS`;
  return { what: 'Node.js', state: isSupported ? 'ok' : 'fail', detail };
}

async function uws(): Promise<Finding> {
  try {
    return { what: 'uWebSockets', state: 'ok', detail: `loaded from ${(await loadUws()).from}` };
  } catch (thrown) {
    return { what: 'uWebSockets', state: 'fail', detail: toError(thrown).message };
  }
}

async function port({ TRUNKLINE_HOST: host, TRUNKLINE_PORT: number }: Config): Promise<Finding> {
  const taken = await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(true));
    server.listen(number, host, () => server.close(() => resolve(false)));
  });
  const detail = taken
    ? `${host}:${number} is taken: stop what listens there, or set TRUNKLINE_PORT`
    : `${host}:${number} is free`;
  return { what: 'port', state: taken ? 'warn' : 'ok', detail };
}

async function dataDirectory({ TRUNKLINE_DATA: path }: Config): Promise<Finding> {
  const holder = await dataDirHolder(path);
  if (holder === null) return { what: 'data directory', state: 'ok', detail: `${path} is free` };
  const detail = `${path} is held by \`${holder.purpose}\` (pid ${holder.pid}); commands join it`;
  return { what: 'data directory', state: 'warn', detail };
}

async function masterKey(config: Config): Promise<Finding> {
  if (config.TRUNKLINE_MASTER_KEY !== undefined) {
    return { what: 'master key', state: 'ok', detail: 'from TRUNKLINE_MASTER_KEY' };
  }
  const path = config.TRUNKLINE_MASTER_KEY_FILE ?? `${config.TRUNKLINE_DATA}/master.key`;
  const found = await stat(path).catch(() => null);
  if (found === null) {
    const isNamed = config.TRUNKLINE_MASTER_KEY_FILE !== undefined;
    const detail = isNamed ? `${path} does not exist` : `${path} will be made at the first start`;
    return { what: 'master key', state: isNamed ? 'fail' : 'ok', detail };
  }
  const isOpen = (found.mode & 0o077) !== 0;
  const detail = isOpen ? `${path} can be read by others: chmod 600 ${path}` : path;
  return { what: 'master key', state: isOpen ? 'warn' : 'ok', detail };
}

async function postgres({ DATABASE_URL: url }: Config): Promise<Finding> {
  const what = 'PostgreSQL';
  try {
    if (url === undefined) {
      findBinaries();
      return { what, state: 'ok', detail: 'embedded (DATABASE_URL is not set)' };
    }
    const database = openDatabase({ url, max: 1, applicationName: 'trunkline-doctor' });
    try {
      await assertReachable(database, url);
      const { rows } = await database.query<{ v: string }>(
        `select current_setting('server_version') as v`,
      );
      return { what, state: 'ok', detail: rows[0]?.v ?? '' };
    } finally {
      await database.end();
    }
  } catch (thrown) {
    return { what, state: 'fail', detail: toError(thrown).message };
  }
}

async function kafka(config: Config): Promise<Finding> {
  const { KAFKA_BROKERS: brokers } = config;
  if (brokers.length === 0) {
    return { what: 'Kafka', state: 'ok', detail: 'embedded log (KAFKA_BROKERS is not set)' };
  }
  const retry = { retries: 1 };
  const options = { brokers: [...brokers], logLevel: logLevel.NOTHING, retry };
  const admin = new Kafka({ ...options, connectionTimeout: 3_000 }).admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    const many = `${cluster.brokers.length} brokers`;
    const fault = await replicationFault(admin, config);
    return fault === null
      ? { what: 'Kafka', state: 'ok', detail: many }
      : { what: 'Kafka', state: 'warn', detail: `${many}; ${fault}` };
  } catch (thrown) {
    const detail = `no broker of KAFKA_BROKERS answers: ${toError(thrown).message}`;
    return { what: 'Kafka', state: 'fail', detail };
  } finally {
    await admin.disconnect();
  }
}

/** Replicas that are behind, and whether too few are left for an append to be acknowledged. */
async function replicationFault(admin: Admin, config: Config): Promise<string | null> {
  const own = `${config.TRUNKLINE_TOPIC_PREFIX}.`;
  const topics = (await admin.listTopics()).filter((name) => name.startsWith(own));
  if (topics.length === 0) return null;
  const metadata = await admin.fetchTopicMetadata({ topics });
  const all = metadata.topics.flatMap(({ partitions: of }) => of);
  const few = all.filter(({ isr }) => isr.length < config.TRUNKLINE_KAFKA_MIN_ISR).length;
  if (few > 0) {
    return `${few} partitions have fewer replicas in sync than TRUNKLINE_KAFKA_MIN_ISR: appends wait, deliveries are spooled`;
  }
  const behind = all.filter(({ isr, replicas }) => isr.length < replicas.length).length;
  return behind > 0
    ? `${behind} partitions miss a replica: one more broker may be one too many`
    : null;
}

async function registry({ SCHEMA_REGISTRY_URL: url }: Config): Promise<Finding> {
  const what = 'registry';
  if (url === undefined) {
    return { what, state: 'ok', detail: 'local schema ids (SCHEMA_REGISTRY_URL is not set)' };
  }
  const signal = AbortSignal.timeout(3_000);
  const answer = await fetch(`${url}/subjects`, { signal }).catch(() => null);
  if (answer?.ok === true) return { what, state: 'ok', detail: 'answers' };
  const detail = `SCHEMA_REGISTRY_URL ${answer === null ? 'does not answer' : `answers ${answer.status}`}`;
  return { what, state: 'fail', detail };
}

/** EVALSHA and `MGET` would do with less; older servers get no fixes any more. */
const oldestRedis = 6;

/** Whether silent calls are ended; embedded, the one process says it itself (row `instance`). */
async function scheduler({ DATABASE_URL: url }: Config): Promise<Finding> {
  const what = 'scheduler';
  if (url === undefined) return { what, state: 'ok', detail: 'part of `trunkline serve`' };
  const database = openDatabase({ url, max: 1, applicationName: 'trunkline-doctor' });
  try {
    const { status, detail = '' } = schedulerHealth(await lookAtScheduler(database));
    return { what, state: status === 'ok' ? 'ok' : 'warn', detail };
  } catch {
    const detail = 'not known: no tables yet, or PostgreSQL does not answer';
    return { what, state: 'warn', detail };
  } finally {
    await database.end();
  }
}

/** What is parked; embedded, the one process says it itself (row `instance`). */
async function deadLetters(config: Config): Promise<Finding> {
  const what = 'dead letters';
  const { DATABASE_URL: url, TRUNKLINE_DEAD_LETTERS_ALARM: alarm } = config;
  if (url === undefined) return { what, state: 'ok', detail: 'see: trunkline dead-letters list' };
  const database = openDatabase({ url, max: 1, applicationName: 'trunkline-doctor' });
  try {
    const bounds = { alarm, retentionMs: config.TRUNKLINE_RAW_RETENTION };
    const look = await lookAtDeadLetters(database);
    const { status, detail = '' } = deadLetterHealth(look, bounds, Date.now());
    return { what, state: status === 'ok' ? 'ok' : 'warn', detail };
  } catch {
    const detail = 'not known: no tables yet, or PostgreSQL does not answer';
    return { what, state: 'warn', detail };
  } finally {
    await database.end();
  }
}

async function redis({ REDIS_URL: url }: Config): Promise<Finding> {
  const what = 'Redis';
  if (url === undefined) {
    const detail =
      'not used (REDIS_URL is not set): each ingest process counts its own limits, states are in PostgreSQL alone';
    return { what, state: 'ok', detail };
  }
  try {
    const { version, refusesWhenFull } = await redisFacts(url);
    if (Number.parseInt(version, 10) < oldestRedis) {
      const detail = `${version} is older than ${oldestRedis}: take a version that is still maintained`;
      return { what, state: 'warn', detail };
    }
    if (!refusesWhenFull) return { what, state: 'ok', detail: version };
    const detail = `${version}: a full server refuses writes; set maxmemory-policy allkeys-lru`;
    return { what, state: 'warn', detail };
  } catch (thrown) {
    // Everything goes on without it.
    const detail = `${toError(thrown).message}; until it answers limits are counted per process and states are looked up in PostgreSQL`;
    return { what, state: 'warn', detail };
  }
}
