// Chaos: the judge. Comes in: what was sent and answered, what the log, the rows and the subscribers hold.
// Goes out: verdicts, each with what is wrong in words; no verdict depends on the product's own counting.

import { rebuildProjection } from '../../projections/rebuild.js';
import { createProjections } from '../../projections/registry.js';
import { evolver } from '../../processors/evolver.js';
import { messageIdOf } from '../../processors/message/identity.js';
import type { Codec } from '../../log/event-codec.js';
import type { EventLog } from '../../log/event-log.js';
import type { Database } from '../../runtime/postgres.js';
import type { SettledTruth } from '../../cli/simulator/run.js';
import type { TenantId } from '../../schemas/ids.js';
import { until } from '../services/shared.js';
import type { History } from './record.js';
import type { Subscriber } from './subscribers.js';

/** One promise, held against the run. */
export interface Verdict {
  readonly promise: string;
  readonly ok: boolean;
  /** What was looked at, and at most a few of the faults. */
  readonly detail: string;
}

const projections = createProjections(evolver);
const mostExamples = 5;

function verdict(promise: string, looked: string, faults: readonly string[]): Verdict {
  const shown = faults.slice(0, mostExamples).join('; ');
  const detail = faults.length === 0 ? looked : `${faults.length} of ${looked}: ${shown}`;
  return { promise, ok: faults.length === 0, detail };
}

/** Every delivery that was answered 2xx is in the log's events. */
export function judgeLost(history: History, accepted: readonly string[]): Verdict {
  const decided = new Set<string>();
  for (const events of history.tenants.values()) {
    for (const { correlationId } of events) decided.add(correlationId);
  }
  const lost = accepted.filter((id) => !decided.has(id));
  return verdict('nothing answered 2xx is lost', `${accepted.length} deliveries`, lost);
}

/** No fact has changed anything twice. */
export function judgeTwice(history: History): Verdict {
  const twice: string[] = [];
  let facts = 0;
  for (const [tenant, events] of history.tenants) {
    const added = new Set<string>();
    for (const { body, factId } of events) {
      if (!('fact' in body)) continue;
      if (body.type.endsWith('.duplicate_seen') || body.fact === null || factId === null) continue;
      facts += 1;
      if (added.has(factId)) twice.push(`${tenant} ${factId}`);
      added.add(factId);
    }
  }
  return verdict('nothing is applied twice', `${facts} facts`, twice);
}

/** Every tenant's sequence is dense from 1. */
export function judgeDense({ tenants }: History): Verdict {
  const holes: string[] = [];
  let count = 0;
  for (const [tenant, events] of tenants) {
    count += events.length;
    const at = events.findIndex(({ seq }, index) => seq !== index + 1);
    if (at >= 0) holes.push(`${tenant} at ${at + 1}`);
  }
  return verdict('every sequence is dense', `${count} events`, holes);
}

/** What a zombie wrote is dropped. */
export function judgeZombies({ zombies, zombiesAccepted }: History): Verdict {
  const faults = Array.from({ length: zombiesAccepted }, () => 'accepted');
  return verdict('no zombie record is accepted', `${zombies} zombie records`, faults);
}

/** Nothing was set aside that is not meant to be. */
export function judgeParked({ tenants }: History): Verdict {
  const parked: string[] = [];
  for (const [tenant, events] of tenants) {
    for (const { body, seq } of events) {
      if (body.kind === 'parked') parked.push(`${tenant} ${seq}: ${body.errorCode}`);
    }
  }
  return verdict('nothing unexplained is parked', 'all events', parked);
}

/** Each read model equals what the log folds to, byte for byte. */
export async function judgeRebuilt(parts: {
  readonly log: EventLog;
  readonly codec: Codec;
  readonly database: Database;
}): Promise<Verdict> {
  const faults: string[] = [];
  const { signal } = new AbortController();
  for (const projection of projections) {
    const report = await rebuildProjection({ ...parts, projection, compareOnly: true, signal });
    if (!report.equal) faults.push(`${projection.name}: ${JSON.stringify(report.tables)}`);
  }
  return verdict('rows equal a fresh fold', `${projections.length} read models`, faults);
}

