// Bench 9: what an import does to real time. Comes in: a setting. Goes out: webhook to frame beside an import of
// the same tenant, which is on the same partition, and without it, in turn.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { once, productWay, type Way } from './latency.js';
import { median, type Percentiles } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import { startCommand, type Site } from './site.js';
import { twilioTraffic } from './traffic.js';

const rate = 200;
/** More than a round takes at the command's own rate. */
const importSec = 4;
const roundsPer = 2;

type Found = Record<'alone' | 'beside', Percentiles[]>;

/** Both on the roles in one process, on Kafka. */
export async function measureBulk(setting: Setting): Promise<Row[]> {
  const site = await setting.kafkaSite();
  const processes = ['ingest', 'processors', 'projections', 'gateway'];
  const way = await productWay(setting, 'Kafka, four processes', { site, processes });
  const { seconds, rounds } = setting.size;
  await once(way, 400, seconds);
  const found: Found = { alone: [], beside: [] };
  const bulk: number[] = [];
  for (let round = 0; round < rounds * roundsPer; round += 1) {
    found.alone.push((await once(way, rate, seconds)).latency);
    const { latency, perSecond } = await besideImport(site, way, seconds);
    found.beside.push(latency);
    bulk.push(perSecond);
    const said = `${latency.p99} beside ${found.alone.at(-1)?.p99}`;
    setting.note(`(9) p99 ${said} ms, ${Math.round(perSecond)}/s imported`);
  }
  const what = `webhook to frame at ${rate}/s beside an import`;
  const row = (unit: string, of: (one: Percentiles) => number, target: Row['target']): Row => {
    const given = { ours: found.beside.map(of), bare: found.alone.map(of) };
    const medians = { ours: median(given.ours), bare: median(given.bare) };
    return { bench: 9, what, unit, ...medians, target, rounds: given };
  };
  return [
    row('p50 ms', ({ p50 }) => p50, null),
    row('p99 ms', ({ p99 }) => p99, { atMost: 1.1 }),
    {
      ...{ bench: 9, what, unit: 'imported/s', ours: median(bulk), bare: null, target: null },
      rounds: { ours: bulk, bare: [] },
    },
  ];
}

/** Of how many lines the command says that they are in the bulk lane when it is stopped. */
async function besideImport(site: Site, way: Way, seconds: number) {
  const path = join(site.data, 'import.ndjson');
  writeFileSync(path, archive(way, (seconds + importSec) * 400));
  const endpoint = way.target.path.split('/').at(-1) ?? '';
  const rejects = join(site.data, 'rejects.ndjson');
  const args = ['import', '--endpoint', endpoint, '--from-start', '--rejects', rejects, path];
  const importing = startCommand(site, args);
  const begin = performance.now();
  const { latency } = await once(way, rate, seconds);
  const tookSec = (performance.now() - begin) / 1000;
  await importing.stop();
  return { latency, perSecond: importedOf(site) / tookSec };
}

/** The same traffic as kept deliveries. */
function archive({ target }: Way, deliveries: number): string {
  const lines = twilioTraffic(target, deliveries).map(({ bytes }) => {
    const [head = '', rawBody = ''] = bytes.toString().split('\r\n\r\n');
    const headers = head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(': ', 2));
    return JSON.stringify({ url: target.publicUrl, headers, rawBody });
  });
  return `${lines.join('\n')}\n`;
}

function importedOf({ data }: Site): number {
  const directory = join(data, 'imports');
  const [file = ''] = readdirSync(directory);
  const { taken } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { taken: number };
  rmSync(directory, { recursive: true });
  return taken;
}
