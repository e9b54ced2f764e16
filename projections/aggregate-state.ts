// Read model `aggregate_state`: the states that decisions read (design 3.3), folded with the evolver
// that the decisions use. Comes in: events and the rows they touch. Goes out: the rows after them.

import { TrunklineError, toError } from '../runtime/errors.js';
import type { Transaction } from '../runtime/postgres.js';
import {
  nameOf,
  type AggregateRef,
  type AggregateState,
  type Evolver,
} from '../schemas/aggregates.js';
import type { EventEnvelope } from '../schemas/events.js';
import type { HotTier } from '../log/hot-tier.js';
import { AggregateCache } from './aggregate-cache.js';
import { eventsPerTurn, giveWay } from './give-way.js';
import { HotWriter, type ChangedState } from './hot-writer.js';
import type { Fold, FoldProjection } from './projection.js';
import type { Row } from './column-array.js';
import { qualified, type Schema, type Table, type TableChange } from './table.js';

const table: Table = {
  name: 'aggregate_state',
  key: ['tenant_id', 'kind', 'key'],
  columns: {
    tenant_id: 'text',
    kind: 'text',
    key: 'text',
    partition: 'integer',
    version: 'integer',
    state: 'text',
  },
  mode: 'replace',
};

/** Text of the states that one partition's fold may keep, in UTF-16 units. */
const cacheChars = 4 * 1024 * 1024;

/** The projection's version is the evolver's: another fold starts from the log's beginning. */
export const aggregateState = (evolver: Evolver, hotTier: HotTier | null): FoldProjection => ({
  name: 'aggregate_state',
  version: evolver.version,
  tables: [table],
  open(partition, schema) {
    // The rows of a rebuild are nobody's yet.
    const isLive = hotTier !== null && schema === 'public';
    const hot = isLive ? new HotWriter(hotTier, partition, evolver.version) : null;
    return openFold({ evolver, partition, schema, hot });
  },
});

interface FoldContext {
  readonly evolver: Evolver;
  readonly partition: number;
  readonly schema: Schema;
  readonly hot: HotWriter | null;
}

/** An aggregate while a batch is folded on it. */
interface Working {
  readonly ref: AggregateRef;
  /** The state the batch began with; null where there is no row of this version. */
  stored: AggregateState | null;
  state: AggregateState | null;
}

function openFold(context: FoldContext): Fold {
  const remembered: Remembered = { cache: new AggregateCache(cacheChars), generation: 0 };
  let touched: readonly Touched[] = [];
  let working: ReadonlyMap<string, Working> = new Map();
  let pending: States = new Map();
  return {
    async load(transaction, events) {
      touched = events.map((event) => ({ event, refs: touchedBy(context.evolver, event) }));
      working = await load(context, remembered, transaction, touched);
    },
    async apply() {
      await evolveAll(context.evolver, working, touched);
      const { change, states } = changeOf(context, working);
      pending = states;
      return change === null ? [] : [change];
    },
    committed(moved) {
      for (const [name, { text, state }] of pending) remembered.cache.set(name, text.length, state);
      const { hot } = context;
      if (moved !== undefined)
        hot?.committed(moved, { states: pending, touched }, remembered.generation);
      pending = new Map();
      touched = [];
    },
    forget() {
      pending = new Map();
      remembered.cache.clear();
    },
  };
}

/** An event with the aggregates it touches. */
interface Touched {
  readonly event: EventEnvelope;
  readonly refs: readonly AggregateRef[];
}

/** States that a batch changed, by name. */
type States = ReadonlyMap<string, ChangedState>;

interface Remembered {
  readonly cache: AggregateCache;
  /** Of `projection_rebuilds`, as it was when the cache was begun. */
  generation: number;
}

