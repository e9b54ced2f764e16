// Bench 5: from the webhook to the frame. Requests leave at fixed times whatever the answers do; latency is
// counted from the intended time of each. The product on Kafka as four processes and as one, the product
// on its embedded log, and the same way built of bare parts, in turn.

import { callIdOf } from '../processors/call/identity.js';
import { tenantId } from '../schemas/ids.js';
import { watch } from './frames.js';
import { openLoop } from './http-load.js';
import { cpuSeconds, median, percentiles, type Percentiles } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { openDoor, tenant, type Site } from './site.js';
import { twilioTraffic, type SignedRequest, type Target } from './traffic.js';

/** A way from webhook to frame. */
export interface Way {
  readonly name: string;
  readonly target: Target;
  readonly port: number;
  /** What a request and the frame it leads to have in common. */
  readonly keyOf: (request: SignedRequest) => string;
  /** Its processes, PostgreSQL and Kafka left out. */
  readonly pids: readonly number[];
  /** Called with the key of each frame that arrives. */
  onKey: (key: string) => void;
}

/** What one run of a way found. */
interface Found {
  readonly way: string;
  readonly rate: number;
  readonly latency: Percentiles;
  /** Requests without a frame. */
  readonly missing: number;
  /** CPU of the way's processes, in cores. */
  readonly cores: number;
}

const rates = [200, 1_000] as const;
/** Requests of the first seconds are not counted: connections open, the sender has just signed. */
const leadInSec = 0.5;

/** Measures all ways at both rates. */
export async function measureLatency(setting: Setting): Promise<Row[]> {
  const ways: Way[] = [];
  for (const start of makers(setting)) ways.push(await start());
  setting.note('(5) warming up');
  for (const way of ways) {
    await once(way, 400, setting.size.seconds);
    await once(way, 1_000, 1);
  }
  const found: Found[] = [];
  for (let round = 0; round < setting.size.rounds; round += 1) {
    for (const rate of rates) {
      for (const way of ways) {
        const one = await once(way, rate, setting.size.seconds);
        found.push(one);
        setting.note(`(5) ${rate}/s ${way.name}: ${describe(one)}`);
      }
    }
  }
  return rates.flatMap((rate) => ways.slice(1).flatMap(({ name }) => rowsOf(found, name, rate)));
}

const roleNames = ['ingest', 'processors', 'projections', 'gateway'] as const;
const together = [roleNames.join(',')];

/** BENCH_WAYS=1,3 leaves all but the bare way and these out, for looking closer at one. */
function makers(setting: Setting): readonly (() => Promise<Way>)[] {
  const product = async (name: string, site: Site, processes: readonly string[]): Promise<Way> =>
    productWay(setting, name, { site, processes });
  const wanted = process.env['BENCH_WAYS']?.split(',').map(Number);
  const ours = [
    async () => product('Kafka, four processes', await setting.kafkaSite(), roleNames),
    async () => product('Kafka, one process', await setting.kafkaSite(), together),
    async () => product('embedded, one process', setting.embeddedSite(), together),
  ].filter((_, i) => wanted === undefined || wanted.includes(i + 1));
  return [() => bareWay(setting), ...ours];
}

/** The product, its roles in so many processes. */
export async function productWay(
  setting: Setting,
  name: string,
  { site, processes }: { readonly site: Site; readonly processes: readonly string[] },
): Promise<Way> {
  setting.note(`(5) starting ${name}`);
  // On the embedded log the command line joins the server of a running `serve`.
  const door = site.databaseUrl === null ? null : await openDoor(site);
  const ports = new Map<string, number>();
  const pids: number[] = [];
  for (const roles of processes) {
    const { port, pid } = await setting.roles(site, roles);
    pids.push(pid);
    for (const role of roles.split(',')) ports.set(role, port);
  }
  const { target, apiKey } = door ?? (await openDoor(site));
  const way: Way = {
    name,
    target,
    port: ports.get('ingest') ?? 0,
    pids,
    keyOf: ({ callSid, status }) =>
      `${callIdOf(tenantId(tenant), 'twilio', callSid)}/${statuses[status] ?? status}`,
    onKey: () => undefined,
  };
  const client = await watch({ port: ports.get('gateway') ?? 0, apiKey }, (text) => {
    const { event } = JSON.parse(text) as { event?: { call?: { id: string; status: string } } };
    if (event?.call !== undefined) way.onKey(`${event.call.id}/${event.call.status}`);
  });
  setting.onEnd(() => {
    client.close();
  });
  return way;
}

