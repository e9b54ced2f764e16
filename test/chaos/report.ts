// Chaos: the report. Comes in: what a run did and found. Goes out: JSON for machines, tables for people.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Breaker, Loss, Trouble } from './faults.js';
import type { Verdict } from './judge.js';
import type { Ownership } from './record.js';
import { describeFault, type FaultKind, type Planned } from './schedule.js';
import type { Crash } from './slots.js';

/** How long a partition was without an owner that works. */
export interface Takeover {
  readonly how: Loss['how'];
  readonly slot: string;
  readonly partition: number;
  /** From the signal to the next owner's marker; null when the run ended without one. */
  readonly tookMs: number | null;
  /** Nothing else was broken that processors need. */
  readonly alone: boolean;
}

export interface ChaosReport {
  readonly seed: number;
  readonly minutes: number;
  readonly startedAt: string;
  readonly ok: boolean;
  readonly verdicts: readonly Verdict[];
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly schedule: readonly string[];
  readonly sent: number;
  /** Attempts by the status of the answer. */
  readonly answers: Readonly<Record<string, number>>;
  readonly deliveries: number;
  readonly events: number;
  readonly lost: number;
  readonly twice: number;
  readonly zombies: number;
  readonly zombiesAccepted: number;
  readonly takeovers: readonly Takeover[];
  readonly stops: readonly { readonly slot: string; readonly tookMs: number }[];
  readonly resyncs: Readonly<Record<string, number>>;
  readonly crashes: readonly Crash[];
  /** Lines of level error by process and code. */
  readonly errors: Readonly<Record<string, number>>;
  /** From the end of the schedule until everything was mended, decided and projected. */
  readonly healedMs: number;
  readonly notes: readonly string[];
}

/** The first marker of a partition after each loss, by the brokers' clock. */
export function takeoversOf(
  { losses, troubles }: Pick<Breaker, 'losses' | 'troubles'>,
  ownerships: readonly Ownership[],
): Takeover[] {
  return losses.flatMap(({ how, slot, at, partitions }) => {
    const overlaps = ({ fault, from, to }: Trouble): boolean =>
      !(
        fault.kind === how &&
        'slot' in fault &&
        fault.slot === slot &&
        Math.abs(from - at) < 500
      ) &&
      from < at + aloneForMs &&
      to > at;
    const alone = !troubles.some(overlaps);
    return partitions.map((partition) => {
      const next = ownerships.find((one) => one.partition === partition && one.at >= at);
      return { how, slot, partition, tookMs: next === undefined ? null : next.at - at, alone };
    });
  });
}

/** A takeover that something else disturbs within this time says nothing about takeovers. */
const aloneForMs = 3_000;

/** Of numbers: count, median, 99th percentile, most. */
export function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return 'none';
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return `${sorted.length}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`;
}

function tookOf(takeovers: readonly Takeover[], how: Loss['how'], alone: boolean): string {
  const some = takeovers.filter((one) => one.how === how && (one.alone || !alone));
  return spread(some.map(({ tookMs }) => tookMs).filter((ms) => ms !== null));
}

/** The report as people read it. */
export function markdown(report: ChaosReport): string {
  const rows = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `| ${name.replaceAll('_', ' ')} | ${count} |`)
      .join('\n');
  const { takeovers, stops } = report;
  return `# Chaos: ${report.minutes} minutes, seed ${report.seed}

${report.ok ? 'Every promise held.' : '**A promise was broken.**'} Started ${report.startedAt}.
Repeat the schedule with \`npm run chaos -- --minutes ${report.minutes} --seed ${report.seed}\`.

| promise | held | looked at |
| --- | --- | --- |
${report.verdicts.map(({ promise, ok, detail }) => `| ${promise} | ${ok ? 'yes' : '**no**'} | ${detail} |`).join('\n')}

| | |
| --- | --- |
| deliveries sent by the providers | ${report.sent} |
| records of \`deliveries\` | ${report.deliveries} |
| events | ${report.events} |
| **events lost** | ${report.lost} |
| **applied twice** | ${report.twice} |
| zombie records written | ${report.zombies} |
| **zombie records accepted** | ${report.zombiesAccepted} |
| takeover after kill -9, nothing else broken | ${tookOf(takeovers, 'kill', true)} |
| takeover after kill -9, whatever else is broken | ${tookOf(takeovers, 'kill', false)} |
| takeover after SIGTERM, nothing else broken | ${tookOf(takeovers, 'restart', true)} |
| takeover after SIGTERM, whatever else is broken | ${tookOf(takeovers, 'restart', false)} |
| takeover from a process that stands still, nothing else broken | ${tookOf(takeovers, 'zombie', true)} |
| from SIGTERM to the end of the process | ${spread(stops.map(({ tookMs }) => tookMs))} |
| from the end of the schedule until all is mended, decided and projected | ${report.healedMs} ms |

| fault | injected |
| --- | --- |
${rows(report.faults)}

| answer | attempts |
| --- | --- |
${rows(report.answers)}

| resync told | times |
| --- | --- |
${rows(report.resyncs)}

| process and code of error lines | lines |
| --- | --- |
${rows(report.errors)}

Ends of processes that no fault explains: ${report.crashes.length}.
${report.crashes.map(({ slot, code, tail }) => `\n\`${slot}\` ended with ${String(code)}:\n\n\`\`\`text\n${tail.trim()}\n\`\`\``).join('\n')}
${report.notes.map((note) => `- ${note}`).join('\n')}

## Schedule

${report.schedule.map((line) => `- ${line}`).join('\n')}
`;
}

/** One line a fault, as the schedule has it. */
export const scheduleLines = (plan: readonly Planned[]): string[] =>
  plan.map(({ atMs, fault }) => `${(atMs / 1000).toFixed(1)} s: ${describeFault(fault)}`);

/** Writes both; the path without its ending. */
export function storeReport(report: ChaosReport, directory: string): string {
  mkdirSync(directory, { recursive: true });
  const day = report.startedAt.slice(0, 10);
  const path = join(directory, `${day}-chaos-${report.minutes}m-seed-${report.seed}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${path}.md`, markdown(report));
  return path;
}