interface CallRow {
  readonly ref: string;
  readonly text: string;
}

/** Every call, message and record that was sent whole stands as the simulator knows it. */
export async function judgeTruth(
  database: Database,
  tenants: readonly TenantId[],
  truths: readonly SettledTruth[],
): Promise<Verdict> {
  const { rows } = await database.query<CallRow>(
    `select l.leg_ref as ref, concat_ws(' ', c.status, coalesce(c.cause, '-'), c.direction,
            (select count(*) from legs m where m.tenant_id = c.tenant_id and m.call_id = c.id)) as text
       from legs l join calls c on c.tenant_id = l.tenant_id and c.id = l.call_id`,
  );
  const calls = new Map(rows.map(({ ref, text }) => [ref, text]));
  const messages = new Map(
    (
      await database.query<{ id: string; status: string }>('select id, status from messages')
    ).rows.map(({ id, status }) => [id, status]),
  );
  const found = await database.query<{ ref: string }>(
    `select concat_ws(' ', provider, object_ref) as ref from records`,
  );
  const records = new Set(found.rows.map(({ ref }) => ref));
  const decided = truths.filter(({ isDecided }) => isDecided);
  const faults = decided.flatMap((truth) => {
    const { kind, provider, ref, status, cause, direction, legs, scenario } = truth;
    if (kind === 'record')
      return records.has(`${provider} ${ref}`) ? [] : [`${scenario} ${ref} is missing`];
    const told =
      kind === 'message'
        ? String(status)
        : [status, cause ?? '-', direction, legs].filter((part) => part !== null).join(' ');
    const stands =
      kind === 'message'
        ? tenants
            .map((name) => messages.get(messageIdOf(name, provider, ref)))
            .find((one) => one !== undefined)
        : calls.get(ref);
    return stands === told ? [] : [`${scenario} ${ref}: told ${told}, stands ${String(stands)}`];
  });
  return verdict('rows say what happened', `${decided.length} activities`, faults);
}

/** Each subscriber applied every call event once, or was told what it missed. */
export function judgeSubscribers(history: History, subscribers: readonly Subscriber[]): Verdict {
  const faults: string[] = [];
  let seen = 0;
  for (const { tenant, applied, told } of subscribers) {
    for (const { seq, body } of history.tenants.get(tenant) ?? []) {
      if (body.kind !== 'call') continue;
      const times = applied.get(seq) ?? 0;
      seen += times;
      const wasTold = told.some(({ after, upTo }) => seq > after && seq <= upTo);
      if (times > 1) faults.push(`${tenant} ${seq} came ${times} times`);
      if (times === 0 && !wasTold) faults.push(`${tenant} ${seq} never came`);
    }
  }
  return verdict('every subscriber saw every event once', `${seen} live events`, faults);
}

interface MarkRow {
  readonly key: string;
  readonly next: number;
  readonly covered: number;
}

/** Waits until everything in the log is decided and projected. */
export async function untilProcessed(
  log: EventLog,
  database: Database,
  timeoutMs: number,
): Promise<void> {
  const partitions = Array.from({ length: log.partitions }, (_, partition) => partition);
  await until(
    'everything to be decided and projected',
    async () => {
      const { rows } = await database.query<MarkRow>(
        `select projection || '/' || partition as key, next_offset::int as next,
                covered_realtime::int as covered from marks`,
      );
      const marks = new Map(rows.map((row) => [row.key, row]));
      for (const partition of partitions) {
        const facts = (await log.bounds('deliveries', partition)).next;
        const events = (await log.bounds('events', partition)).next;
        for (const { name } of projections) {
          const mark = marks.get(`${name}/${partition}`);
          if (mark === undefined && facts > 0) return false;
          if (mark !== undefined && (mark.next !== events || mark.covered + 1 < facts))
            return false;
        }
      }
      return true;
    },
    timeoutMs,
  );
}
