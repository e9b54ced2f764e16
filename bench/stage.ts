// Bench: the stage of benches 1 to 3. Comes in: a setting. Goes out: one installation on Kafka with a Twilio
// endpoint, the bench's own eyes on its log and tables, and the load that its ingest takes.

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

/** As fast as the connections go: each sends the next delivery once it has its answer. */
export async function take({ door }: Stage, server: Server, count: number): Promise<Cost> {
  const requests = twilioTraffic(door.target, count).map(({ bytes }) => bytes);
  const before = cpuSeconds(server.pid);
  const { seconds, notAccepted } = await closedLoop(server.port, requests, connections);
  if (notAccepted > 0) throw new Error(`${notAccepted} deliveries were not accepted`);
  return {
    rate: count / seconds,
    cpuUs: ((cpuSeconds(server.pid) - before) * 1e6) / count,
  };
}