/** The states before the batch: from the cache, the others in one statement. */
async function load(
  context: FoldContext,
  remembered: Remembered,
  transaction: Transaction,
  touched: readonly Touched[],
): Promise<Map<string, Working>> {
  const { cache } = remembered;
  const working = new Map<string, Working>();
  const missing: AggregateRef[] = [];
  for (const ref of touched.flatMap(({ refs }) => refs)) {
    const name = nameOf(ref);
    if (working.has(name)) continue;
    const known = cache.get(name);
    if (known === undefined) missing.push(ref);
    working.set(name, { ref, stored: known ?? null, state: known ?? null });
  }
  const rows = await readRows(context, transaction, missing);
  const generation = rows[0]?.generation ?? 0;
  if (generation !== remembered.generation) {
    // A rebuild has replaced rows under the same mark: what was remembered may be wrong.
    remembered.generation = generation;
    cache.clear();
    if (missing.length < working.size) return load(context, remembered, transaction, touched);
  }
  for (const { tenant_id, kind, key, state } of rows) {
    const found = working.get(`${tenant_id}\0${kind}\0${key}`);
    if (found === undefined || state === null) continue;
    found.stored = JSON.parse(state) as AggregateState;
    found.state = found.stored;
  }
  return working;
}

interface StateRow {
  readonly generation: number;
  /** Null on the one row that stands for none. */
  readonly tenant_id: string | null;
  readonly kind: string | null;
  readonly key: string | null;
  readonly state: string | null;
}

/**
 * Rows and the generation they belong to, at least one line. A row of another version is a miss: its
 * aggregate is folded again, from nothing.
 */
async function readRows(
  { evolver, schema }: FoldContext,
  transaction: Transaction,
  refs: readonly AggregateRef[],
): Promise<readonly StateRow[]> {
  const { rows } = await transaction.query<StateRow>({
    name: `${schema}_aggregate_state_read`,
    text: `select g.generation, s.tenant_id, s.kind, s.key, s.state
      from (select coalesce(max(generation), 0)::int as generation from public.projection_rebuilds
        where projection = 'aggregate_state') g
      left join (unnest($1::text[], $2::text[], $3::text[]) k (tenant_id, kind, key)
        join ${qualified(table, schema)} s using (tenant_id, kind, key)) on s.version = $4`,
    values: [
      refs.map((ref) => ref.tenant),
      refs.map((ref) => ref.kind),
      refs.map((ref) => ref.key),
      evolver.version,
    ],
  });
  return rows;
}

function touchedBy(evolver: Evolver, event: EventEnvelope): readonly AggregateRef[] {
  try {
    return evolver.touched(event);
  } catch (thrown) {
    throw poison(event, thrown);
  }
}

async function evolveAll(
  evolver: Evolver,
  working: ReadonlyMap<string, Working>,
  touched: readonly Touched[],
): Promise<void> {
  for (const [i, { event, refs }] of touched.entries()) {
    if (i % eventsPerTurn === eventsPerTurn - 1) await giveWay();
    for (const ref of refs) {
      const found = working.get(nameOf(ref));
      if (found === undefined) continue;
      try {
        found.state = evolver.evolve(ref, found.state, event);
      } catch (thrown) {
        throw poison(event, thrown);
      }
    }
  }
}

/** Decisions read this table, so an event that cannot be folded is never skipped (design 3.4). */
const poison = (event: EventEnvelope, thrown: unknown): TrunklineError =>
  new TrunklineError(
    'projection_stopped',
    `aggregate_state cannot fold event ${event.eventId} (sequence ${event.seq})`,
    { cause: toError(thrown) },
  );

function changeOf(
  { evolver, partition }: FoldContext,
  working: ReadonlyMap<string, Working>,
): { change: TableChange | null; states: States } {
  const upsert: Row[] = [];
  const states = new Map<string, ChangedState>();
  for (const [name, { ref, stored, state }] of working) {
    if (state === null) continue;
    // States are never changed in place, so the same object is the same row.
    if (state === stored) continue;
    const text = JSON.stringify(state);
    states.set(name, { ref, text, state });
    upsert.push([ref.tenant, ref.kind, ref.key, partition, evolver.version, text]);
  }
  return { change: upsert.length === 0 ? null : { table, remove: [], upsert }, states };
}
