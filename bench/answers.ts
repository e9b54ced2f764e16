// Bench 8: how long a provider waits for its 2xx. Deliveries leave at fixed times whatever the answers do, on
// real Kafka; the time counts from the intended one. Beside the same deliveries taken by bare parts.

import { openLoop } from './http-load.js';
import { bareServer } from './ingest.js';
import { median, percentiles, type Percentiles } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openStage, take, type Server, type Stage } from './stage.js';
import { twilioTraffic } from './traffic.js';

const rate = 1_000;
/** Answers of the first half second are not counted. */
const leadIn = rate / 2;
const mostMs = 20;
const roundsPer = 2;

/** Percentiles of both ways, round by round. */
export async function measureAnswers(setting: Setting): Promise<Row[]> {
  const stage = await openStage(setting);
  const { rounds, seconds, deliveries } = setting.size;
  const ours = await setting.roles(stage.site, 'ingest');
  const bare = await bareServer(stage, 'bare/ingest');
  for (const server of [ours, bare]) await take(stage, server, deliveries);
  const found: Record<'ours' | 'bare', Percentiles[]> = { ours: [], bare: [] };
  for (let round = 0; round < rounds * roundsPer; round += 1) {
    const one = await answers(stage, ours, seconds);
    const other = await answers(stage, bare, seconds);
    found.ours.push(one);
    found.bare.push(other);
    setting.note(`(8) p50 ${one.p50} p99 ${one.p99} ms beside ${other.p50} and ${other.p99}`);
  }
  const row = (
    unit: string,
    of: (all: Percentiles) => number,
    target: { readonly atMost: number } | null,
  ): Row => {
    const each = { ours: found.ours.map(of), bare: found.bare.map(of) };
    const what = `answers at ${rate.toLocaleString('en')}/s, each accepted, on Kafka`;
    return {
      ...{ bench: 8, what, unit, ours: median(each.ours), rounds: each },
      ...(target === null ? { bare: median(each.bare), target } : { bare: null, target }),
    };
  };
  return [
    row('p50 ms', ({ p50 }) => p50, null),
    row('p99 ms', ({ p99 }) => p99, { atMost: mostMs }),
    row('p99 ms', ({ p99 }) => p99, null),
    row('p99.9 ms', ({ p999 }) => p999, null),
  ];
}

async function answers({ door }: Stage, { port }: Server, seconds: number): Promise<Percentiles> {
  const requests = twilioTraffic(door.target, rate * seconds + leadIn).map(({ bytes }) => bytes);
  const sentAt: number[] = [];
  const took: number[] = [];
  const { notAccepted } = await openLoop(port, requests, {
    rate,
    onSend: (index, at) => (sentAt[index] = at),
    onAnswer: (index) => {
      if (index >= leadIn) took.push(performance.now() - (sentAt[index] ?? 0));
    },
  });
  if (notAccepted > 0) throw new Error(`${notAccepted} deliveries were not accepted`);
  return percentiles(took);
}
