// Bench 13: what one tenant's flood does to another. Comes in: a setting. Goes out: the small tenant's answers
// with the flood beside those without it, and how much of the flood was taken.

import { setTimeout as pause } from 'node:timers/promises';

import { openLoop } from './http-load.js';
import { median, percentiles, type Part } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openDoor, type Roles } from './site.js';
import { twilioTraffic, type Target } from './traffic.js';

const rate = 50;
const connections = 1_000;
/** Until the flood is known for one, and until it is forgotten. */
const settleMs = 1_500;

interface Found {
  readonly alone: number[];
  readonly flooded: number[];
}

/** Alone and beside the flood, round by round, on one process of ingest. */
export async function measureOverload(setting: Setting): Promise<Row[]> {
  const site = await setting.kafkaSite();
  const small = await openDoor(site, 'small');
  const big = await openDoor(site);
  const server = await setting.roles(site, 'ingest');
  const flood = setting.part('flood', { port: server.port, target: big.target, connections });
  await flood.next();
  const found = { p50: pair(), p99: pair(), memory: pair() };
  const flows = { accepted: [] as number[], refused: [] as number[], lost: [] as number[] };
  await answers(server, small.target, 2);
  const { rounds, seconds } = setting.size;
  for (let round = 0; round < rounds; round += 1) {
    const alone = await answers(server, small.target, seconds);
    found.memory.alone.push(server.residentMb());
    const { flooded, flow } = await beside(flood, () => answers(server, small.target, seconds));
    found.memory.flooded.push(server.residentMb());
    for (const name of ['p50', 'p99'] as const) {
      found[name].alone.push(alone[name]);
      found[name].flooded.push(flooded[name]);
    }
    flows.accepted.push(flow.accepted);
    flows.refused.push(flow.refused);
    flows.lost.push(flooded.notAccepted);
    setting.note(
      `(13) p99 ${flooded.p99} beside ${alone.p99} ms; of the flood ${Math.round(flow.accepted)}/s taken, ` +
        `${Math.round(flow.refused)}/s refused; of the small tenant ${flooded.notAccepted} refused`,
    );
  }
  return [
    compared('p50 ms of the small tenant', found.p50, null),
    compared('p99 ms of the small tenant', found.p99, { atMost: 3 }),
    alone('refused of the small tenant', flows.lost, { atMost: 0 }),
    alone('taken of the flood/s', flows.accepted, null),
    alone('refused of the flood/s', flows.refused, null),
    compared('resident MB', found.memory, null),
  ];
}

const pair = (): Found => ({ alone: [], flooded: [] });

/** Runs `measure` while the flood does, once that has settled; per second of the flood. */
async function beside<T>(flood: Part, measure: () => Promise<T>) {
  const begin = performance.now();
  flood.send({ flood: true });
  await pause(settleMs);
  const flooded = await measure();
  flood.send({ flood: false });
  const { accepted, refused } = await flood.next();
  const seconds = (performance.now() - begin) / 1000;
  await pause(settleMs);
  const flow = { accepted: Number(accepted) / seconds, refused: Number(refused) / seconds };
  return { flooded, flow };
}

/** From the intended time of each delivery to its answer. */
async function answers(server: Roles, target: Target, seconds: number) {
  const requests = twilioTraffic(target, rate * seconds).map(({ bytes }) => bytes);
  const sentAt: number[] = [];
  const took: number[] = [];
  const { notAccepted } = await openLoop(server.port, requests, {
    rate,
    onSend: (index, at) => (sentAt[index] = at),
    onAnswer: (index) => took.push(performance.now() - (sentAt[index] ?? 0)),
  });
  return { ...percentiles(took), notAccepted };
}

const what = 'one tenant beside the flood of another';

function compared(unit: string, { alone: bare, flooded }: Found, target: Row['target']): Row {
  const rounds = { ours: flooded, bare };
  return { bench: 13, what, unit, ours: median(flooded), bare: median(bare), target, rounds };
}

const alone = (unit: string, ours: readonly number[], target: Row['target']): Row => ({
  ...{ bench: 13, what, unit, ours: median(ours), bare: null, target },
  rounds: { ours, bare: [] },
});
