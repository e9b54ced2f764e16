// The key store in Postgres: wrapped keys only, so the database alone opens nothing. In: keys wrapped
// by the key ring. Out: the ones that won (insert if absent).

import type { SubjectId, TenantId } from '../schemas/ids.js';
import { TrunklineError } from './errors.js';
import type { KeyStore, WantedDayKey, WantedSubjectKey, WrappedSubjectKey } from './keys.js';
import { postgresError } from './postgres.js';
import type { Database } from './postgres.js';

interface SubjectRow {
  readonly tenant_id: TenantId;
  readonly subject_id: SubjectId;
  readonly key_id: string;
  readonly wrapped: Buffer;
}

interface DayRow {
  readonly tenant_id: TenantId;
  readonly day: string;
  readonly wrapped: Buffer | null;
}

/** Keeps wrapped keys in the tables of the `runtime` migrations. */
export function createPostgresKeyStore(database: Database): KeyStore {
  return {
    tenantKey: (tenant, wrapped) => reach(() => tenantKey(database, tenant, wrapped)),
    subjectKeys: (wanted) => reach(() => subjectKeys(database, wanted)),
    subjectKeysById: (tenant, keyIds) => reach(() => subjectKeysById(database, tenant, keyIds)),
    dayKey: (tenant, day, wrapped) => reach(() => dayKey(database, { tenant, day, wrapped })),
    dayKeys: (wanted) => reach(() => dayKeys(database, wanted)),
  };
}

async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw postgresError(thrown);
  }
}

// A row that another transaction inserts at the same moment is invisible to this statement's snapshot
// and stops our insert: the statement then returns nothing, and asking once more finds the winner.
const attempts = 3;

async function tenantKey(
  database: Database,
  tenant: TenantId,
  wrapped: Buffer | null,
): Promise<Buffer | null> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { rows } = await database.query<{ wrapped: Buffer }>(
      `with added as (
         insert into tenant_keys (tenant_id, wrapped)
         select $1, $2::bytea where $2::bytea is not null
         on conflict do nothing returning wrapped)
       select wrapped from added
       union all select wrapped from tenant_keys where tenant_id = $1`,
      [tenant, wrapped],
    );
    if (rows[0] !== undefined) return rows[0].wrapped;
    if (wrapped === null) return null;
  }
  throw lostRace('tenant_keys');
}

async function dayKey(
  database: Database,
  wanted: { readonly tenant: TenantId; readonly day: string; readonly wrapped: Buffer | null },
): Promise<Buffer | null> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { rows } = await database.query<{ wrapped: Buffer | null }>(
      `with added as (
         insert into day_keys (tenant_id, day, wrapped)
         select $1, $2::date, $3::bytea where $3::bytea is not null
         on conflict do nothing returning wrapped)
       select wrapped from added
       union all select wrapped from day_keys where tenant_id = $1 and day = $2::date`,
      [wanted.tenant, wanted.day, wanted.wrapped],
    );
    if (rows[0] !== undefined) return rows[0].wrapped;
    if (wanted.wrapped === null) return null;
  }
  throw lostRace('day_keys');
}

