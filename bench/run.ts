// Bench: runs the scenarios asked for and stores what they found. Comes in: numbers or names of benches (see `names`),
// `--quick`, `--name <text>`, `--minutes <number>`, `--kills <number>`. Goes out: a table, and files in bench/results. Never
// a timed test: it always ends well.

import { loadavg } from 'node:os';

import { measureAnswers } from './answers.js';
import { measureBulk } from './bulk.js';
import { measureFanOut } from './fan-out.js';
import { measureGuarantees } from './guarantees.js';
import { measureIngest } from './ingest.js';
import { measureLatency } from './latency.js';
import { measureLimits } from './limits.js';
import { measureLookups } from './lookup-costs.js';
import { measureMemory } from './memory.js';
import { measureOverload } from './overload.js';
import { measurePolicy } from './policy.js';
import { measureRecovery } from './recovery.js';
import { measureRedaction } from './redaction.js';
import { store, table, type Row } from './report.js';
import { Setting } from './setting.js';
import { measureSoak } from './soak.js';
import { measureSpool } from './spool.js';
import { measureStages } from './stage-costs.js';
import { measureStations } from './stations.js';
import { measureTakeover } from './takeover.js';
import { measureVerification } from './verification-costs.js';

/** By this number, or by its name. */
const names: Readonly<Record<string, number>> = {
  soak: 15,
  takeover: 16,
  lookups: 17,
  guarantees: 18,
  recovery: 19,
  policy: 20,
  redact: 21,
};

/** What can be measured, in the order of a run. */
const scenarios: readonly Scenario[] = [
  { benches: [1], measure: measureIngest },
  { benches: [2, 3], measure: measureStations },
  { benches: [4], measure: measureFanOut },
  { benches: [5], measure: measureLatency },
  { benches: [6], measure: measureMemory },
  { benches: [7], measure: measureVerification },
  { benches: [8], measure: measureAnswers },
  { benches: [9], measure: measureBulk },
  { benches: [11], measure: measureStages },
  { benches: [12], measure: measureLimits },
  { benches: [13], measure: measureOverload },
  { benches: [14], measure: measureSpool },
  { benches: [15], measure: measureSoak, isLong: true },
  { benches: [16], measure: measureTakeover, isLong: true },
  { benches: [17], measure: measureLookups },
  { benches: [18], measure: measureGuarantees, isLong: true },
  { benches: [19], measure: measureRecovery, isLong: true },
  { benches: [20], measure: measurePolicy },
  { benches: [21], measure: measureRedaction },
];

interface Scenario {
  /** Their numbers in docs/benchmarks.md. */
  readonly benches: readonly number[];
  readonly measure: (setting: Setting, wanted: ReadonlySet<number>) => Promise<readonly Row[]>;
  /** Only when asked for by number. */
  readonly isLong?: boolean;
}

const args = process.argv.slice(2);
const option = (flag: string): string | undefined =>
  args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
const isValue = (at: number): boolean =>
  ['--name', '--minutes', '--kills'].includes(args[at - 1] ?? '');
const quick = args.includes('--quick');
const numbers = args.flatMap((arg, at) => {
  if (isValue(at)) return [];
  const named = names[arg];
  if (named !== undefined) return [named];
  return /^\d+$/.test(arg) ? [Number(arg)] : [];
});
const usual = scenarios.filter(({ isLong }) => isLong !== true).flatMap(({ benches }) => benches);
const chosen = new Set(numbers.length === 0 ? usual : numbers);
const name = option('--name') ?? (quick ? 'quick' : 'bench');

const size = {
  ...{ rounds: 3, soakMinutes: Number(option('--minutes') ?? 10) },
  ...(quick
    ? { deliveries: 6_000, seconds: 2, takeovers: Number(option('--kills') ?? 4) }
    : { deliveries: 20_000, seconds: 5, takeovers: Number(option('--kills') ?? 50) }),
};

const begin = performance.now();
const before = loadavg();
const note = (text: string): void => {
  const seconds = Math.round((performance.now() - begin) / 1000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${text}\n`);
};
const setting = new Setting(size, note);
const rows: Row[] = [];
const ending = (): void => void setting.close().finally(() => process.exit(1));
process.on('SIGINT', ending);
process.on('SIGTERM', ending);

try {
  for (const { benches, measure } of scenarios) {
    const wanted = benches.filter((bench) => chosen.has(bench));
    if (wanted.length === 0) continue;
    rows.push(...(await measure(setting, new Set<number>(wanted))));
    await setting.clear();
  }
} finally {
  await setting.close();
}
const seconds = (performance.now() - begin) / 1000;
const load = { before, after: loadavg() };
const path = store(rows, { name, quick, rounds: size.rounds, load, seconds });
process.stdout.write(`\n${table(rows)}\n\nstored as ${path}.{json,md}\n`);
process.exit(0);
