// Bench 1: ingest beside the same deliveries taken by bare parts and by what one builds in an afternoon,
// round by round, in one run.

import { median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { costText, openStage, take, type Cost, type Server, type Stage } from './stage.js';

/** The ways, and of how many deliveries of a round each gets (Fastify is slow). */
const share = { ours: 1, bare: 1, fastify: 0.25 } as const;
type Way = keyof typeof share;
const ways: readonly Way[] = ['ours', 'bare', 'fastify'];

/** Short rounds in turn: what else the machine does then weighs on all ways alike. */
const roundsPer = 3;

/** Deliveries, times the share of a way: after fewer the figures of a round still rise. */
const warmUp = 100_000;

/** Ingest, uWebSockets.js with batches, and Fastify with the official validator. */
export async function measureIngest(setting: Setting): Promise<Row[]> {
  const stage = await openStage(setting);
  const { size, note } = setting;
  const servers = {
    ours: await setting.roles(stage.site, 'ingest'),
    bare: await bareServer(stage, 'bare/ingest'),
    fastify: await bareServer(stage, 'bare/fastify'),
  };
  const deliveries = Math.round(size.deliveries / 2);
  const costs: Record<Way, Cost[]> = { ours: [], bare: [], fastify: [] };
  // The engine goes on compiling for tens of thousands of deliveries.
  for (const way of ways) await take(stage, servers[way], warmUp * share[way]);
  for (let round = 0; round < size.rounds * roundsPer; round += 1) {
    // Who comes first changes too.
    const turn = round % 2 === 0 ? ways : [...ways].reverse();
    for (const way of turn) {
      costs[way].push(await take(stage, servers[way], deliveries * share[way]));
    }
    const said = ways.map((way) => costText(costs[way].at(-1) ?? { rate: 0, cpuUs: 0 }));
    note(`(1) ${said.join(' beside ')}`);
  }
  return rowsOf(costs);
}

/** A bare way of its own topic, by the name of its part. */
export async function bareServer({ setting, broker, door }: Stage, name: string): Promise<Server> {
  const [topic] = await setting.topics('deliveries');
  const { authToken, publicUrl } = door.target;
  const part = setting.part(name, { brokers: [broker], topic, authToken, publicUrl });
  return { pid: part.pid, port: Number((await part.next())['port']) };
}

function rowsOf({ ours, bare, fastify }: Readonly<Record<Way, readonly Cost[]>>): Row[] {
  const parts = 'ingest beside uWS + HMAC + batched kafkajs';
  const afternoon = 'ingest beside Fastify + official validator + a send each';
  return [
    row(parts, 'events/s', [ours, bare], { atLeast: 0.8 }),
    row(parts, 'CPU µs/event', [ours, bare], { atMost: 1.25 }),
    row(afternoon, 'events/s', [ours, fastify], { atLeast: 3 }),
    row(afternoon, 'CPU µs/event', [ours, fastify], null),
  ];
}

function row(
  what: string,
  unit: 'events/s' | 'CPU µs/event',
  [ours, others]: readonly [readonly Cost[], readonly Cost[]],
  target: Row['target'],
): Row {
  const of = ({ rate, cpuUs }: Cost) => (unit === 'events/s' ? rate : cpuUs);
  const rounds = { ours: ours.map(of), bare: others.map(of) };
  const medians = { ours: median(rounds.ours), bare: median(rounds.bare) };
  return { bench: 1, what, unit, ...medians, target, rounds };
}
