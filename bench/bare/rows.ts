// Bench baseline: the rows that the projections make of some events, written by a process that has them in
// memory: `unnest` into the same tables and one mark, a transaction for each thousand events. It only
// makes parameters and waits for Postgres: nothing is read, decoded, folded or fenced.

import { join } from 'node:path';

import { createLocalCodec } from '../../log/event-codec.js';
import { evolver } from '../../processors/evolver.js';
import { createProjections } from '../../projections/registry.js';
import { runStatements, statementsOf, type TableChange } from '../../projections/table.js';
import { migrate } from '../../runtime/migrate.js';
import { packageRoot } from '../../runtime/package-root.js';
import { inTransaction, openDatabase } from '../../runtime/postgres.js';
import type { AggregateState } from '../../schemas/aggregates.js';
import type { EventEnvelope } from '../../schemas/events.js';
import { partOptions, say } from '../measure.js';
import { readRecords, type Stretch } from '../read-records.js';

interface Options extends Stretch {
  readonly databaseUrl: string;
  readonly warm: number;
}

const perBatch = 1_000;
const options = partOptions<Options>();
const records = await readRecords('events', options);
const codec = createLocalCodec();
const events = records.map(({ value }) => codec.decodeEvent(value ?? Buffer.alloc(0)));
const projections = createProjections(evolver);
const states = new Map<string, AggregateState>();

/** The rows of aggregate_state after some events. */
function statesOf(batch: readonly EventEnvelope[], table: TableChange['table']): TableChange {
  const rows = new Map<string, TableChange['upsert'][number]>();
  for (const event of batch) {
    for (const ref of evolver.touched(event)) {
      const name = `${ref.tenant}\0${ref.kind}\0${ref.key}`;
      const state = evolver.evolve(ref, states.get(name) ?? null, event);
      states.set(name, state);
      const text = JSON.stringify(state);
      rows.set(name, [ref.tenant, ref.kind, ref.key, options.partition, evolver.version, text]);
    }
  }
  return { table, remove: [], upsert: [...rows.values()] };
}

const batches: { readonly events: number; readonly changes: readonly TableChange[] }[] = [];
for (let at = 0; at < events.length; at += perBatch) {
  const batch = events.slice(at, at + perBatch);
  const changes = projections.flatMap((projection): readonly TableChange[] => {
    if ('reduce' in projection) return projection.reduce(batch);
    return projection.tables.map((table) => statesOf(batch, table));
  });
  batches.push({ events: batch.length, changes });
}

const database = openDatabase({ url: options.databaseUrl, max: 1, applicationName: 'bench' });
for (const set of ['runtime', 'log', 'projections'] as const) {
  await migrate(database, { set, directory: join(packageRoot(), set, 'migrations') });
}
const key = ['bare', options.partition];
await database.query(
  `insert into marks (projection, version, partition, epoch, next_offset, owner, term,
    covered_realtime, covered_bulk) values ($1, 1, $2, null, 0, null, 0, -1, -1)
    on conflict do nothing`,
  key,
);

let written = 0;
let begin = { at: 0, cpu: process.cpuUsage(), done: 0 };
for (const { events: count, changes } of batches) {
  if (written <= events.length * options.warm) {
    begin = { at: performance.now(), cpu: process.cpuUsage(), done: written };
  }
  await inTransaction(database, async (transaction) => {
    await transaction.query({
      name: 'mark',
      text: 'update marks set next_offset = next_offset + $3 where projection = $1 and partition = $2',
      values: [...key, count],
    });
    await runStatements(transaction, statementsOf(changes));
  });
  written += count;
}
const measured = written - begin.done;
const { user, system } = process.cpuUsage(begin.cpu);
const seconds = (performance.now() - begin.at) / 1000;
say({ rate: measured / seconds, cpuUs: (user + system) / measured });
await database.end();
