// Bench 12: what counting limits together costs. Comes in: a setting. Goes out: what Redis adds to the answers of
// ingest at 1,000/s, and its CPU for each delivery, beside the same process that counts alone.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { startRedis } from '../test/services/redis.js';
import { openLoop } from './http-load.js';
import { cpuSeconds, median, percentiles } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openStage, take, type Server, type Stage } from './stage.js';
import { twilioTraffic } from './traffic.js';

const rate = 1_000;
/** Answers of the first half second are not counted. */
const leadIn = rate / 2;
const roundsPer = 2;

type Way = 'together' | 'alone';

/** Both ways take the same deliveries into the same log, round by round. */
export async function measureLimits(setting: Setting): Promise<Row[]> {
  const stage = await openStage(setting);
  const redis = await startRedis();
  setting.onEnd(() => redis.kill());
  const servers: Record<Way, Server> = {
    alone: await setting.roles(stage.site, 'ingest'),
    together: await setting.roles(beside(stage, redis.url), 'ingest'),
  };
  const found = { p99: pair(), p50: pair(), cpu: pair(), redis: [] as number[] };
  const { deliveries, rounds, seconds } = setting.size;
  for (const way of ['alone', 'together'] as const) await take(stage, servers[way], deliveries);
  for (let round = 0; round < rounds * roundsPer; round += 1) {
    const turn: readonly Way[] = round % 2 === 0 ? ['alone', 'together'] : ['together', 'alone'];
    for (const way of turn) {
      const { p50, p99 } = await answers(stage, servers[way], seconds);
      found.p50[way].push(p50);
      found.p99[way].push(p99);
      const before = cpuSeconds(redis.pid);
      found.cpu[way].push((await take(stage, servers[way], deliveries / 2)).cpuUs);
      if (way === 'together') {
        found.redis.push(((cpuSeconds(redis.pid) - before) * 1e6) / (deliveries / 2));
      }
    }
    const said = (of: Record<Way, number[]>) => `${of.together.at(-1)} beside ${of.alone.at(-1)}`;
    setting.note(`(12) p99 ${said(found.p99)} ms, CPU ${said(found.cpu)} µs`);
  }
  return [
    row('p50 ms at 1,000/s', found.p50, null),
    row('p99 ms at 1,000/s', found.p99, null),
    added('p99 ms at 1,000/s, added', found.p99, { atMost: 1 }),
    row('CPU µs/event', found.cpu, null),
    added('CPU µs/event, added', found.cpu, null),
    { ...row('CPU µs/event of Redis', pair(), null), ...alone(found.redis) },
    { ...row('% decided together', pair(), null), ...alone([await decided(servers.together)]) },
  ];
}

const pair = (): Record<Way, number[]> => ({ together: [], alone: [] });

/** The same installation as a second node. */
function beside({ site }: Stage, redisUrl: string): Stage['site'] {
  const data = join(site.data, 'second');
  mkdirSync(data, { recursive: true });
  return { ...site, data, env: { ...site.env, TRUNKLINE_DATA: data, REDIS_URL: redisUrl } };
}

/** From the intended time of each delivery to its answer. */
async function answers({ door }: Stage, server: Server, seconds: number) {
  const requests = twilioTraffic(door.target, rate * seconds + leadIn).map(({ bytes }) => bytes);
  const sentAt: number[] = [];
  const took: number[] = [];
  const { notAccepted } = await openLoop(server.port, requests, {
    rate,
    onSend: (index, at) => (sentAt[index] = at),
    onAnswer: (index) => {
      if (index >= leadIn) took.push(performance.now() - (sentAt[index] ?? 0));
    },
  });
  if (notAccepted > 0) throw new Error(`${notAccepted} deliveries were not accepted`);
  return percentiles(took);
}

/** Beyond the deadline a node decides alone: then the figures are not those of Redis. */
async function decided({ port }: Server): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const of = (by: string): number =>
    Number(new RegExp(`limit_decisions_total\\{by="${by}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
  const together = of('together');
  return (100 * together) / Math.max(1, together + of('away') + of('late'));
}

const what = 'limits counted together (Redis) beside alone';

function row(
  unit: string,
  { together, alone: bare }: Record<Way, number[]>,
  target: Row['target'],
) {
  const rounds = { ours: together, bare };
  return { bench: 12, what, unit, ours: median(together), bare: median(bare), target, rounds };
}

/** The difference within each round: what else the machine does then weighs on both. */
function added(unit: string, found: Record<Way, number[]>, target: Row['target']): Row {
  const differences = found.together.map((value, i) => value - (found.alone[i] ?? 0));
  return { ...row(unit, found, target), ...alone(differences) };
}

const alone = (ours: readonly number[]) => ({
  ...{ ours: median(ours), bare: null, rounds: { ours, bare: [] } },
});
