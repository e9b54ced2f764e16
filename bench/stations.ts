// Bench 2 and 3: the same deliveries, station by station. Ingest takes them, processors decide on what ingest
// wrote, projections write what processors decided; beside each of them the bare way, round by round.

import { setTimeout as pause } from 'node:timers/promises';

import { freshDatabase } from '../test/services/postgres.js';
import { median, type Part } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import type { Roles } from './site.js';
import { costText, openStage, take, type Cost, type Stage } from './stage.js';

/** Of each backlog the first third warms up and is not measured. */
export const warm = 1 / 3;

/** Measures the benches wanted; the stations before them only prepare for them. */
export async function measureStations(
  setting: Setting,
  wanted: ReadonlySet<number>,
): Promise<Row[]> {
  const stage = await openStage(setting);
  const { size, note } = setting;
  const ingest = await setting.roles(stage.site, 'ingest');
  const rawUrl = wanted.has(3) ? await rawDatabase(setting) : null;
  const found: Record<number, { ours: Cost[]; bare: Cost[] }> = {};
  const add = (bench: number, ours: Cost, other: Cost): void => {
    const list = (found[bench] ??= { ours: [], bare: [] });
    list.ours.push(ours);
    list.bare.push(other);
    note(`(${bench}) ${costText(ours)} beside ${costText(other)}`);
  };
  await take(stage, ingest, 2_000);
  for (let round = 0; round < size.rounds; round += 1) {
    const deliveries = await stage.log.bounds('deliveries', stage.partition);
    await take(stage, ingest, size.deliveries);
    const events = await stage.log.bounds('events', stage.partition);
    const decided = await decideBacklog(stage, events.next + size.deliveries);
    if (wanted.has(2)) add(2, decided, await folded(stage, deliveries.next, size.deliveries));
    const projected = await project(stage);
    if (rawUrl !== null) add(3, projected, await written(stage, events.next, rawUrl));
  }
  return Object.entries(found).flatMap(([bench, { ours, bare: others }]) =>
    rowsOf(Number(bench), ours, others),
  );
}

/** (2) A fresh processor process on the backlog, until `events` has so many more events than it had. */
export async function decideBacklog(stage: Stage, until: number): Promise<Cost> {
  const { setting, site, log, partition } = stage;
  const roles = await setting.roles(site, 'processors');
  // The marker of the new owner is a record too.
  const end = until + 1;
  const cost = await progress(roles, {
    total: setting.size.deliveries,
    left: async () => end - (await log.bounds('events', partition)).next,
  });
  await roles.stop();
  return cost;
}

/** (2) The pure fold of the same deliveries in one process. */
async function folded({ setting, site, broker, partition }: Stage, from: number, count: number) {
  return partCost(
    setting.part('bare/fold', {
      ...{ brokers: [broker], prefix: site.prefix, partition, from, count, warm },
      databaseUrl: site.databaseUrl,
      masterKey: site.masterKey.toString('base64'),
    }),
  );
}

/** (3) A fresh projector process on the backlog. */
async function project(stage: Stage): Promise<Cost> {
  const { setting, site, log, partition, database } = stage;
  const end = (await log.bounds('events', partition)).next;
  const roles = await setting.roles(site, 'projections');
  const cost = await progress(roles, {
    total: setting.size.deliveries,
    left: async () => {
      const { rows } = await database.query<{ next: number | null }>(
        'select min(next_offset) as next from marks where partition = $1',
        [partition],
      );
      return end - (rows[0]?.next ?? 0);
    },
  });
  await roles.stop();
  return cost;
}

/** (3) The same rows through `unnest`, with a mark, by a process that has them ready. */
function written({ setting, site, broker, partition }: Stage, from: number, databaseUrl: string) {
  const { deliveries: count } = setting.size;
  const where = { brokers: [broker], prefix: site.prefix, partition, from, count };
  return partCost(setting.part('bare/rows', { ...where, warm, databaseUrl }));
}

/** A database of the same tables for the raw rows. */
async function rawDatabase(setting: Setting): Promise<string> {
  setting.note('a second database, for the raw rows');
  return freshDatabase();
}

async function partCost(part: Part): Promise<Cost> {
  const { rate, cpuUs } = await part.next();
  await part.stop();
  return { rate: Number(rate), cpuUs: Number(cpuUs) };
}

interface Backlog {
  readonly total: number;
  /** Events that are still to be made. */
  readonly left: () => Promise<number>;
}

/** Rate and CPU from the moment on at which the first third is done. */
async function progress(roles: Roles, { total, left }: Backlog): Promise<Cost> {
  const deadline = performance.now() + 60_000;
  let first: { readonly at: number; readonly cpu: number; readonly left: number } | null = null;
  while (performance.now() < deadline) {
    const rest = await left();
    const at = performance.now();
    const cpu = roles.cpu();
    if (first === null && rest <= total * (1 - warm)) first = { at, cpu, left: rest };
    if (rest <= 0 && first !== null) {
      const done = first.left;
      return { rate: (done * 1000) / (at - first.at), cpuUs: ((cpu - first.cpu) * 1e6) / done };
    }
    await pause(10);
  }
  throw new Error('the backlog was not worked off within a minute');
}

const titles: Readonly<Record<number, { readonly name: string; readonly atLeast: number }>> = {
  2: { name: 'processors beside the pure fold', atLeast: 0.4 },
  3: { name: 'projections beside raw unnest + mark', atLeast: 0.7 },
};

function rowsOf(bench: number, ours: readonly Cost[], others: readonly Cost[]): Row[] {
  const { name, atLeast } = titles[bench] ?? { name: '', atLeast: 0 };
  const row = (unit: string, of: (cost: Cost) => number, target: Row['target']): Row => {
    const rounds = { ours: ours.map(of), bare: others.map(of) };
    const medians = { ours: median(rounds.ours), bare: median(rounds.bare) };
    return { bench, what: name, unit, ...medians, target, rounds };
  };
  return [
    row('events/s', ({ rate }) => rate, { atLeast }),
    row('CPU µs/event', ({ cpuUs }) => cpuUs, null),
  ];
}