async function dayKeys(
  database: Database,
  wanted: readonly WantedDayKey[],
): Promise<(Buffer | null)[]> {
  // Sorted, so that two processes that insert the same days wait for each other in one order.
  const sorted = [...wanted].sort((a, b) => (dayName(a) < dayName(b) ? -1 : 1));
  const winners = new Map<string, Buffer | null>();
  for (let attempt = 0; attempt < attempts && winners.size < sorted.length; attempt++) {
    const open = sorted.filter((one) => !winners.has(dayName(one)));
    const { rows } = await database.query<DayRow>(
      `with wanted as (
         select * from unnest($1::text[], $2::date[], $3::bytea[]) as w(tenant_id, day, wrapped)),
       added as (
         insert into day_keys (tenant_id, day, wrapped)
         select w.tenant_id, w.day, w.wrapped from wanted w
         where not exists (select from day_keys k where k.tenant_id = w.tenant_id and k.day = w.day)
         on conflict do nothing returning tenant_id, day, wrapped)
       select k.tenant_id, to_char(k.day, 'YYYY-MM-DD') as day, k.wrapped
         from wanted w join day_keys k using (tenant_id, day)
       union all select tenant_id, to_char(day, 'YYYY-MM-DD'), wrapped from added`,
      [open.map((one) => one.tenant), open.map((one) => one.day), open.map((one) => one.wrapped)],
    );
    for (const { tenant_id: tenant, day, wrapped } of rows) {
      winners.set(dayName({ tenant, day }), wrapped);
    }
  }
  return wanted.map((one) => {
    const winner = winners.get(dayName(one));
    if (winner === undefined) throw lostRace('day_keys');
    return winner;
  });
}

async function subjectKeys(
  database: Database,
  wanted: readonly WantedSubjectKey[],
): Promise<WrappedSubjectKey[]> {
  const winners = new Map<string, WrappedSubjectKey>();
  for (let attempt = 0; attempt < attempts; attempt++) {
    const open = wanted.filter((one) => !winners.has(nameOf(one.tenant, one.subject)));
    if (open.length === 0) break;
    for (const row of await insertSubjects(database, open)) {
      const winner = { keyId: row.key_id, wrapped: row.wrapped };
      winners.set(nameOf(row.tenant_id, row.subject_id), winner);
    }
  }
  return wanted.map((one) => {
    const winner = winners.get(nameOf(one.tenant, one.subject));
    if (winner === undefined) throw lostRace('subject_keys');
    return winner;
  });
}

async function insertSubjects(
  database: Database,
  wanted: readonly WantedSubjectKey[],
): Promise<SubjectRow[]> {
  // Sorted, so that two processes that insert the same subjects wait for each other in one order.
  const sorted = [...wanted].sort((a, b) =>
    nameOf(a.tenant, a.subject) < nameOf(b.tenant, b.subject) ? -1 : 1,
  );
  const { rows } = await database.query<SubjectRow>(
    `with wanted as (
       select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
         as w(tenant_id, subject_id, key_id, wrapped)),
     present as (
       select k.tenant_id, k.subject_id, k.key_id, k.wrapped
       from wanted w join subject_keys k using (tenant_id, subject_id)
       where k.wrapped is not null),
     added as (
       insert into subject_keys (tenant_id, subject_id, key_id, wrapped)
       select w.tenant_id, w.subject_id, w.key_id, w.wrapped from wanted w
       where not exists (select from present p
         where p.tenant_id = w.tenant_id and p.subject_id = w.subject_id)
       on conflict (tenant_id, subject_id) where wrapped is not null do nothing
       returning tenant_id, subject_id, key_id, wrapped)
     select * from present union all select * from added`,
    [
      sorted.map((one) => one.tenant),
      sorted.map((one) => one.subject),
      sorted.map((one) => one.keyId),
      sorted.map((one) => one.wrapped),
    ],
  );
  return rows;
}

async function subjectKeysById(
  database: Database,
  tenant: TenantId,
  keyIds: readonly string[],
): Promise<Map<string, Buffer>> {
  const { rows } = await database.query<{ key_id: string; wrapped: Buffer }>(
    `select key_id, wrapped from subject_keys
     where tenant_id = $1 and key_id = any($2::text[]) and wrapped is not null`,
    [tenant, keyIds],
  );
  return new Map(rows.map((row) => [row.key_id, row.wrapped]));
}

const dayName = ({ tenant, day }: Pick<WantedDayKey, 'tenant' | 'day'>): string =>
  `${tenant}\0${day}`;

const nameOf = (tenant: TenantId, subject: SubjectId): string => `${tenant}\0${subject}`;

const lostRace = (table: string): TrunklineError =>
  new TrunklineError('service_unreachable', `${table}: an insert was hidden ${attempts} times`);
