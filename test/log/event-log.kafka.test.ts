// The log's port on Kafka (test/services/), and what only this driver does.

import { randomBytes } from 'node:crypto';
import type { EventLog } from '../../log/event-log.js';
import { openKafkaLog } from '../../log/kafka.js';
import { silentLogger } from '../../runtime/logger.js';
import { testEventLog } from '../contracts/event-log.js';
import { kafkaBrokers } from '../services/services.js';

const sessionTimeoutMs = 6000;
const prefixes = new WeakMap<EventLog, string>();

async function openOn(prefix: string): Promise<EventLog> {
  const log = await openKafkaLog({
    brokers: await kafkaBrokers(),
    clientId: 'test',
    prefix,
    partitions: 4,
    replication: 1,
    minIsr: 1,
    sessionTimeoutMs,
    rawRetentionMs: 30 * 86_400_000,
    logger: silentLogger,
  });
  prefixes.set(log, prefix);
  return log;
}

const freshPrefix = (): string => `t${randomBytes(5).toString('hex')}`;

testEventLog({
  name: 'kafka (real broker)',
  openFresh: () => openOn(freshPrefix()),
  openAgain: (log) => openOn(prefixes.get(log) ?? ''),
  isDurable: true,
  handoverMs: 2 * sessionTimeoutMs,
});
