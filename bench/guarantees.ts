// Bench 18: what the guarantees cost. Comes in: a setting. Goes out: the same callbacks folded by the processors with the whole
// protocol, by kafkajs → fold → kafkajs with none, and by Kafka Streams with exactly-once, in turn.

import { setTimeout as pause } from 'node:timers/promises';

import { cpuSeconds, median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { costText, openStage, take, type Cost, type Stage } from './stage.js';
import { decideBacklog, warm } from './stations.js';
import { openPeer, startPeer, type PeerApplication } from './streams-peer.js';
import { twilioTraffic, type SignedRequest } from './traffic.js';

type Way = 'ours' | 'bare' | 'streams';

/** Each round a fresh process of each way works off as many callbacks. */
export async function measureGuarantees(setting: Setting): Promise<Row[]> {
  const { size, note } = setting;
  const stage = await openStage(setting);
  const ingest = await setting.roles(stage.site, 'ingest');
  const found: Record<Way, Cost[]> = { ours: [], bare: [], streams: [] };
  await take(stage, ingest, 2_000);
  for (let round = 0; round < size.rounds; round += 1) {
    await take(stage, ingest, size.deliveries);
    const { next } = await stage.log.bounds('events', stage.partition);
    found.ours.push(await decideBacklog(stage, next + size.deliveries));
    const requests = twilioTraffic(stage.door.target, size.deliveries);
    found.bare.push(await foldedBare(stage, requests));
    found.streams.push(await foldedByStreams(stage, requests));
    const last = (way: Way): string => costText(found[way].at(-1) as Cost);
    note(`(18) ours ${last('ours')}, bare ${last('bare')}, Streams ${last('streams')}`);
  }
  return [
    ...rowsOf(found, 'bare', 'kafkajs → fold → kafkajs, no guarantees', 0.8),
    ...rowsOf(found, 'streams', 'Kafka Streams with exactly-once', 1),
  ];
}

async function foldedBare({ setting, broker }: Stage, requests: readonly SignedRequest[]) {
  const peer = await openPeer(setting);
  await peer.feed(requests);
  const part = setting.part('bare/processor', { brokers: [broker], from: peer.from, to: peer.to });
  const outputs = async (): Promise<number> => {
    const [partition] = await peer.admin.fetchTopicOffsets(peer.to);
    return Number(partition?.offset ?? 0);
  };
  const cost = await progress(part.pid, requests.length, outputs);
  await part.stop();
  return cost;
}

async function foldedByStreams({ setting }: Stage, requests: readonly SignedRequest[]) {
  const peer: PeerApplication = await openPeer(setting);
  await peer.feed(requests);
  const running = await startPeer(setting, peer, 6_000);
  const cost = await progress(running.pid, requests.length, () => peer.committed());
  await running.stop();
  return cost;
}

/** Rate and CPU from the moment on at which the first third is done. */
async function progress(pid: number, total: number, done: () => Promise<number>): Promise<Cost> {
  const deadline = performance.now() + 90_000;
  let first: { readonly at: number; readonly cpu: number; readonly done: number } | null = null;
  while (performance.now() < deadline) {
    const now = await done();
    const at = performance.now();
    const cpu = cpuSeconds(pid);
    if (first === null && now >= total * warm) first = { at, cpu, done: now };
    if (now >= total && first !== null) {
      const count = now - first.done;
      return { rate: (count * 1000) / (at - first.at), cpuUs: ((cpu - first.cpu) * 1e6) / count };
    }
    await pause(10);
  }
  throw new Error('the backlog was not worked off within 90 seconds');
}

function rowsOf(
  found: Readonly<Record<Way, readonly Cost[]>>,
  other: 'bare' | 'streams',
  name: string,
  atLeast: number,
): Row[] {
  const row = (unit: string, of: (cost: Cost) => number, target: Row['target']): Row => {
    const rounds = { ours: found.ours.map(of), bare: found[other].map(of) };
    const medians = { ours: median(rounds.ours), bare: median(rounds.bare) };
    return { bench: 18, what: `processors beside ${name}`, unit, ...medians, target, rounds };
  };
  return [
    row('callbacks/s', ({ rate }) => rate, { atLeast }),
    row('CPU µs/callback', ({ cpuUs }) => cpuUs, null),
  ];
}