/** Twilio's words for ours. */
const statuses: Readonly<Record<string, string>> = { 'in-progress': 'answered' };

async function bareWay(setting: Setting): Promise<Way> {
  setting.note('(5) starting the bare parts');
  const brokers = [await setting.broker()];
  const [deliveries, events] = await setting.topics('deliveries', 'events');
  const path = '/v1/webhooks/bare';
  const publicUrl = `https://hooks.example.com${path}`;
  const target = { path, publicUrl, authToken: 'bare' };
  const ingest = setting.part('bare/ingest', { brokers, topic: deliveries, ...target });
  const { port } = await ingest.next();
  const processor = setting.part('bare/processor', { brokers, from: deliveries, to: events });
  await processor.next();
  const gateway = setting.part('bare/gateway', { brokers, from: events });
  const { port: gatewayPort } = await gateway.next();
  await gateway.next();
  const way: Way = {
    name: 'bare parts',
    target,
    port: Number(port),
    pids: [ingest.pid, processor.pid, gateway.pid],
    keyOf: ({ callSid, status }) => `${callSid}/${status}`,
    onKey: () => undefined,
  };
  const client = await watch({ port: Number(gatewayPort), apiKey: null }, (text) => {
    const { callSid, status } = JSON.parse(text) as { callSid: string; status: string };
    way.onKey(`${callSid}/${status}`);
  });
  setting.onEnd(() => {
    client.close();
  });
  return way;
}

/** One run; a request whose frame never comes counts as the whole wait. */
export async function once(way: Way, rate: number, seconds: number): Promise<Found> {
  const requests = twilioTraffic(way.target, rate * (seconds + leadInSec));
  const counted = rate * leadInSec;
  const keys = requests.map(way.keyOf);
  const intended = new Map<string, { readonly at: number; readonly isCounted: boolean }>();
  const samples: number[] = [];
  let seen = 0;
  const cpu = (): number => way.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = { cpu: cpu(), at: performance.now() };
  const arrived = new Promise<void>((resolve) => {
    way.onKey = (key) => {
      const sent = intended.get(key);
      if (sent === undefined) return;
      intended.delete(key);
      if (sent.isCounted) samples.push(performance.now() - sent.at);
      seen += 1;
      if (seen === requests.length) resolve();
    };
  });
  const result = await openLoop(
    way.port,
    requests.map(({ bytes }) => bytes),
    {
      rate,
      onSend: (index, at) => {
        intended.set(keys[index] ?? '', { at, isCounted: index >= counted });
      },
    },
  );
  if (result.notAccepted > 0) throw new Error(`${way.name}: ${result.notAccepted} not accepted`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, 10_000)));
  await Promise.race([arrived, late]);
  clearTimeout(timer);
  const now = performance.now();
  const missing = intended.size;
  const cores = ((cpu() - before.cpu) * 1000) / (now - before.at);
  for (const { at } of intended.values()) samples.push(now - at);
  return { way: way.name, rate, latency: percentiles(samples), missing, cores };
}

function describe({ latency: { p50, p99, p999, max }, missing, cores }: Found): string {
  const lost = missing === 0 ? '' : `, ${missing} MISSING`;
  return `${p50} / ${p99} / ${p999} / ${max} ms, ${cores.toFixed(2)} cores${lost}`;
}

function rowsOf(found: readonly Found[], name: string, rate: number): Row[] {
  const of = (way: string, pick: (latency: Percentiles) => number): number[] =>
    found.filter((one) => one.way === way && one.rate === rate).map((one) => pick(one.latency));
  const what = `webhook to frame, ${name}, ${rate}/s`;
  const beside = (unit: string, pick: (l: Percentiles) => number, target: Row['target']): Row => {
    const rounds = { ours: of(name, pick), bare: of('bare parts', pick) };
    const medians = { ours: median(rounds.ours), bare: median(rounds.bare) };
    return { bench: 5, what, unit, ...medians, target, rounds };
  };
  const worst = of(name, ({ max }) => max);
  return [
    beside('p50 ms', ({ p50 }) => p50, { atMost: 2 }),
    beside('p99 ms', ({ p99 }) => p99, { atMost: 2 }),
    beside('p99.9 ms', ({ p999 }) => p999, null),
    {
      ...{ bench: 5, what, unit: 'worst ms', ours: Math.max(...worst), bare: null },
      ...{ target: { atMost: 1_000 }, rounds: { ours: worst, bare: [] } },
    },
  ];
}
