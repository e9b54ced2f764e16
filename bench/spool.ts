// Bench 14: the spool, on the disk of this machine. Comes in: a setting. Goes out: deliveries a second that
// are on disk (fdatasync) before their answer, beside the same bytes with one fdatasync each.

import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { encodeFrames } from '../ingest/spool-record.js';
import type { FactRecord } from '../log/fact-record.js';
import { Spool } from '../ingest/spool.js';
import { formatHeader } from '../log/record-header.js';
import { silentLogger } from '../runtime/logger.js';
import { median } from './measure.js';
import type { Row } from './report.js';
import type { Setting } from './setting.js';

const partitions = 8;
/** Deliveries that wait for their answer at a time, as connections do. */
const inFlight = 64;
/** What a sealed status callback takes. */
const valueBytes = 1_500;
/** One at a time is slow: so many say enough. */
const loneRecords = 500;

const record: FactRecord = {
  key: 'acme',
  header: formatHeader({ kind: 'fact' }),
  value: Buffer.alloc(valueBytes, 7),
};

/** Both ways write to directories beside each other, round by round. */
export async function measureSpool({ size, note }: Setting): Promise<Row[]> {
  const rounds = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < size.rounds; round += 1) {
    rounds.ours.push(await inDirectory((path) => spooled(path, size.deliveries)));
    rounds.bare.push(await inDirectory(writtenAlone));
    note(`(14) ${rounds.ours.at(-1)} beside ${rounds.bare.at(-1)} deliveries/s`);
  }
  const what = `spool with group fsync, ${inFlight} in flight, beside one fsync each`;
  const [ours, bare] = [median(rounds.ours), median(rounds.bare)];
  return [
    { bench: 14, what, unit: 'deliveries/s', ours, bare: null, target: { atLeast: 5_000 }, rounds },
    { bench: 14, what, unit: 'times as many', ours, bare, target: null, rounds },
  ];
}

async function inDirectory(work: (path: string) => Promise<number>): Promise<number> {
  const path = mkdtempSync(join(process.cwd(), '.cache', 'bench-spool-'));
  try {
    return Math.round(await work(path));
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

async function spooled(directory: string, deliveries: number): Promise<number> {
  const onFault = (): void => undefined;
  const spool = await Spool.open({ directory, maxBytes: 2 ** 32, logger: silentLogger, onFault });
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (sent < deliveries) {
      sent += 1;
      if ((await spool.put(sent % partitions, record)) !== 'kept') throw new Error('not kept');
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: inFlight }, sender));
  const perSecond = deliveries / ((performance.now() - begin) / 1000);
  await spool.close();
  return perSecond;
}

async function writtenAlone(directory: string): Promise<number> {
  const file = await open(join(directory, 'lone'), 'ax');
  const begin = performance.now();
  for (let sequence = 1; sequence <= loneRecords; sequence += 1) {
    await file.appendFile(encodeFrames(sequence, 0, [record]));
    await file.datasync();
  }
  const perSecond = loneRecords / ((performance.now() - begin) / 1000);
  await file.close();
  return perSecond;
}
