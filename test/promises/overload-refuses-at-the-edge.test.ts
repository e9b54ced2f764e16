// Promise 11: overload refuses at the edge. More deliveries come than a real log takes: what is too much gets
// 503 with Retry-After, memory stays bounded, all that was accepted is in the log, and the tenant that does not
// flood is never refused.

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';

import { createLocalCodec } from '../../log/event-codec.js';
import type { Appender, EventLog } from '../../log/event-log.js';
import { openKafkaLog } from '../../log/kafka.js';
import { createMemoryLog } from '../../log/memory.js';
import { silentLogger } from '../../runtime/logger.js';
import { offset } from '../../schemas/ids.js';
import { form, json, whole } from '../ingest/raw-requests.js';
import {
  deliver,
  startStation,
  telnyxJson,
  testRates,
  type SignedDelivery,
  type Station,
  type StationOptions,
} from '../ingest/station.js';
import { migratedUrl, openAt } from '../log/open-embedded.js';
import { RawClient } from '../runtime/raw-client.js';
import { kafkaBrokers } from '../services/services.js';
import { until } from '../services/shared.js';

const never = new AbortController().signal;
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(options: StationOptions): Promise<Station> {
  const station = await startStation(options);
  ends.push(() => station.stop());
  return station;
}

/** The same log with a capacity that any machine exceeds: small batches, each of which takes its time. */
const withCapacity = (log: EventLog): EventLog => ({
  driver: log.driver,
  partitions: log.partitions,
  maxBatchBytes: 80_000,
  openAppender: async () => slowed(await log.openAppender()),
  openFetcher: () => log.openFetcher(),
  bounds: (topic, partition) => log.bounds(topic, partition),
  joinProcessors: (listener, signal) => log.joinProcessors(listener, signal),
  close: () => log.close(),
});

const slowed = (appender: Appender): Appender => ({
  async append(topic, partition, records) {
    await pause(80);
    return appender.append(topic, partition, records);
  },
  close: () => appender.close(),
});

/**
 * Senders of one tenant that send the next delivery as soon as one was taken, and come again long before
 * they were told to when it was refused.
 */
class Flood {
  readonly accepted: string[] = [];
  readonly refusals = new Map<string, number>();
  #isOver = false;
  #sent = 0;
  readonly #senders: Promise<void>[];

  constructor(
    private readonly port: number,
    connections: number,
  ) {
    this.#senders = Array.from({ length: connections }, () => this.#send());
  }

  get refused(): number {
    return [...this.refusals.values()].reduce((sum, count) => sum + count, 0);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#senders);
  }

  async #send(): Promise<void> {
    const client = await RawClient.open(this.port);
    while (!this.#isOver && !client.isClosed) {
      const id = `flood-${letters(++this.#sent)}`;
      client.write(whole(withId(form(), id)));
      const answer = await client.answer();
      if (/^HTTP\/1\.1 20/.test(answer)) {
        this.accepted.push(id);
      } else {
        this.#count(answer);
        await pause(250);
      }
    }
    client.abort();
  }

  #count(answer: string): void {
    const status = answer.slice(9, 12) || 'none';
    const code = /"code":"(\w+)"/.exec(answer)?.[1] ?? '';
    const retry = /retry-after: [1-9]/i.test(answer) ? 'retry' : 'no retry';
    const name = `${status} ${code} ${retry}`;
    this.refusals.set(name, (this.refusals.get(name) ?? 0) + 1);
  }
}

const withId = (parts: ReturnType<typeof form>, id: string): ReturnType<typeof form> => ({
  ...parts,
  headers: [...parts.headers, `X-Correlation-Id: ${id}`],
});

/** A number in letters, so that it looks like nobody's telephone. */
const letters = (n: number): string =>
  n
    .toString(26)
    .replace(/\d/g, (d) => 'qrstuvwxyz'.charAt(+d))
    .padStart(6, 'a');

const hangup = (n: number): string =>
  JSON.stringify({
    data: {
      id: `0ccc7b54-4df3-4bca-a65a-${String(n).padStart(12, '0')}`,
      event_type: 'call.hangup',
      record_type: 'event',
      occurred_at: '2026-10-01T10:00:00.000000Z',
      payload: {
        call_control_id: `v3:small-${n}`,
        call_leg_id: `leg-${n}`,
        call_session_id: `s-${n}`,
      },
    },
  });

/** One delivery of the small tenant after the other. */
async function sendSmall(station: Station, count: number): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  for (let n = 0; n < count; n += 1) {
    const delivery: SignedDelivery = telnyxJson(hangup(n));
    const { status } = await deliver(station, delivery);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  return statuses;
}

