// Gateway: rows of the read models. In: a transaction that is held to one tenant. Out: views as events
// carry them, and the position the rows stand at. Rows and position come from one transaction
// (repeatable read), every query has the tenant predicate, and row-level security stands behind it.

import type { Transaction } from '../runtime/postgres.js';
import type { CallView, LegView, MessageView, TimelineEntry } from '../schemas/call-state.js';
import type { Direction, RecordArea } from '../schemas/facts.js';
import type { TenantId } from '../schemas/ids.js';
import type { StatsItem } from '../schemas/live-frames.js';
import type { RecordView } from '../schemas/record-state.js';
import { messageOf, readCallRow, readLegRow, recordOf, statsOf, timelineOf } from './rows.js';

/** Names of the read models the gateway reads, as their marks name them. */
export const servedModels = [
  'calls',
  'legs',
  'call_timeline',
  'messages',
  'records',
  'stats_minute',
  'dead_letters',
] as const;
export type ServedModel = (typeof servedModels)[number];

/** The version of each read model that is served; a rebuild flips it. */
export type ModelVersions = Readonly<Record<ServedModel, number>>;

/** Where rows stand: everything up to `seq` is in them, nothing after. Epoch is null before any commit. */
export interface Position {
  readonly epoch: string | null;
  readonly seq: number;
  /** The last offset of `deliveries` whose outcome is in them; −1 before the first. */
  readonly covered: number;
}

/** The lowest position of the models an answer is made of, in the transaction of its rows. */
export async function readPosition(
  transaction: Transaction,
  about: {
    readonly tenant: TenantId;
    readonly partition: number;
    readonly versions: ModelVersions;
  },
  models: readonly ServedModel[],
): Promise<Position> {
  const { rows } = await transaction.query<{
    epoch: string | null;
    seq: number | null;
    covered: number | null;
  }>({
    name: 'gateway_position',
    text: `select m.epoch, s.last_seq as seq, m.covered_realtime as covered
      from unnest($1::text[], $2::int[]) as wanted(projection, version)
      left join marks m on m.projection = wanted.projection and m.version = wanted.version
        and m.partition = $3
      left join mark_sequences s on s.projection = m.projection and s.version = m.version
        and s.partition = m.partition and s.tenant_id = $4`,
    values: [models, models.map((model) => about.versions[model]), about.partition, about.tenant],
  });
  return {
    epoch: rows.find((row) => row.epoch !== null)?.epoch ?? null,
    seq: Math.min(...rows.map((row) => row.seq ?? 0)),
    covered: Math.min(...rows.map((row) => row.covered ?? -1)),
  };
}

const callColumns = `id, provider, status, entered_at, reason, source_fact, inferred, cause,
  provider_code, direction, from_party, to_party, started_at, ringing_at, answered_at, ended_at,
  duration_sec, amd, recordings, fact_count, refused_count, settled_at`;
const messageColumns = `id, provider, direction, status, provider_status, provider_code, opt_out,
  from_party, to_party, body, media_count, created_at, updated_at, fact_count`;
const recordColumns = `id, provider, area, object_type, object_ref, parent_ref, status, deleted,
  last_event, details, subject, personal, created_at, updated_at, fact_count`;

/** Where a page of a list goes on: after this row in the order (time descending, id). */
export interface PageStart {
  readonly at: number;
  readonly id: string;
}

export interface ListFilter {
  readonly statuses?: readonly string[] | undefined;
  readonly direction?: Direction | undefined;
  readonly subject?: string | undefined;
  /** Ms since 1970: `after` inclusive, `before` exclusive. */
  readonly after?: number | undefined;
  readonly before?: number | undefined;
}

/** A page of calls with their legs, newest start first. Merged calls have no row. */
export async function readCalls(
  transaction: Transaction,
  tenant: TenantId,
  filter: ListFilter,
  page: { readonly limit: number; readonly start: PageStart | null },
): Promise<readonly CallView[]> {
  const where = new Conditions(tenant);
  listConditions(where, filter, page.start, 'started_at');
  if (filter.subject !== undefined) {
    const subject = where.bind(filter.subject);
    where.add(`(from_subject = ${subject} or to_subject = ${subject} or id in (
      select call_id from legs where tenant_id = $1 and not is_primary
        and (from_subject = ${subject} or to_subject = ${subject})))`);
  }
  const { rows } = await transaction.query(
    `select ${callColumns} from calls where ${where.text}
      order by started_at desc, id limit ${where.bind(page.limit)}`,
    where.values,
  );
  return withLegs(transaction, tenant, rows);
}

/** One call with its legs; null when this tenant has none of that id. */
export async function readCall(
  transaction: Transaction,
  tenant: TenantId,
  id: string,
): Promise<CallView | null> {
  const { rows } = await transaction.query({
    name: 'gateway_call',
    text: `select ${callColumns} from calls where tenant_id = $1 and id = $2`,
    values: [tenant, id],
  });
  return (await withLegs(transaction, tenant, rows))[0] ?? null;
}

/** The timeline of a call in the provider's order, after `start` when given. */
export async function readTimeline(
  transaction: Transaction,
  about: { readonly tenant: TenantId; readonly callId: string },
  page: {
    readonly limit: number;
    readonly start: readonly [number, number, number, string] | null;
  },
): Promise<readonly TimelineEntry[]> {
  const where = new Conditions(about.tenant);
  where.add(`call_id = ${where.bind(about.callId)}`);
  if (page.start !== null) {
    const bound = page.start.map((value) => where.bind(value)).join(', ');
    where.add(`(phase, at_us, order_seq, entry_id) > (${bound})`);
  }
  const { rows } = await transaction.query(
    `select entry_id, type, leg_ref, status, phase, at_us, order_seq, occurred_at, received_at,
        inferred, late, refused, reason, provider_code, details
      from call_timeline where ${where.text}
      order by phase, at_us, order_seq, entry_id limit ${where.bind(page.limit)}`,
    where.values,
  );
  return rows.map(timelineOf);
}

