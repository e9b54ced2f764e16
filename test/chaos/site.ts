// Chaos: everything of a run, started and stopped: three brokers, PostgreSQL, Redis, two processes of each
// role, and a wire of its own between each process and each part.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { openInstallation, type Installation } from '../../cli/installation.js';
import type { EventLog } from '../../log/event-log.js';
import { readConfig } from '../../runtime/config.js';
import { silentLogger } from '../../runtime/logger.js';
import { startKafkaCluster, type KafkaCluster } from '../services/kafka-cluster.js';
import { startOwnPostgres, type OwnPostgres } from '../services/postgres.js';
import { startRedis, type OwnRedis } from '../services/redis.js';
import { cacheDirectory, freePort, until } from '../services/shared.js';
import { Wire } from './proxy.js';
import { partNames, slotNames, type PartName, type SlotName } from './schedule.js';
import { Slot, type Crash } from './slots.js';

/** Undoes what was done, newest first, whatever fails. */
type Undo = () => Promise<void> | void;

/** What a run breaks. */
export class Site {
  readonly crashes: Crash[] = [];
  readonly slots = new Map<SlotName, Slot>();
  readonly #wires = new Map<string, Wire[]>();
  readonly #disks = new Map<SlotName, string>();
  readonly #undo: Undo[] = [];
  #kafka: KafkaCluster | null = null;
  #postgres: OwnPostgres | null = null;
  #redis: OwnRedis | null = null;
  #installation: Installation | null = null;
  #log: EventLog | null = null;

  /** Logs of the processes, and the report until it is stored. */
  readonly directory = join(cacheDirectory, 'chaos-runs', randomBytes(4).toString('hex'));

  /** Starts everything; on failure what was started is ended by `close`. */
  async open(note: (text: string) => void): Promise<void> {
    mkdirSync(this.directory, { recursive: true });
    note('starting PostgreSQL, Redis and three brokers');
    const postgres = await startOwnPostgres();
    this.#postgres = postgres;
    this.#undo.push(() => postgres.close());
    const redis = await startRedis();
    this.#redis = redis;
    this.#undo.push(() => redis.kill().catch(() => undefined));
    this.#kafka = await startKafkaCluster({
      clients: slotNames,
      advertise: (client, port) => this.#wire(client, 'kafka', port),
    });
    const kafka = this.#kafka;
    this.#undo.push(() => kafka.close());
    const common = {
      TRUNKLINE_MASTER_KEY: randomBytes(32).toString('base64'),
      TRUNKLINE_TOPIC_PREFIX: 'chaos',
      TRUNKLINE_PARTITIONS: '4',
      TRUNKLINE_KAFKA_REPLICATION: '3',
      TRUNKLINE_KAFKA_MIN_ISR: '2',
      TRUNKLINE_SESSION_TIMEOUT: '6s',
    };
    await this.#openInstallation({
      ...common,
      ...{
        DATABASE_URL: postgres.url,
        KAFKA_BROKERS: kafka.direct.join(','),
        REDIS_URL: redis.url,
      },
    });
    note('starting two processes of each role');
    for (const name of slotNames) await this.#openSlot(name, common);
    await Promise.all([...this.slots.values()].map((slot) => this.ready(slot, 90_000)));
  }

  get kafka(): KafkaCluster {
    return required(this.#kafka);
  }
  get postgres(): OwnPostgres {
    return required(this.#postgres);
  }
  get redis(): OwnRedis {
    return required(this.#redis);
  }
  /** Straight to the parts, for the judge. */
  get installation(): Installation {
    return required(this.#installation);
  }
  get log(): EventLog {
    return required(this.#log);
  }

  slot(name: SlotName): Slot {
    return required(this.slots.get(name) ?? null);
  }

  wires(slot: SlotName, part: PartName): readonly Wire[] {
    return this.#wires.get(`${slot} ${part}`) ?? [];
  }

  allWires(): readonly Wire[] {
    return slotNames.flatMap((slot) => partNames.flatMap((part) => this.wires(slot, part)));
  }

  /** Fills the disk of an ingest node to the last byte; what it returns makes room again. */
  fillDisk(slot: SlotName): () => void {
    const disk = this.#disks.get(slot);
    if (disk === undefined) return () => undefined;
    const filler = join(disk, 'filler');
    try {
      writeFileSync(filler, Buffer.alloc(diskBytes));
    } catch {
      // Full is what is wanted.
    }
    return () => {
      rmSync(filler, { force: true });
    };
  }

  /** True when the ingest nodes have disks of their own that can be full. */
  get hasDisks(): boolean {
    return this.#disks.size > 0;
  }

  async ready(slot: Slot, withinMs: number): Promise<void> {
    await until(`${slot.name} to be ready`, () => slot.isReady(), withinMs).catch(
      async (thrown: unknown) => {
        const health = await slot.health();
        throw new Error(`${slot.name} is not ready: ${health}`, { cause: thrown });
      },
    );
  }

  async close(): Promise<void> {
    for (const slot of this.slots.values()) await slot.close();
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  async #openInstallation(env: Readonly<Record<string, string>>): Promise<void> {
    const read = readConfig({ ...env, TRUNKLINE_DATA: join(this.directory, 'judge') });
    if (!read.ok) throw new Error(JSON.stringify(read.faults));
    const installation = await openInstallation(read.config, silentLogger, 'chaos');
    this.#undo.push(() => installation.close());
    const log = await installation.openLog();
    this.#undo.push(() => log.close());
    this.#installation = installation;
    this.#log = log;
  }

  async #openSlot(name: SlotName, common: Readonly<Record<string, string>>): Promise<void> {
    const { postgres, redis, kafka } = this;
    const databaseUrl = new URL(postgres.url);
    databaseUrl.port = String(await this.#wire(name, 'postgres', postgres.port));
    const redisUrl = new URL(redis.url);
    redisUrl.port = String(await this.#wire(name, 'redis', Number(redisUrl.port)));
    const slot = new Slot({
      name,
      port: await freePort(),
      directory: this.directory,
      data: name.startsWith('ingest') ? this.#disk(name) : join(this.directory, `${name}-data`),
      env: {
        ...common,
        DATABASE_URL: databaseUrl.href,
        REDIS_URL: redisUrl.href,
        KAFKA_BROKERS: kafka.addressesOf(name).join(','),
      },
      onCrash: (crash) => void this.crashes.push(crash),
    });
    this.slots.set(name, slot);
    slot.start();
  }

  async #wire(slot: string, part: PartName, target: number): Promise<number> {
    const wire = await Wire.open(target);
    const key = `${slot} ${part}`;
    this.#wires.set(key, [...(this.#wires.get(key) ?? []), wire]);
    this.#undo.push(() => wire.close());
    return wire.port;
  }

  /** A small file system of its own, or a plain directory where mounting is not permitted. */
  #disk(name: SlotName): string {
    const path = join(this.directory, `${name}-data`);
    mkdirSync(path, { recursive: true });
    try {
      const options = `size=${diskBytes}`;
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
    } catch {
      return path;
    }
    this.#disks.set(name, path);
    this.#undo.push(() => void execFileSync('umount', ['-l', path]));
    return path;
  }
}

const diskBytes = 16 * 1024 * 1024;

function required<T>(value: T | null): T {
  if (value === null) throw new Error('the run is not open');
  return value;
}
