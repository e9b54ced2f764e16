// Promise 1: no 2xx without a durable append. Real Kafka and real PostgreSQL go away and come back under
// traffic, and the process of ingest is killed with a non-empty spool; everything answered 2xx is in the
// log in the end.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { createLocalCodec } from '../../log/event-codec.js';
import type { EventLog } from '../../log/event-log.js';
import { openKafkaLog } from '../../log/kafka.js';
import { silentLogger } from '../../runtime/logger.js';
import { packageRoot } from '../../runtime/package-root.js';
import { offset } from '../../schemas/ids.js';
import type { StationProcessOptions } from '../ingest/station-process.js';
import { completedCall, deliver, twilioForm } from '../ingest/station.js';
import { migratedUrl, openAt } from '../log/open-embedded.js';
import { startKafka, type OwnKafka } from '../services/kafka.js';
import { freePort, until } from '../services/shared.js';

const partitions = [0, 1, 2, 3];
const program = join(packageRoot(), 'node_modules/.cache/trunkline-test/station-process.mjs');
const directories: string[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  await build({
    entryPoints: [join(packageRoot(), 'test/ingest/station-process.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

interface StationProcess {
  readonly url: string;
  readonly kill: () => Promise<void>;
}

async function startProcess(options: StationProcessOptions): Promise<StationProcess> {
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  await until('the station to listen', () => {
    if (child.exitCode !== null) throw new Error(`the station ended:\n${errors}`);
    return output.includes('\n');
  });
  const { port } = JSON.parse(output) as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async kill() {
      child.kill('SIGKILL');
      await until('the station to end', () => child.signalCode !== null);
    },
  };
}

/** Senders that never rest; each delivery carries an id of its own as correlation id. */
class Traffic {
  readonly acknowledged: string[] = [];
  readonly refused: string[] = [];
  #sent = 0;
  #running = true;
  readonly #senders: Promise<void>[];

  constructor(public target: { readonly url: string } | null) {
    this.#senders = Array.from({ length: 8 }, () => this.#send());
  }

  /** Waits for so many more 2xx answers. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    await until(`${count} more answers`, () => this.acknowledged.length >= goal);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#senders);
  }

  async #send(): Promise<void> {
    while (this.#running) {
      const station = this.target;
      if (station === null) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        continue;
      }
      this.#sent += 1;
      const id = `delivery-${letters(this.#sent)}`;
      const delivery = twilioForm(completedCall(this.#sent));
      const headers = { ...delivery.headers, 'x-correlation-id': id };
      try {
        const answer = await deliver(station, delivery, { headers });
        await answer.arrayBuffer();
        (answer.ok ? this.acknowledged : this.refused).push(id);
      } catch {
        // The process is gone: nothing was promised.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
}

/** A number in letters, so that it looks like nobody's telephone. */
const letters = (n: number): string =>
  n.toString(26).replace(/\d/g, (d) => 'qrstuvwxyz'.charAt(+d));

/** Correlation ids of every record of `deliveries`, and how many records there are. */
async function read(log: EventLog): Promise<{ ids: Set<string>; count: number }> {
  const codec = createLocalCodec();
  const fetcher = await log.openFetcher();
  const ids = new Set<string>();
  let count = 0;
  for (const partition of partitions) {
    const { first, next } = await log.bounds('deliveries', partition);
    let from: number = first;
    while (from < next) {
      const position = { topic: 'deliveries', partition, from: offset(from) } as const;
      const limits = { maxWaitMs: 1000, maxBytesPerPartition: 1_000_000 };
      const [fetched] = await fetcher.fetch([position], limits, new AbortController().signal);
      for (const one of fetched?.records ?? []) {
        if (one.offset < from || one.value === null) continue;
        ids.add(codec.decodeFact(one.value).correlationId);
        count += 1;
        from = one.offset + 1;
      }
    }
  }
  await fetcher.close();
  return { ids, count };
}

function freshData(): string {
  const directory = mkdtempSync(join(tmpdir(), 'promise-1-'));
  directories.push(directory);
  return directory;
}

function spooledSegments(dataDirectory: string): string[] {
  const names = readdirSync(join(dataDirectory, 'spool'), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.seg'));
}

const drained = (dataDirectory: string): Promise<void> =>
  until('the spool to be drained', () => spooledSegments(dataDirectory).length === 0, 60_000);

test('Kafka dies and comes back under traffic, ingest is killed: every 2xx is in the log', async () => {
  const kafka: OwnKafka = await startKafka();
  try {
    const dataDirectory = freshData();
    const prefix = `p1-${randomBytes(4).toString('hex')}`;
    const brokers = [kafka.broker];
    const options = { dataDirectory, brokers, prefix, appendTimeoutMs: 300 };
    const station = await startProcess(options);
    const traffic = new Traffic(station);
    await traffic.more(200);

    // The broker loses power: deliveries are answered from the spool.
    await kafka.kill();
    await traffic.more(200);
    expect(spooledSegments(dataDirectory).length).toBeGreaterThan(0);

    // Ingest is killed with a non-empty spool; the next process finds it.
    await station.kill();
    traffic.target = null;
    const left = spooledSegments(dataDirectory);
    expect(left.length).toBeGreaterThan(0);
    await kafka.restart();
    const next = await startProcess(options);
    traffic.target = next;
    await traffic.more(200);

    // A clean stop and start without a restart of ingest.
    await kafka.stop();
    await traffic.more(100);
    await kafka.restart();
    await traffic.more(500);
    await traffic.stop();
    await drained(dataDirectory);

    const log = await openKafkaLog({
      ...{ brokers, prefix, clientId: 'judge', partitions: 4, replication: 1, minIsr: 1 },
      ...{ sessionTimeoutMs: 10_000, rawRetentionMs: 30 * 86_400_000, logger: silentLogger },
    });
    const { ids } = await read(log);
    await log.close();
    expect(traffic.acknowledged.length).toBeGreaterThan(1000);
    expect(traffic.refused).toEqual([]);
    expect(traffic.acknowledged.filter((id) => !ids.has(id))).toEqual([]);
    await next.kill();
  } finally {
    await kafka.stop().catch(() => undefined);
    await rm(kafka.directory, { recursive: true, force: true });
  }
});

/** Stands between ingest and PostgreSQL, and can be cut. */
class Cable {
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  constructor(
    readonly port: number,
    private readonly to: { readonly host: string; readonly port: number },
  ) {}

  async plug(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(this.to.port, this.to.host);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
  }

  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

test('the embedded log is cut off and comes back under traffic, ingest is killed: every 2xx is in it', async () => {
  const direct = await migratedUrl();
  const { hostname: host, port } = new URL(direct);
  const cable = new Cable(await freePort(), { host, port: Number(port) });
  await cable.plug();
  const through = new URL(direct);
  through.port = String(cable.port);
  const dataDirectory = freshData();
  const options = { dataDirectory, postgres: through.toString(), appendTimeoutMs: 300 };
  const station = await startProcess(options);
  const traffic = new Traffic(station);
  await traffic.more(200);

  await cable.cut();
  await traffic.more(200);
  expect(spooledSegments(dataDirectory).length).toBeGreaterThan(0);
  await station.kill();
  traffic.target = null;
  expect(spooledSegments(dataDirectory).length).toBeGreaterThan(0);

  await cable.plug();
  const next = await startProcess(options);
  traffic.target = next;
  await traffic.more(200);
  await cable.cut();
  await traffic.more(100);
  await cable.plug();
  await traffic.more(500);
  await traffic.stop();
  await drained(dataDirectory);

  const log = await openAt(direct);
  const { ids } = await read(log);
  await log.close();
  await next.kill();
  await cable.cut();
  expect(traffic.refused).toEqual([]);
  expect(traffic.acknowledged.filter((id) => !ids.has(id))).toEqual([]);
});
