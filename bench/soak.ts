// Bench 15, the soak: whether memory stays flat. Ingest takes 500 deliveries a second into real Kafka for ten
// minutes (`--minutes`) while its memory is sampled; a line is laid through what followed the first third.

import { openLoop } from './http-load.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';
import type { Roles } from './site.js';
import { openStage, type Stage } from './stage.js';
import { twilioTraffic } from './traffic.js';

const rate = 500;
/** Traffic is made and sent in slices of this, over new connections each. */
const sliceSec = 10;
const everyMs = 2_000;
/** Pools fill, code is compiled: what the first third takes is not growth. */
const settling = 1 / 3;
const mostMbPerMinute = 0.5;

interface Sample {
  readonly minute: number;
  readonly residentMb: number;
  readonly heapMb: number;
  readonly externalMb: number;
}

/** Memory at the beginning and the end, and how fast it grows. */
export async function measureSoak(setting: Setting): Promise<Row[]> {
  const stage = await openStage(setting);
  const ingest = await setting.roles(stage.site, 'ingest');
  const samples = await soaked(stage, ingest, setting.size.soakMinutes);
  const settled = samples.slice(Math.floor(samples.length * settling));
  const growth = (of: (sample: Sample) => number): number => slope(settled, of);
  const row = (unit: string, ours: number, target: Row['target'], all: readonly number[]): Row => ({
    ...{ bench: 15, what: `ingest for ${setting.size.soakMinutes} min at ${rate}/s`, unit, ours },
    ...{ bare: null, target, rounds: { ours: all, bare: [] } },
  });
  const resident = samples.map(({ residentMb }) => residentMb);
  const heap = samples.map(({ heapMb }) => heapMb);
  const external = samples.map(({ externalMb }) => externalMb);
  const limit = { atMost: mostMbPerMinute };
  return [
    row('MB resident after a third', settled[0]?.residentMb ?? 0, null, []),
    row('MB resident at the end', resident.at(-1) ?? 0, null, []),
    row(
      'MB/min resident',
      growth(({ residentMb }) => residentMb),
      limit,
      resident,
    ),
    row(
      'MB/min heap',
      growth(({ heapMb }) => heapMb),
      limit,
      heap,
    ),
    row(
      'MB/min buffers',
      growth(({ externalMb }) => externalMb),
      limit,
      external,
    ),
  ];
}

async function soaked(stage: Stage, ingest: Roles, minutes: number): Promise<readonly Sample[]> {
  const { note } = stage.setting;
  const samples: Sample[] = [];
  const begin = performance.now();
  const minute = (): number => (performance.now() - begin) / 60_000;
  const sampling = setInterval(() => {
    const at = minute();
    // A process that is gone is met by the next slice.
    memoryOf(ingest).then(
      (memory) => samples.push({ minute: at, ...memory }),
      () => undefined,
    );
  }, everyMs);
  let refused = 0;
  for (let slice = 0; minute() < minutes; slice += 1) {
    const requests = twilioTraffic(stage.door.target, rate * sliceSec).map(({ bytes }) => bytes);
    const { notAccepted } = await openLoop(ingest.port, requests, {
      rate,
      onSend: () => undefined,
    });
    refused += notAccepted;
    if (notAccepted === requests.length) throw new Error('ingest takes nothing any more');
    const last = samples.at(-1);
    if (slice % 6 === 5 && last !== undefined) {
      note(`(15) ${last.minute.toFixed(1)} min: ${last.residentMb} MB, heap ${last.heapMb} MB`);
    }
  }
  clearInterval(sampling);
  if (refused > 0) note(`(15) ${refused} deliveries were refused`);
  return samples;
}

/** As the process tells it of itself; asking costs it some kilobytes, as Prometheus does. */
async function memoryOf(roles: Roles): Promise<Omit<Sample, 'minute'>> {
  const text = await (await fetch(`http://127.0.0.1:${roles.port}/metrics`)).text();
  const of = (kind: string): number => {
    const found = new RegExp(`^trunkline_process_memory_bytes\\{kind="${kind}"\\} (\\S+)`, 'm');
    return Math.round(Number(found.exec(text)?.[1] ?? NaN) / 104_857.6) / 10;
  };
  return { residentMb: of('resident'), heapMb: of('heap'), externalMb: of('external') };
}

/** Least squares, per minute. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const x = mean(samples.map(({ minute }) => minute));
  const y = mean(samples.map(of));
  let above = 0;
  let below = 0;
  for (const sample of samples) {
    above += (sample.minute - x) * (of(sample) - y);
    below += (sample.minute - x) ** 2;
  }
  return above / below;
}
