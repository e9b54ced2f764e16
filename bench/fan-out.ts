// Bench 4: one event to many sockets. The product's gateway reads events from Kafka while calls go on; the
// bare one publishes the very same frames at the same times. Compared: CPU per delivered frame.

import { setTimeout as pause } from 'node:timers/promises';

import { watch } from './frames.js';
import { openLoop } from './http-load.js';
import { cpuSeconds, median, type Part } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openDoor } from './site.js';
import { twilioTraffic } from './traffic.js';

const sockets = 250;
const rate = 100;

type Timed = [afterMs: number, text: string];

interface Run {
  readonly usPerDelivery: number;
  readonly deliveries: number;
}

/** Measures both ways in turn. */
export async function measureFanOut(setting: Setting): Promise<Row[]> {
  const site = await setting.kafkaSite();
  const door = await openDoor(site);
  const others = await setting.roles(site, 'ingest,processors,projections');
  const gateway = await setting.roles(site, 'gateway');
  const { apiKey } = door;
  const crowd = setting.part('sockets', { port: gateway.port, apiKey, sockets });
  await crowd.next();
  const bare = setting.part('bare/gateway', {});
  const barePort = Number((await bare.next())['port']);
  const bareCrowd = setting.part('sockets', { port: barePort, apiKey: null, sockets });
  await bareCrowd.next();
  let captured: Timed[] = [];
  let begin = 0;
  const client = await watch({ port: gateway.port, apiKey }, (text) => {
    if (text.startsWith('{"type":"event"')) captured.push([performance.now() - begin, text]);
  });
  setting.onEnd(() => {
    client.close();
  });
  const playOurs = async (seconds: number): Promise<void> => {
    captured = [];
    begin = performance.now();
    const requests = twilioTraffic(door.target, rate * seconds).map(({ bytes }) => bytes);
    await openLoop(others.port, requests, { rate, onSend: () => undefined });
  };
  const playBare = async (): Promise<void> => {
    bare.send({ play: true });
    await bare.next();
  };
  await pause(500);
  await playOurs(2);
  const ours: Run[] = [];
  const theirs: Run[] = [];
  for (let round = 0; round < setting.size.rounds; round += 1) {
    ours.push(await measured(gateway, crowd, () => playOurs(setting.size.seconds)));
    bare.send({ load: captured });
    await bare.next();
    theirs.push(await measured(bare, bareCrowd, playBare));
    const [one, other] = [ours.at(-1), theirs.at(-1)];
    setting.note(`(4) ${describe(one)} beside ${describe(other)}`);
  }
  const rounds = {
    ours: ours.map(({ usPerDelivery }) => usPerDelivery),
    bare: theirs.map(({ usPerDelivery }) => usPerDelivery),
  };
  const what = `gateway fan-out to ${sockets} sockets, ${rate} events/s, beside bare uWS publish`;
  const medians = { ours: median(rounds.ours), bare: median(rounds.bare) };
  return [{ bench: 4, what, unit: 'CPU µs/delivery', ...medians, target: { atMost: 1.3 }, rounds }];
}

async function measured(
  { pid }: { readonly pid: number },
  crowd: Part,
  play: () => Promise<void>,
): Promise<Run> {
  const before = { cpu: cpuSeconds(pid), events: await eventsOf(crowd) };
  await play();
  await pause(300);
  const deliveries = (await eventsOf(crowd)) - before.events;
  return { deliveries, usPerDelivery: ((cpuSeconds(pid) - before.cpu) * 1e6) / deliveries };
}

async function eventsOf(crowd: Part): Promise<number> {
  crowd.send({ count: true });
  return Number((await crowd.next())['events']);
}

const describe = (run: Run | undefined): string =>
  `${run?.usPerDelivery.toFixed(2)} µs × ${run?.deliveries}`;