async function gauge(station: Station, name: string): Promise<number> {
  const text = await station.metrics.metrics();
  return Number(new RegExp(`^trunkline_ingest_${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

/** Correlation ids of all records of `deliveries`. */
async function idsIn(log: EventLog): Promise<Set<string>> {
  const codec = createLocalCodec();
  const fetcher = await log.openFetcher();
  const ids = new Set<string>();
  for (let partition = 0; partition < log.partitions; partition += 1) {
    const { first, next } = await log.bounds('deliveries', partition);
    for (let from: number = first; from < next;) {
      const position = { topic: 'deliveries', partition, from: offset(from) } as const;
      const limits = { maxWaitMs: 1000, maxBytesPerPartition: 1_000_000 };
      const [fetched] = await fetcher.fetch([position], limits, never);
      for (const one of fetched?.records ?? []) {
        if (one.value !== null) ids.add(codec.decodeFact(one.value).correlationId);
        from = one.offset + 1;
      }
    }
  }
  await fetcher.close();
  return ids;
}

async function openKafka(): Promise<EventLog> {
  return openKafkaLog({
    ...{ brokers: await kafkaBrokers(), prefix: `p11-${randomBytes(4).toString('hex')}` },
    ...{ clientId: 'p11', partitions: 4, replication: 1, minIsr: 1 },
    ...{ sessionTimeoutMs: 10_000, rawRetentionMs: 30 * 86_400_000, logger: silentLogger },
  });
}

describe.each([
  ['PostgreSQL', async () => openAt(await migratedUrl())],
  ['Kafka', openKafka],
])('more comes than a log on %s takes', (_name, open) => {
  test('the flood is refused with Retry-After, the small tenant never, and all that was accepted is kept', async () => {
    const log = await open();
    ends.push(() => log.close());
    const rates = { ...testRates, endpoint: 1_000_000, tenant: 1_000_000 };
    const settings = { rates, appendTimeoutMs: 4_000 };
    const station = await start({ log: withCapacity(log), settings });
    const flood = new Flood(station.port, 1_600);
    await until('the flood to be refused', () => flood.refused >= 500, 60_000);

    // Now the small tenant, with the flood going on.
    const before = flood.refused;
    const small = await sendSmall(station, 40);
    expect(small).toEqual(new Map([[204, 40]]));
    expect(await gauge(station, 'in_flight_bytes')).toBeLessThan(64 * 1024 * 1024);
    expect(flood.refused).toBeGreaterThan(before);
    await flood.end();

    expect([...flood.refusals.keys()]).toEqual(['503 overloaded retry']);
    expect(flood.accepted.length).toBeGreaterThan(100);
    const kept = await idsIn(log);
    expect(flood.accepted.filter((id) => !kept.has(id)).length).toBe(0);
    expect(await gauge(station, 'in_flight')).toBe(0);
    expect(await gauge(station, 'in_flight_bytes')).toBe(0);

    // Overload is no outage: nothing went to the spool. And it ends.
    expect(await gauge(station, 'spool_records')).toBe(0);
    const codes = () => station.lines.map(({ fields }) => fields['code']);
    await until('the end of the overload', () => codes().includes('overload_ended'));
    expect(codes()).toContain('overload_began');
    expect(codes()).not.toContain('spooling_started');
    expect(await gauge(station, 'admitted_per_second')).toBe(0);
    expect((await deliver(station, telnyxJson(hangup(99)))).status).toBe(204);
  });
});

describe('a log that takes nothing', () => {
  test('leaves memory bounded: the tenant that fills it is refused, another still has room', async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const memory = createMemoryLog();
    const stuck: EventLog = {
      ...memory,
      openAppender: async () => {
        await released;
        return memory.openAppender();
      },
    };
    const inFlightBytes = 4 * 1024 * 1024;
    const settings = { inFlightBytes, appendTimeoutMs: 60_000 };
    const station = await start({ log: stuck, settings });
    const large = { ...json(JSON.stringify({ text: 'x'.repeat(200_000) })) };
    const clients = await Promise.all(
      Array.from({ length: 30 }, () => RawClient.open(station.port)),
    );
    for (const client of clients) client.write(whole(large));
    await until('refusals', () => clients.filter(({ received }) => received !== '').length >= 20);
    const refused = clients.filter(({ received }) => received !== '');
    for (const { received } of refused) {
      expect(received).toMatch(/^HTTP\/1\.1 503 /);
      expect(received).toMatch(/retry-after: 2/i);
      expect(received).toContain('"code":"overloaded"');
    }
    const held = await gauge(station, 'in_flight_bytes');
    expect(held).toBeGreaterThan(inFlightBytes / 4);
    expect(held).toBeLessThanOrEqual(inFlightBytes / 2);

    // The other tenant's delivery is taken in, and waits with the rest.
    const other = await RawClient.open(station.port);
    other.write(whole(form()));
    await until('the other tenant', async () => (await gauge(station, 'in_flight_bytes')) > held);
    release();
    expect(await other.until(/HTTP/)).toContain(' 204 ');
    for (const client of clients) expect(await client.until(/HTTP/)).toMatch(/ 204 | 503 /);
    for (const client of [...clients, other]) client.abort();
  });
});
