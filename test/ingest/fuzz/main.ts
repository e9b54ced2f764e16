// `npm run fuzz`: fuzzing for as long as one likes. In: --minutes and --seed. Out: progress on standard error,
// the report on standard output; exit 1 when something was found. Ctrl-C ends it cleanly, with its report.

import { parseArgs } from 'node:util';

import { fuzz } from './run.js';

/** To people, and the report. */
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const usage = 'usage: npm run fuzz -- [--minutes N] [--seed S]';

function numberOf(text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text);
  if (Number.isFinite(number) && number >= 0) return number;
  say(usage);
  process.exit(2);
}

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' } },
});
const minutes = numberOf(values.minutes, 5);
const seed = numberOf(values.seed, Date.now() % 2 ** 31);
const endsAtMs = Date.now() + minutes * 60_000;
let isStopped = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isStopped = true;
  });
}

say(`seed ${seed}, ${minutes} min; Ctrl-C stops`);
const startedMs = Date.now();
let toldMs = startedMs;
const report = await fuzz({
  seed,
  goesOn: () => !isStopped && Date.now() < endsAtMs,
  onBatch(deliveries) {
    if (Date.now() - toldMs < 5_000) return;
    toldMs = Date.now();
    const perSecond = Math.round(deliveries / ((toldMs - startedMs) / 1000));
    const leftSec = Math.max(0, Math.round((endsAtMs - toldMs) / 1000));
    say(`${deliveries} deliveries, ${perSecond}/s, ${leftSec} s to go`);
  },
});
const { faults, byProvider, ...figures } = report;
process.stdout.write(`${JSON.stringify({ ...figures, byProvider })}\n`);
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
