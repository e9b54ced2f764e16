// The station of ingest as a process of its own on a real log; tests kill it. Says its port as one
// JSON line. Argument: JSON of StationProcessOptions.

import { openEmbeddedLog } from '../../log/embedded.js';
import type { EventLog } from '../../log/event-log.js';
import { openKafkaLog } from '../../log/kafka.js';
import { silentLogger } from '../../runtime/logger.js';
import { startStation } from './station.js';

export interface StationProcessOptions {
  readonly dataDirectory: string;
  readonly brokers?: readonly string[];
  readonly prefix?: string;
  readonly postgres?: string;
  readonly appendTimeoutMs: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as StationProcessOptions;

const common = {
  partitions: 4,
  rawRetentionMs: 30 * 86_400_000,
  sessionTimeoutMs: 10_000,
  logger: silentLogger,
  appendTimeoutMs: 2000,
};

function openLog(): Promise<EventLog> {
  const { brokers, prefix = '', postgres = '' } = options;
  if (brokers === undefined) return openEmbeddedLog({ ...common, url: postgres });
  return openKafkaLog({
    ...common,
    brokers,
    prefix,
    clientId: 'ingest',
    replication: 1,
    minIsr: 1,
  });
}

const station = await startStation({
  log: await openLog(),
  dataDirectory: options.dataDirectory,
  settings: { appendTimeoutMs: options.appendTimeoutMs },
});
process.stdout.write(`${JSON.stringify({ port: station.port })}\n`);
process.once('SIGTERM', () => {
  void station.stop().then(() => process.exit(0));
});
