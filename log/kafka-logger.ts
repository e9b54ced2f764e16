// The Kafka log, what the client says: kafkajs's lines in our logger, safe fields only, and not the same
// line a hundred times while a broker is away.

import { logLevel, type logCreator } from 'kafkajs';
import type { Logger } from '../runtime/logger.js';

/** The same line again within this time is counted, not logged. */
const quietMs = 10_000;
const maxKept = 200;
const safeFields = ['broker', 'clientId', 'groupId', 'retryCount', 'error', 'topic', 'partition'];

/** A kafkajs log creator that writes to `logger`. We judge and report errors ourselves: warn at most. */
export function kafkaLogCreator(logger: Logger): logCreator {
  const said = new Map<string, { at: number; unsaid: number }>();
  return () =>
    ({ level, namespace, log }) => {
      const key = `${namespace}:${log.message}`;
      const now = performance.now();
      const last = said.get(key);
      if (last !== undefined && now - last.at < quietMs) {
        last.unsaid += 1;
        return;
      }
      if (said.size >= maxKept) said.clear();
      said.set(key, { at: now, unsaid: 0 });
      const fields = {
        code: 'kafka_client',
        namespace,
        ...(last === undefined || last.unsaid === 0 ? {} : { repeated: last.unsaid }),
        ...Object.fromEntries(
          safeFields.filter((name) => name in log).map((name) => [name, String(log[name])]),
        ),
      };
      if (level === logLevel.ERROR) logger.warn(fields, log.message);
      else logger.debug(fields, log.message);
    };
}
