// Scheduler: which timers there are. Comes in: the read model `timers`. Goes out: those that are due, the
// earliest first, over all tenants; and those whose call is to be asked after.

import { postgresError, type Database } from '../runtime/postgres.js';
import type { CallStatus, ProviderName } from '../schemas/facts.js';
import type { CallId, TenantId } from '../schemas/ids.js';
import type { TimerName } from '../schemas/timers.js';

/** A row of `timers`. */
export interface TimerRow {
  readonly tenant: TenantId;
  readonly callId: CallId;
  readonly name: TimerName;
  readonly timerId: string;
  readonly provider: ProviderName;
  readonly status: CallStatus;
  readonly since: number;
  readonly dueAt: number;
}

/** Every index begins with the tenant: the tenants that have timers are found one by one, along it. */
const tenantsWithTimers = `
  with recursive tenants as (
    (select tenant_id from timers order by tenant_id limit 1)
    union all
    select (select t.tenant_id from timers t where t.tenant_id > tenants.tenant_id
      order by t.tenant_id limit 1)
    from tenants where tenants.tenant_id is not null
  )`;

/** The tenants that have a timer. */
export async function readTenants(database: Database): Promise<readonly TenantId[]> {
  try {
    const { rows } = await database.query<{ tenant: TenantId }>({
      name: 'scheduler_tenants',
      text: `${tenantsWithTimers} select tenant_id as tenant from tenants where tenant_id is not null`,
    });
    return rows.map(({ tenant }) => tenant);
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

const columns = `t.tenant_id as tenant, t.subject as "callId", t.name, t.timer_id as "timerId",
  t.provider, t.status, t.since, t.due_at as "dueAt"`;

/** The timers of these tenants that are due at `nowMs`, in the order of their instants, at most `limit`. */
export async function readDue(
  database: Database,
  tenants: readonly TenantId[],
  { nowMs, limit }: { readonly nowMs: number; readonly limit: number },
): Promise<readonly TimerRow[]> {
  return rowsOf(database, {
    name: 'scheduler_due',
    text: `select ${columns} from unnest($3::text[]) w (tenant_id) cross join lateral (
        select * from timers where tenant_id = w.tenant_id and due_at <= $1
        order by due_at, subject limit $2) t
      order by t.due_at, t.tenant_id, t.subject limit $2`,
    values: [Math.floor(nowMs), limit, [...tenants]],
  });
}

/** The calls whose provider is to be asked what became of them, those with the least time left first. */
export async function readToAsk(
  database: Database,
  tenants: readonly TenantId[],
  limit: number,
): Promise<readonly TimerRow[]> {
  return rowsOf(database, {
    name: 'scheduler_to_ask',
    text: `select ${columns} from unnest($2::text[]) w (tenant_id) cross join lateral (
        select * from timers where tenant_id = w.tenant_id and name = 'inference'
        order by due_at, subject limit $1) t
      order by t.due_at, t.tenant_id, t.subject limit $1`,
    values: [limit, [...tenants]],
  });
}

/** How many timers are late, and since when the first of them is due. */
export interface Lateness {
  readonly count: number;
  readonly firstDueAt: number | null;
}

/** Counts the timers that were due before `beforeMs`. */
export async function readLate(database: Database, beforeMs: number): Promise<Lateness> {
  try {
    const { rows } = await database.query<Lateness>({
      name: 'scheduler_late',
      text: `${tenantsWithTimers}
        select count(*)::int as count, min(t.due_at) as "firstDueAt"
        from tenants join timers t using (tenant_id) where t.due_at < $1`,
      values: [Math.floor(beforeMs)],
    });
    return rows[0] ?? { count: 0, firstDueAt: null };
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

async function rowsOf(
  database: Database,
  query: { readonly name: string; readonly text: string; readonly values: unknown[] },
): Promise<readonly TimerRow[]> {
  try {
    return (await database.query<TimerRow>(query)).rows;
  } catch (thrown) {
    throw postgresError(thrown);
  }
}
