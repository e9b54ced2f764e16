// Command line: what `trunkline doctor` says of the way from delivery to row: looked at twice, so that what is
// on its way and what stands still can be told apart. In: the configuration. Out: a finding; changes nothing.

import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';

import { topicName } from '../log/topics.js';
import type { Config } from '../runtime/config.js';
import { openDatabase, type Database } from '../runtime/postgres.js';
import type { Finding } from './doctor.js';

/** Between the two looks. */
const apartMs = 1_500;
/** Records of a partition that wait, though they move: more is a backlog. */
const manyWaiting = 5_000;

/** Where one partition stands. */
export interface PartitionPosition {
  readonly partition: number;
  /** The next offset of `deliveries` and of `events`. */
  readonly ends: { readonly deliveries: number; readonly events: number };
  /** The first delivery that is not decided, as far as is projected. */
  readonly decided: number;
  /** The first event that some read model lacks. */
  readonly projected: number;
}

/** Whether every partition is decided and projected, catches up, or stands still. */
export async function partitions(config: Config): Promise<Finding> {
  const what = 'partitions';
  const { DATABASE_URL: url } = config;
  if (url === undefined) return { what, state: 'ok', detail: 'part of `trunkline serve`' };
  const database = openDatabase({ url, max: 1, applicationName: 'trunkline-doctor' });
  try {
    const before = await positions(config, database);
    if (before.every((position) => waiting(position) === 0)) return judgePartitions(before, before);
    await pause(apartMs);
    return judgePartitions(before, await positions(config, database));
  } catch {
    const detail = 'not known: no tables or topics yet, or PostgreSQL or Kafka does not answer';
    return { what, state: 'warn', detail };
  } finally {
    await database.end();
  }
}

/** What two looks say. Exported for its test. */
export function judgePartitions(
  before: readonly PartitionPosition[],
  after: readonly PartitionPosition[],
): Finding {
  const what = 'partitions';
  const still = after.flatMap((now) => {
    const then = before.find(({ partition }) => partition === now.partition);
    return then === undefined ? [] : standstill(then, now);
  });
  if (still.length > 0) {
    return { what, state: 'warn', detail: still.join('; '), runbook: 'partition-stopped' };
  }
  const most = Math.max(0, ...after.map(waiting));
  if (most > manyWaiting) {
    const detail = `up to ${most} records of a partition wait, though they move`;
    return { what, state: 'warn', detail, runbook: 'lag-grows' };
  }
  const sum = after.reduce((total, position) => total + waiting(position), 0);
  const detail = sum === 0 ? 'all decided and projected' : `${sum} records are on their way`;
  return { what, state: 'ok', detail };
}

function standstill(then: PartitionPosition, now: PartitionPosition): string[] {
  const events = then.ends.events - then.projected;
  if (events > 0 && now.projected === then.projected) {
    return [`partition ${now.partition}: ${events} events wait, and none is projected`];
  }
  const deliveries = then.ends.deliveries - then.decided;
  const isNoneDecided = now.decided === then.decided && now.ends.events === then.ends.events;
  return deliveries > 0 && isNoneDecided
    ? [`partition ${now.partition}: ${deliveries} deliveries wait, and none is decided`]
    : [];
}

const waiting = ({ ends, decided, projected }: PartitionPosition): number =>
  Math.max(0, ends.deliveries - decided) + Math.max(0, ends.events - projected);

interface MarkRow {
  readonly partition: number;
  readonly decided: number;
  readonly projected: number;
}

async function positions(config: Config, database: Database): Promise<PartitionPosition[]> {
  const { rows } = await database.query<MarkRow>(
    `select partition, max(covered_realtime)::int + 1 as decided, min(next_offset)::int as projected
       from marks m
      where version = (select max(version) from marks o where o.projection = m.projection)
      group by partition`,
  );
  const ends = config.KAFKA_BROKERS.length === 0 ? await heads(database) : await highs(config);
  const marks = new Map(rows.map((row) => [row.partition, row]));
  const deliveries = ends.get('deliveries') ?? new Map<number, number>();
  return [...deliveries].map(([partition, end]) => ({
    partition,
    ends: { deliveries: end, events: ends.get('events')?.get(partition) ?? 0 },
    decided: marks.get(partition)?.decided ?? 0,
    projected: marks.get(partition)?.projected ?? 0,
  }));
}

type Ends = ReadonlyMap<string, ReadonlyMap<number, number>>;

async function heads(database: Database): Promise<Ends> {
  const { rows } = await database.query<{ topic: string; partition: number; next: number }>(
    `select topic, partition, next_offset::int as next from log_heads
      where topic in ('deliveries', 'events')`,
  );
  const of = (topic: string) =>
    new Map(rows.filter((row) => row.topic === topic).map((row) => [row.partition, row.next]));
  return new Map([
    ['deliveries', of('deliveries')],
    ['events', of('events')],
  ]);
}

async function highs({ KAFKA_BROKERS, TRUNKLINE_TOPIC_PREFIX: prefix }: Config): Promise<Ends> {
  const options = { brokers: [...KAFKA_BROKERS], logLevel: logLevel.NOTHING };
  const admin = new Kafka({ ...options, retry: { retries: 1 } }).admin();
  try {
    await admin.connect();
    const of = async (topic: 'deliveries' | 'events') =>
      new Map(
        (await admin.fetchTopicOffsets(topicName(topic, prefix))).map(
          ({ partition, high }) => [partition, Number(high)] as const,
        ),
      );
    return new Map([
      ['deliveries', await of('deliveries')],
      ['events', await of('events')],
    ]);
  } finally {
    await admin.disconnect();
  }
}
