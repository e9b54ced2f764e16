// `trunkline log inspect` on a real PostgreSQL (test/services/): what stands in the log is what it says.

import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerLogCommands } from '../../cli/log.js';
import type { EventLog, LogRecord } from '../../log/event-log.js';
import type { PartitionReport } from '../../log/inspect.js';
import { startMark } from '../../log/mark.js';
import { moveMarks } from '../../log/mark-store.js';
import { formatHeader, noTenant, type RecordHeader } from '../../log/record-header.js';
import { inTransaction, openDatabase, type Database } from '../../runtime/postgres.js';
import { epoch, eventId, offset, ownerId, seq, tenantId } from '../../schemas/ids.js';
import { migratedUrl, openAt } from '../log/open-embedded.js';

const tenant = tenantId('acme');
const owner = ownerId('o2');
let log: EventLog;
let database: Database;

const record = (key: string, header: RecordHeader): LogRecord => ({
  key,
  header: formatHeader(header),
  value: Buffer.from('x'),
});

const event = (number: number, by = owner): LogRecord =>
  record(tenant, {
    kind: 'event',
    owner: by,
    epoch: epoch('e1'),
    seq: seq(number),
    eventId: eventId(`ev${number}`),
    covered: { realtime: offset(number - 1), bulk: offset(-1) },
  });

const marker = (by: string, term: number): LogRecord =>
  record(noTenant, { kind: 'marker', owner: ownerId(by), term, epoch: epoch('e1') });

beforeAll(async () => {
  const url = await migratedUrl();
  log = await openAt(url);
  database = openDatabase({ url, max: 2, applicationName: 'test' });
  const appender = await log.openAppender();
  const fact = record(tenant, { kind: 'fact' });
  await appender.append('deliveries', 1, [fact, fact, fact, fact, fact]);
  await appender.append('events', 1, [marker('o1', 1)]);
  await appender.append('events', 1, [marker('o2', 2)]);
  await appender.append('events', 1, [event(1)]);
  await appender.append('events', 1, [event(7, ownerId('o1'))]);
  await appender.append('events', 1, [event(2), event(3)]);
  await inTransaction(database, async (transaction) => {
    const after = {
      epoch: epoch('e1'),
      next: offset(3),
      owner,
      term: 2,
      covered: { realtime: offset(0), bulk: offset(-1) },
      lastSeq: new Map([[tenant, seq(1)]]),
    };
    const keys = [{ projection: 'calls', version: 1, partition: 1 }];
    expect(await moveMarks(transaction, keys, startMark, after)).toBe('stored');
  });
});

afterAll(async () => {
  await log.close();
  await database.end();
});

async function run(...args: string[]): Promise<string[]> {
  const lines: string[] = [];
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerLogCommands(program, {
    open: () => Promise.resolve({ log, database, close: () => Promise.resolve() }),
    signal: new AbortController().signal,
    print: (line) => void lines.push(line),
  });
  await program.parseAsync(['log', ...args], { from: 'user' });
  return lines;
}

test('a partition is reported with owner, marks, lag and sequences; a zombie’s record does not count', async () => {
  const [line = ''] = await run('inspect', '--partition', '1', '--json');
  const report = JSON.parse(line) as PartitionReport;
  expect(report).toEqual({
    partition: 1,
    offsets: {
      deliveries: { first: 0, next: 5 },
      'deliveries.bulk': { first: 0, next: 0 },
      events: { first: 0, next: 6 },
      'dead-letters': { first: 0, next: 0 },
    },
    owner: 'o2',
    term: 2,
    epoch: 'e1',
    covered: { realtime: 2, bulk: -1 },
    sourceLagRecords: { realtime: 2, bulk: 0 },
    projections: [{ projection: 'calls', version: 1, next: 3, term: 2, lagRecords: 3 }],
    lastSeq: { acme: 3 },
    fault: null,
  });
});

test('for people the same stands in lines, for every partition', async () => {
  const text = (await run('inspect')).join('\n');
  expect(text).toMatch(/partition 0\n {2}owner {6}none yet/);
  expect(text).toMatch(/partition 1\n {2}owner {6}o2, term 2, epoch e1/);
  expect(text).toContain('covered    realtime 2 (lag 2), bulk -1 (lag 0)');
  expect(text).toContain('mark       calls v1 at 3 (lag 3)');
  expect(text).toContain('sequence   acme 3');
});

test('a partition that cannot be read to its end says why', async () => {
  const appender = await log.openAppender();
  await appender.append('events', 2, [marker('o2', 1), event(5)]);
  const [line = ''] = await run('inspect', '-p', '2', '--json');
  const report = JSON.parse(line) as PartitionReport;
  expect(report.fault).toMatch(/events\[2\]/);
  expect((await run('inspect', '-p', '2')).join('\n')).toContain('FAULT');
});

test('a partition that is no number is refused', async () => {
  await expect(run('inspect', '-p', 'all')).rejects.toThrow(/must be the number of a partition/);
});
