// Fuzzing: a run. Comes in: a seed and when to stop. Goes out: how many deliveries were judged, and the
// smallest case of each kind of fault, as a line for `trunkline webhook check`.

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { seededRandom } from '../../../cli/simulator/random.js';
import { makeBases, nowMs, type Base } from './bases.js';
import { faultOf, nextCase, requestOf, smallest, type Case } from './judge.js';

export interface FuzzOptions {
  readonly seed: number;
  /** Asked between two batches. */
  readonly goesOn: (deliveries: number) => boolean;
  /** After each batch; for progress. */
  readonly onBatch?: (deliveries: number) => void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly deliveries: number;
  readonly byProvider: Readonly<Record<string, number>>;
  /** Of this process, in seconds of processor time. */
  readonly cpuSeconds: number;
  /** Bytes alive after the run beyond those after its first tenth. */
  readonly heapGrowth: number;
  /** For people: what went wrong, and with what. */
  readonly faults: readonly string[];
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapInUse(): number {
  collect();
  return getHeapStatistics().used_heap_size + process.memoryUsage().external;
}

/** Deliveries between two looks at the clock. */
export const batch = 2_000;
const mostFaults = 5;

/** Yields to the loop, so that signals and timers are heard. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs until told to stop, or until five faults are found. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, goesOn, onBatch } = options;
  const bases = makeBases();
  const random = seededRandom(seed);
  const byProvider: Record<string, number> = {};
  const faults = new Map<string, string>();
  const cpu = process.cpuUsage();
  let deliveries = 0;
  let heapBefore: number | null = null;
  while (faults.size < mostFaults && goesOn(deliveries)) {
    for (let n = 0; n < batch && faults.size < mostFaults; n += 1) {
      const one = nextCase(bases, random);
      byProvider[one.base.provider] = (byProvider[one.base.provider] ?? 0) + 1;
      const fault = faultOf(one);
      if (fault === null) continue;
      const least = smallest(one);
      const kind = [fault, least.base.file, ...least.steps.map(({ name }) => name)].join();
      if (!faults.has(kind)) faults.set(kind, describe(least, fault, seed));
    }
    deliveries += batch;
    // What is made once (caches, compiled code) is made by now.
    if (heapBefore === null && deliveries >= 10 * batch) heapBefore = heapInUse();
    onBatch?.(deliveries);
    await turn();
  }
  const used = process.cpuUsage(cpu);
  const cpuSeconds = (used.user + used.system) / 1e6;
  const heapGrowth = heapBefore === null ? 0 : heapInUse() - heapBefore;
  return { seed, deliveries, byProvider, cpuSeconds, heapGrowth, faults: [...faults.values()] };
}

/** A fault with everything that is needed to see it again. */
function describe(one: Case, fault: string, seed: number): string {
  const { base, mode, steps } = one;
  const done = steps.map(({ name, seed: chance }) => `${name}(${chance})`).join(' ');
  return `${fault}\n  seed ${seed}, ${base.file}, ${mode}: ${done}\n  ${lineOf(one, base)}`;
}

/** The case as a line of NDJSON; its secrets are made up for this run. */
function lineOf(one: Case, { provider, endpoint }: Base): string {
  const request = requestOf(one);
  return JSON.stringify({
    ...{ id: one.base.file, provider, method: request?.method, url: request?.url },
    ...{
      headers: request?.headers,
      rawBodyBase64: request?.body.toString('base64').slice(0, 4000),
    },
    ...{ credentials: endpoint.credentials.map(({ value }) => value), now: nowMs / 1000 },
  });
}
