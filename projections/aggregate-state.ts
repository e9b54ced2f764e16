// Read model `aggregate_state`: the states that decisions read (design 3.3), folded with the evolver
// that the decisions use. Comes in: events and the rows they touch. Goes out: the rows after them.

import { TrunklineError, toError } from '../runtime/errors.js';
import type { Transaction } from '../runtime/postgres.js';
import type { AggregateRef, AggregateState, Evolver } from '../schemas/aggregates.js';
import type { EventEnvelope } from '../schemas/events.js';
import { AggregateCache } from './aggregate-cache.js';
import type { Fold, FoldProjection } from './projection.js';
import { qualified, type Row, type Schema, type Table, type TableChange } from './table.js';

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
export const aggregateState = (evolver: Evolver): FoldProjection => ({
  name: 'aggregate_state',
  version: evolver.version,
  tables: [table],
  open: (partition, schema) => openFold({ evolver, partition, schema }),
});

interface FoldContext {
  readonly evolver: Evolver;
  readonly partition: number;
  readonly schema: Schema;
}

/** An aggregate while a batch is folded on it. */
interface Working {
  readonly ref: AggregateRef;
  /** Text of the stored row; null where there is none of this version. */
  stored: string | null;
  state: AggregateState | null;
}

function openFold(context: FoldContext): Fold {
  const cache = new AggregateCache(cacheChars);
  let pending: ReadonlyMap<string, { text: string; state: AggregateState }> = new Map();
  return {
    async apply(transaction, events) {
      const touched = events.map((event) => ({ event, refs: touchedBy(context.evolver, event) }));
      const working = await load(context, cache, transaction, touched);
      for (const { event, refs } of touched) evolveAll(context.evolver, working, event, refs);
      const { change, states } = changeOf(context, working);
      pending = states;
      return change === null ? [] : [change];
    },
    committed() {
      for (const [name, { text, state }] of pending) cache.set(name, text, state);
      pending = new Map();
    },
    forget() {
      pending = new Map();
      cache.clear();
    },
  };
}

const nameOf = (ref: AggregateRef): string => `${ref.tenant}\0${ref.kind}\0${ref.key}`;

/** The states before the batch: from the cache, the others in one statement. */
async function load(
  context: FoldContext,
  cache: AggregateCache,
  transaction: Transaction,
  touched: readonly { readonly refs: readonly AggregateRef[] }[],
): Promise<Map<string, Working>> {
  const working = new Map<string, Working>();
  const missing: AggregateRef[] = [];
  for (const ref of touched.flatMap(({ refs }) => refs)) {
    const name = nameOf(ref);
    if (working.has(name)) continue;
    const known = cache.get(name);
    if (known === undefined) missing.push(ref);
    working.set(name, { ref, stored: known?.text ?? null, state: known?.state ?? null });
  }
  if (missing.length === 0) return working;
  for (const row of await readRows(context, transaction, missing)) {
    const found = working.get(`${row.tenant_id}\0${row.kind}\0${row.key}`);
    if (found === undefined) continue;
    found.stored = row.state;
    found.state = JSON.parse(row.state) as AggregateState;
  }
  return working;
}

interface StateRow {
  readonly tenant_id: string;
  readonly kind: string;
  readonly key: string;
  readonly state: string;
}

/** A row of another version is a miss: its aggregate is folded again, from nothing. */
async function readRows(
  { evolver, schema }: FoldContext,
  transaction: Transaction,
  refs: readonly AggregateRef[],
): Promise<readonly StateRow[]> {
  const { rows } = await transaction.query<StateRow>({
    name: `${schema}_aggregate_state_read`,
    text: `select s.tenant_id, s.kind, s.key, s.state
      from unnest($1::text[], $2::text[], $3::text[]) k (tenant_id, kind, key)
      join ${qualified(table, schema)} s using (tenant_id, kind, key) where s.version = $4`,
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

function evolveAll(
  evolver: Evolver,
  working: ReadonlyMap<string, Working>,
  event: EventEnvelope,
  refs: readonly AggregateRef[],
): void {
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
): { change: TableChange | null; states: Map<string, { text: string; state: AggregateState }> } {
  const upsert: Row[] = [];
  const states = new Map<string, { text: string; state: AggregateState }>();
  for (const [name, { ref, stored, state }] of working) {
    if (state === null) continue;
    const text = JSON.stringify(state);
    states.set(name, { text, state });
    if (text !== stored) {
      upsert.push([ref.tenant, ref.kind, ref.key, partition, evolver.version, text]);
    }
  }
  return { change: upsert.length === 0 ? null : { table, remove: [], upsert }, states };
}
