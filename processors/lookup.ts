// Station processors: the lookup (design 3.3). Comes in: the aggregates of a batch that are not in the
// overlay. Goes out: their rows and the mark of aggregate_state, of one snapshot, in one round trip.

import { TrunklineError } from '../runtime/errors.js';
import { postgresError, type Database } from '../runtime/postgres.js';
import { nameOf, type AggregateRef, type AggregateState } from '../schemas/aggregates.js';
import { offset, type Offset, type TenantId } from '../schemas/ids.js';
import { noQueue } from './parking/state.js';

/** Rows and the mark they belong to. A row that is absent does not exist at that mark. */
export interface Snapshot {
  /** The next offset that aggregate_state will apply: exclusive. */
  readonly mark: Offset;
  /** By `nameOf`. Holds the calls too that the aliases asked for lead to. */
  readonly rows: ReadonlyMap<string, AggregateState>;
  /** How often the table was rebuilt: rows of the hot tier are of the same count or of another history. */
  readonly rebuilds: number;
}

/** Reads rows and mark in one snapshot; the calls that aliases lead to come along. */
export type ReadStates = (partition: number, refs: readonly AggregateRef[]) => Promise<Snapshot>;

interface LookupRow {
  readonly mark: string | null;
  readonly rebuilds: number;
  readonly tenant_id: TenantId | null;
  readonly kind: AggregateRef['kind'];
  readonly key: string;
  readonly version: number;
  readonly state: string;
}

// One statement is one snapshot. An alias always leads to the live call (a merge re-points it in the
// event that merges), so that one step from alias to call is enough. The first row has the mark.
const textWith = (more: string): string => `with wanted as (
    select * from unnest($1::text[], $2::text[], $3::text[]) w (tenant_id, kind, key)
  ), direct as (
    select s.tenant_id, s.kind, s.key, s.version, s.state from wanted
    join aggregate_state s using (tenant_id, kind, key)
  ), found as (
    select * from direct
    union
    select c.tenant_id, c.kind, c.key, c.version, c.state from direct d
    join aggregate_state c on c.tenant_id = d.tenant_id and c.kind = 'call'
      and c.key = d.state::json ->> 'callId'
    where d.kind = 'alias'
    ${more}
  )
  select (select next_offset from marks
      where projection = 'aggregate_state' and version = $4 and partition = $5) as mark,
    (select coalesce(max(generation), 0)::int from projection_rebuilds
      where projection = 'aggregate_state') as rebuilds,
    found.*
  from (values (1)) one left join found on true`;

// An owner holds every queue of its partition in which something waits, so that what it does not hold does
// not exist. They are few, and found by an index of their own.
const openQueues = `union
    select s.tenant_id, s.kind, s.key, s.version, s.state from aggregate_state s
    where s.kind = 'queue' and s.partition = $5 and s.state <> '${JSON.stringify(noQueue)}'`;

/**
 * Lookups in Postgres. A row that other rules folded is none this process can decide on: it throws
 * `state_version` until aggregate_state is rebuilt with the rules of this version.
 */
export const postgresStates = (database: Database, version: number): ReadStates =>
  reading(database, version, { name: 'processors_lookup', text: textWith('') });

/** Reads of a takeover: also the queues of the partition, in the same snapshot. */
export const postgresTakeover = (database: Database, version: number): ReadStates =>
  reading(database, version, { name: 'processors_takeover', text: textWith(openQueues) });

function reading(
  database: Database,
  version: number,
  statement: { readonly name: string; readonly text: string },
): ReadStates {
  return async (partition, refs) => {
    const values = [
      refs.map((ref) => ref.tenant),
      refs.map((ref) => ref.kind),
      refs.map((ref) => ref.key),
      version,
      partition,
    ];
    const { rows } = await database
      .query<LookupRow>({ ...statement, values })
      .catch((thrown: unknown) => {
        throw postgresError(thrown);
      });
    const states = new Map<string, AggregateState>();
    for (const row of rows) {
      const { tenant_id: tenant, kind, key } = row;
      if (tenant === null) continue;
      if (row.version !== version) throw otherVersion(row.version, version);
      states.set(nameOf({ tenant, kind, key }), JSON.parse(row.state) as AggregateState);
    }
    const { mark, rebuilds } = rows[0] ?? { mark: null, rebuilds: 0 };
    return { mark: offset(Number(mark ?? 0)), rows: states, rebuilds };
  };
}

const otherVersion = (found: number, own: number): TrunklineError =>
  new TrunklineError(
    'state_version',
    `aggregate_state holds rows of version ${found}, these rules are version ${own}; ` +
      'run: trunkline projections rebuild aggregate_state',
  );
