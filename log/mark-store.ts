// Marks in Postgres: table `marks` (one row per projection, version and partition) and `mark_sequences`
// (last sequence per tenant). Read by the owner in one statement, moved by the projections by
// compare-and-set in the transaction of their rows.

import type { Database, Transaction } from '../runtime/postgres.js';
import { epoch, offset, ownerId, seq, tenantId, type Seq, type TenantId } from '../schemas/ids.js';
import { startMark, type Mark, type MarkOutcome } from './mark.js';

/** A projection of one version, on one partition. */
export interface MarkKey {
  readonly projection: string;
  readonly version: number;
  readonly partition: number;
}

/** A row of `marks` as the driver hands it out: bigints are text unless the pool parses them. */
export interface MarkRow {
  readonly epoch: string | null;
  readonly next_offset: string | number;
  readonly owner: string | null;
  readonly term: string | number;
  readonly covered_realtime: string | number;
  readonly covered_bulk: string | number;
  /** Tenant ids and their last sequences, in the same order. */
  readonly tenants: readonly string[];
  readonly sequences: readonly string[];
}

/**
 * Columns that `markOf` needs, for a statement whose `from` names the marks row `m`. For readers
 * that fetch rows and mark in one statement (design 3.3).
 */
export const markColumns = `m.epoch, m.next_offset, m.owner, m.term, m.covered_realtime, m.covered_bulk,
  array(select s.tenant_id from mark_sequences s where s.projection = m.projection
    and s.version = m.version and s.partition = m.partition order by s.tenant_id) as tenants,
  array(select s.last_seq::text from mark_sequences s where s.projection = m.projection
    and s.version = m.version and s.partition = m.partition order by s.tenant_id) as sequences`;

/** The mark in a row made of `markColumns`. */
export function markOf(row: MarkRow): Mark {
  const lastSeq = new Map<TenantId, Seq>();
  row.tenants.forEach((tenant, i) => lastSeq.set(tenantId(tenant), seq(Number(row.sequences[i]))));
  return {
    epoch: row.epoch === null ? null : epoch(row.epoch),
    next: offset(Number(row.next_offset)),
    owner: row.owner === null ? null : ownerId(row.owner),
    term: Number(row.term),
    covered: {
      realtime: offset(Number(row.covered_realtime)),
      bulk: offset(Number(row.covered_bulk)),
    },
    lastSeq,
  };
}

/** Reads a mark with its sequences in one statement. Null when the projection never committed. */
export async function readMark(db: Database | Transaction, key: MarkKey): Promise<Mark | null> {
  const { rows } = await db.query<MarkRow>({
    name: 'log_read_mark',
    text: `select ${markColumns} from marks m where projection = $1 and version = $2 and partition = $3`,
    values: [key.projection, key.version, key.partition],
  });
  return rows[0] === undefined ? null : markOf(rows[0]);
}

/**
 * Moves the marks of several projections of one partition from `before` to `after` in the
 * transaction of their rows, all or none. Anything but `stored` and `same` must roll the transaction
 * back. `same`: nothing to move (`after` is `before`) and every mark is there. `ahead`: a mark is
 * past `before`, so another writer has applied these events. `mismatch`: a mark is behind `before`,
 * or of another epoch or owner.
 */
export async function moveMarks(
  transaction: Transaction,
  keys: readonly MarkKey[],
  before: Mark,
  after: Mark,
): Promise<MarkOutcome> {
  const [first] = keys;
  if (first === undefined) return 'same';
  if (keys.some((key) => key.partition !== first.partition)) {
    throw new Error('moveMarks: keys of more than one partition');
  }
  if (isSamePlace(before, startMark)) await insertStart(transaction, keys);
  if (!isSamePlace(before, after)) {
    const moved = await compareAndSet(transaction, keys, before, after);
    if (moved === keys.length) return 'stored';
  }
  return classify(transaction, keys, before, after);
}

const isSamePlace = (a: Mark, b: Mark): boolean =>
  a.next === b.next &&
  a.epoch === b.epoch &&
  a.owner === b.owner &&
  a.term === b.term &&
  a.covered.realtime === b.covered.realtime &&
  a.covered.bulk === b.covered.bulk;