/** A page of messages, newest first. */
export async function readMessages(
  transaction: Transaction,
  tenant: TenantId,
  filter: ListFilter,
  page: { readonly limit: number; readonly start: PageStart | null },
): Promise<readonly MessageView[]> {
  const where = new Conditions(tenant);
  listConditions(where, filter, page.start, 'created_at');
  if (filter.subject !== undefined) {
    const subject = where.bind(filter.subject);
    where.add(`(from_subject = ${subject} or to_subject = ${subject})`);
  }
  const { rows } = await transaction.query(
    `select ${messageColumns} from messages where ${where.text}
      order by created_at desc, id limit ${where.bind(page.limit)}`,
    where.values,
  );
  return rows.map(messageOf);
}

/** What a list of records may be narrowed to. Times in ms since 1970, of the record's first fact. */
export interface RecordFilter {
  readonly area?: RecordArea | undefined;
  readonly type?: string | undefined;
  readonly parent?: string | undefined;
  readonly after?: number | undefined;
  readonly before?: number | undefined;
}

/** A page of records, newest first. */
export async function readRecords(
  transaction: Transaction,
  tenant: TenantId,
  filter: RecordFilter,
  page: { readonly limit: number; readonly start: PageStart | null },
): Promise<readonly RecordView[]> {
  const where = new Conditions(tenant);
  const { area, type, parent, after, before } = filter;
  listConditions(where, { after, before }, page.start, 'created_at');
  if (area !== undefined) where.add(`area = ${where.bind(area)}`);
  if (type !== undefined) where.add(`object_type = ${where.bind(type)}`);
  if (parent !== undefined) where.add(`parent_ref = ${where.bind(parent)}`);
  const { rows } = await transaction.query(
    `select ${recordColumns} from records where ${where.text}
      order by created_at desc, id limit ${where.bind(page.limit)}`,
    where.values,
  );
  return rows.map(recordOf);
}

/** One record; null when this tenant has none of that id. */
export async function readRecord(
  transaction: Transaction,
  tenant: TenantId,
  id: string,
): Promise<RecordView | null> {
  const { rows } = await transaction.query({
    name: 'gateway_record',
    text: `select ${recordColumns} from records where tenant_id = $1 and id = $2`,
    values: [tenant, id],
  });
  return rows.map(recordOf)[0] ?? null;
}

/** Statistics of the newest minutes of a span, oldest first. */
export async function readStats(
  transaction: Transaction,
  tenant: TenantId,
  span: { readonly after: number; readonly before: number; readonly limit: number },
): Promise<readonly StatsItem[]> {
  const { rows } = await transaction.query<Record<string, number>>({
    name: 'gateway_stats',
    text: `select minute, started, answered, completed, failed, inbound_messages, outbound_messages,
        duplicates, refused, not_understood, parked, records
      from stats_minute where tenant_id = $1 and minute >= $2 and minute < $3
      order by minute desc limit $4`,
    values: [tenant, span.after, span.before, span.limit],
  });
  return rows.map(statsOf).reverse();
}

/** Conditions of one statement; values only ever as bound parameters, the tenant always first. */
class Conditions {
  readonly values: unknown[];
  private readonly parts = ['tenant_id = $1'];

  constructor(tenant: TenantId) {
    this.values = [tenant];
  }

  get text(): string {
    return this.parts.join(' and ');
  }

  bind(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  add(condition: string): void {
    this.parts.push(condition);
  }
}

function listConditions(
  where: Conditions,
  filter: ListFilter,
  start: PageStart | null,
  column: 'started_at' | 'created_at',
): void {
  const { statuses, direction, after, before } = filter;
  if (statuses !== undefined) where.add(`status = any(${where.bind(statuses)})`);
  if (direction !== undefined) where.add(`direction = ${where.bind(direction)}`);
  if (after !== undefined) where.add(`${column} >= ${where.bind(after)}`);
  if (before !== undefined) where.add(`${column} < ${where.bind(before)}`);
  if (start === null) return;
  const at = where.bind(start.at);
  where.add(`(${column} < ${at} or (${column} = ${at} and id > ${where.bind(start.id)}))`);
}

async function withLegs(
  transaction: Transaction,
  tenant: TenantId,
  rows: readonly unknown[],
): Promise<readonly CallView[]> {
  const calls = rows.map(readCallRow);
  if (calls.length === 0) return [];
  const { rows: legRows } = await transaction.query({
    name: 'gateway_legs',
    text: `select call_id, leg_id, leg_ref, parent_ref, is_primary, status, cause, provider_code,
        direction, from_party, to_party, started_at, answered_at, ended_at, duration_sec
      from legs where tenant_id = $1 and call_id = any($2) order by call_id, position`,
    values: [tenant, calls.map((call) => call.id)],
  });
  const legs = new Map<string, LegView[]>();
  for (const row of legRows) {
    const { callId, leg } = readLegRow(row);
    const known = legs.get(callId) ?? [];
    known.push(leg);
    legs.set(callId, known);
  }
  return calls.map((call) => call.withLegs(legs.get(call.id) ?? []));
}
