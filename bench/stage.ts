// Bench: the stage of benches 1 to 3. Comes in: a setting. Goes out: one installation on Kafka with a Twilio
// endpoint, the bench's own eyes on its log and tables, and the load that its ingest takes.

import { setTimeout as pause } from 'node:timers/promises';

import { openKafkaLog } from '../log/kafka.js';
import type { EventLog } from '../log/event-log.js';
import { partitionOf } from '../log/topics.js';
import { createLogger } from '../runtime/logger.js';
import { openDatabase, type Database } from '../runtime/postgres.js';
import { tenantId } from '../schemas/ids.js';
import { closedLoop } from './http-load.js';
import { cpuSeconds } from './measure.js';
import type { Setting } from './setting.js';
import { openDoor, tenant, type Door, type Site } from './site.js';
import { twilioTraffic } from './traffic.js';

/** Events per second, and CPU microseconds per event. */
export interface Cost {
  readonly rate: number;
  readonly cpuUs: number;
}

export const costText = ({ rate, cpuUs }: Cost): string =>
  `${Math.round(rate)}/s, ${cpuUs.toFixed(1)} µs`;

export interface Stage {
  readonly setting: Setting;
  readonly site: Site;
  readonly door: Door;
  readonly log: EventLog;
  readonly database: Database;
  readonly partition: number;
  readonly broker: string;
}

/** Whatever takes the door's deliveries: a process, and its port on 127.0.0.1. */
export interface Server {
  readonly pid: number;
  readonly port: number;
}

const connections = 64;

/** Sets the stage up; the setting takes it down. */
export async function openStage(setting: Setting): Promise<Stage> {
  const broker = await setting.broker();
  const site = await setting.kafkaSite();
  const door = await openDoor(site);
  const log = await openKafkaLog({
    ...{ brokers: [broker], clientId: 'bench', prefix: site.prefix, partitions: 8 },
    ...{ replication: 1, minIsr: 1, sessionTimeoutMs: 10_000, rawRetentionMs: 30 * 86_400_000 },
    logger: createLogger({ level: 'error' }),
  });
  const database = openDatabase({
    url: site.databaseUrl ?? '',
    max: 1,
    applicationName: 'bench',
  });
  setting.onEnd(async () => {
    await log.close();
    await database.end();
  });
  const partition = partitionOf(tenantId(tenant), log.partitions);
  return { setting, site, door, log, database, partition, broker };
}

/** How often a round is taken again, and how long the edge needs to lift its limits. */
const attempts = 5;
const calmMs = 2_000;

/**
 * As fast as the connections go: each sends the next delivery once it has its answer. A round in which
 * the edge refused (a machine too busy for its own traffic) would measure refusals, and is taken again.
 */
export async function take(stage: Stage, server: Server, count: number): Promise<Cost> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const requests = twilioTraffic(stage.door.target, count).map(({ bytes }) => bytes);
    const before = cpuSeconds(server.pid);
    const { seconds, notAccepted } = await closedLoop(server.port, requests, connections);
    const cpuUs = ((cpuSeconds(server.pid) - before) * 1e6) / count;
    if (notAccepted === 0) return { rate: count / seconds, cpuUs };
    stage.setting.note(`${notAccepted} of ${count} deliveries were refused; again`);
    await pause(calmMs);
  }
  throw new Error(`deliveries were refused in ${attempts} rounds: the machine is too busy`);
}
