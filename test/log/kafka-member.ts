// A process of its own that joins the group of processors and says what it gets, one JSON line each.
// Started by kafka.test.ts, which kills it.

import { openKafkaLog } from '../../log/kafka.js';
import { silentLogger } from '../../runtime/logger.js';

const [brokers = '', prefix = '', sessionTimeoutMs = ''] = process.argv.slice(2);

const log = await openKafkaLog({
  brokers: brokers.split(','),
  clientId: 'member',
  prefix,
  partitions: 4,
  replication: 1,
  minIsr: 1,
  sessionTimeoutMs: Number(sessionTimeoutMs),
  rawRetentionMs: 86_400_000,
  logger: silentLogger,
});

const say = (what: string) => (partition: number) =>
  process.stdout.write(`${JSON.stringify({ what, partition })}\n`);

await log.joinProcessors(
  { assigned: say('assigned'), revoked: say('revoked') },
  new AbortController().signal,
);