const names = (keys: readonly MarkKey[]): string[] => keys.map((key) => key.projection);
const versions = (keys: readonly MarkKey[]): number[] => keys.map((key) => key.version);

async function insertStart(transaction: Transaction, keys: readonly MarkKey[]): Promise<void> {
  await transaction.query({
    name: 'log_start_marks',
    text: `insert into marks (projection, version, partition, epoch, next_offset, owner, term,
        covered_realtime, covered_bulk)
      select k.projection, k.version, $3, null, 0, null, 0, -1, -1
      from unnest($1::text[], $2::int[]) k (projection, version)
      on conflict do nothing`,
    values: [names(keys), versions(keys), keys[0]?.partition],
  });
}

const moveText = `with moved as (
    update marks m set epoch = $4, next_offset = $5, owner = $6, term = $7,
      covered_realtime = $8, covered_bulk = $9, updated_at = now()
    from unnest($1::text[], $2::int[]) k (projection, version)
    where m.projection = k.projection and m.version = k.version and m.partition = $3
      and m.next_offset = $10 and m.epoch is not distinct from $11
      and m.owner is not distinct from $12 and m.term = $13
    returning m.projection, m.version
  ), sequences as (
    insert into mark_sequences (projection, version, partition, tenant_id, last_seq)
    select moved.projection, moved.version, $3, s.tenant_id, s.last_seq
    from moved cross join unnest($14::text[], $15::bigint[]) s (tenant_id, last_seq)
    on conflict (projection, version, partition, tenant_id) do update set last_seq = excluded.last_seq
  )
  select count(*)::int as moved from moved`;

/** Updates every mark that stands at `before`; the caller rolls back when that was not all of them. */
async function compareAndSet(
  transaction: Transaction,
  keys: readonly MarkKey[],
  before: Mark,
  after: Mark,
): Promise<number> {
  const changed = [...after.lastSeq].filter(
    ([tenant, last]) => before.lastSeq.get(tenant) !== last,
  );
  const { rows } = await transaction.query<{ moved: number }>({
    name: 'log_move_marks',
    text: moveText,
    values: [
      ...[names(keys), versions(keys), keys[0]?.partition],
      ...[after.epoch, after.next, after.owner, after.term],
      ...[after.covered.realtime, after.covered.bulk],
      ...[before.next, before.epoch, before.owner, before.term],
      ...[changed.map(([tenant]) => tenant), changed.map(([, last]) => last)],
    ],
  });
  return rows[0]?.moved ?? 0;
}

interface Place {
  readonly next_offset: string | number;
  readonly epoch: string | null;
  readonly owner: string | null;
  readonly term: string | number;
}

/** Why the marks did not move. A second statement is enough: the transaction is rolled back anyway. */
async function classify(
  transaction: Transaction,
  keys: readonly MarkKey[],
  before: Mark,
  after: Mark,
): Promise<MarkOutcome> {
  const { rows } = await transaction.query<Place>(
    `select m.next_offset, m.epoch, m.owner, m.term from marks m
      join unnest($1::text[], $2::int[]) k (projection, version) using (projection, version)
      where m.partition = $3`,
    [names(keys), versions(keys), keys[0]?.partition],
  );
  if (rows.length < keys.length) return 'mismatch';
  const moving = !isSamePlace(before, after);
  const outcomes = rows.map((row) => outcomeOf(row, before));
  if (outcomes.includes('mismatch')) return 'mismatch';
  if (outcomes.includes('ahead')) return 'ahead';
  // All stand at `before` now, but did not when the update ran: another writer rolled back between.
  return moving ? 'mismatch' : 'same';
}

function outcomeOf(row: Place, before: Mark): 'at' | 'ahead' | 'mismatch' {
  if (before.epoch !== null && row.epoch !== before.epoch) return 'mismatch';
  const next = Number(row.next_offset);
  if (next > before.next) return 'ahead';
  const isAt =
    next === before.next &&
    row.epoch === before.epoch &&
    row.owner === before.owner &&
    Number(row.term) === before.term;
  return isAt ? 'at' : 'mismatch';
}
