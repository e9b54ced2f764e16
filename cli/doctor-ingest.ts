// Command line: what `trunkline doctor` says of ingest: the instance that listens here, its snapshot of
// the registry, its spool. In: the configuration. Out: findings; nothing is changed.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { levelOf } from '../ingest/clock-drift.js';
import { surveySpool } from '../ingest/spool-survey.js';
import { utcDay } from '../log/fact-record.js';
import type { Config } from '../runtime/config.js';
import { toError } from '../runtime/errors.js';
import { loadMasterKey } from '../runtime/master-key.js';
import { databaseTime, openDatabase } from '../runtime/postgres.js';
import { readSnapshot, snapshotPath, summarise } from '../runtime/registry-snapshot.js';
import type { ReadyCheck } from '../runtime/system-answers.js';
import { runbookOfCheck } from './degraded.js';
import type { Finding } from './doctor.js';

/** What the instance on the configured port says of itself, its clock among it. */
export async function running(config: Config): Promise<Finding> {
  const what = 'instance';
  const host = config.TRUNKLINE_HOST === '0.0.0.0' ? '127.0.0.1' : config.TRUNKLINE_HOST;
  const url = `http://${host}:${config.TRUNKLINE_PORT}/health/ready`;
  const checks = await readyChecksAt(url);
  if (checks === null) return { what, state: 'ok', detail: 'none listens on this port' };
  const poor = checks.filter(({ ok, status }) => !ok || status === 'degraded');
  if (poor.length === 0) return { what, state: 'ok', detail: 'listens here, all checks hold' };
  const detail = poor.map(({ name, detail: why = 'failed' }) => `${name}: ${why}`).join('; ');
  // What cannot work comes before what works worse.
  const [worst] = [...poor].sort((a, b) => Number(a.ok) - Number(b.ok));
  const runbook = worst === undefined ? null : runbookOfCheck(worst.name);
  return { what, state: 'warn', detail, ...(runbook === null ? {} : { runbook }) };
}

async function readyChecksAt(url: string): Promise<readonly ReadyCheck[] | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(3_000) });
    const body = (await answer.json()) as { readonly checks?: readonly ReadyCheck[] };
    return body.checks ?? null;
  } catch {
    return null;
  }
}

/** Our clock beside the database's; beside the log's and the senders' the running instance says it. */
export async function clock({ DATABASE_URL: url }: Config): Promise<Finding> {
  const what = 'clock';
  if (url === undefined) return { what, state: 'ok', detail: 'the database has the same one' };
  const database = openDatabase({ url, max: 1, applicationName: 'trunkline-doctor' });
  try {
    // The first answer takes as long as the connection.
    await databaseTime(database);
    const begin = Date.now();
    const theirs = await databaseTime(database);
    const driftMs = (begin + Date.now()) / 2 - theirs;
    const off = `${Math.abs(driftMs / 1000).toFixed(3)} s ${driftMs > 0 ? 'ahead of' : 'behind'} PostgreSQL`;
    const level = levelOf(driftMs);
    if (level === 'fine') return { what, state: 'ok', detail: off };
    const detail = `${off}: signed times are judged by it; set both clocks by NTP`;
    return { what, state: level === 'warn' ? 'warn' : 'fail', detail };
  } catch {
    return { what, state: 'warn', detail: 'not compared: PostgreSQL does not answer' };
  } finally {
    await database.end();
  }
}

/** Whether ingest could start without PostgreSQL. */
export async function snapshot(config: Config): Promise<Finding> {
  const what = 'snapshot';
  if (config.DATABASE_URL === undefined) {
    return { what, state: 'ok', detail: 'not needed (PostgreSQL is embedded)' };
  }
  const path = snapshotPath(config.TRUNKLINE_DATA);
  if ((await stat(path).catch(() => null)) === null) {
    return { what, state: 'ok', detail: `none yet: ingest makes ${path} while PostgreSQL answers` };
  }
  try {
    const { key } = await loadMasterKey(config);
    const kept = await readSnapshot(config.TRUNKLINE_DATA, key);
    if (kept === null) return { what, state: 'ok', detail: 'none yet' };
    const { endpoints, readAt, sealableUntil } = summarise(kept, utcDay(Date.now()));
    const many = `${endpoints} endpoint${endpoints === 1 ? '' : 's'}`;
    const of = `${many} as of ${new Date(readAt).toISOString().slice(0, 19)}Z`;
    if (sealableUntil === null) {
      const detail = `${of}, too old to seal with: ingest needs PostgreSQL to start`;
      return { what, state: 'warn', detail };
    }
    const detail =
      `${of}, keys until ${sealableUntil}: \`serve --roles ingest\` ` +
      'starts from it when PostgreSQL does not answer';
    return { what, state: 'ok', detail };
  } catch (thrown) {
    return { what, state: 'warn', detail: toError(thrown).message };
  }
}

/** What waits on this disk. */
export async function spool(config: Config): Promise<Finding> {
  const what = 'spool';
  const survey = await surveySpool(join(config.TRUNKLINE_DATA, 'spool'));
  const { records, bytes, faults, holder } = survey;
  const damage = faults.filter(({ kind }) => kind !== 'torn').length;
  if (damage > 0) {
    return { what, state: 'warn', detail: 'damaged: see `trunkline spool verify`' };
  }
  if (records === 0) return { what, state: 'ok', detail: 'empty' };
  const waiting = `${records} deliveries (${bytes} bytes) wait for the log`;
  const detail =
    holder === null
      ? `${waiting}: start ingest, or run \`trunkline spool drain\``
      : `${waiting}; \`${holder.purpose}\` (pid ${holder.pid}) appends them`;
  return { what, state: holder === null ? 'warn' : 'ok', detail };
}
