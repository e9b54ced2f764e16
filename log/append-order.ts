// What every appender has in common (design 3.2, rules 4 and 7): batches of a partition one after the
// other, a deadline, and an end after anything but an ack. Comes in: a driver's `send`.

import { TrunklineError, toError } from '../runtime/errors.js';
import type { AppendAck, Appender, LogRecord, Topic } from './event-log.js';

/** Records of one batch together stay below this; the topics take 4 MiB, framing included. */
export const maxBatchBytes = 3_750_000;

export interface Sender {
  /** Sends one batch; resolves with the ack. Never called twice at a time for one partition. */
  send(topic: Topic, partition: number, records: readonly LogRecord[]): Promise<AppendAck>;
  close(): Promise<void>;
}

/**
 * Orders, bounds and ends. Batches of different partitions may be under way together. After the first
 * batch without an ack every later one is refused unsent, still as `append_unknown`.
 */
export function orderedAppender(timeoutMs: number, sender: Sender): Appender {
  const tails = new Map<string, Promise<unknown>>();
  let ended: string | null = null;

  const attempt = async (
    topic: Topic,
    partition: number,
    records: readonly LogRecord[],
  ): Promise<AppendAck> => {
    if (ended !== null) throw unknown(topic, partition, ended);
    try {
      return await withDeadline(sender.send(topic, partition, records), timeoutMs);
    } catch (thrown) {
      const cause = toError(thrown);
      ended ??= 'an earlier batch of this appender has no ack';
      throw unknown(topic, partition, cause.message, cause);
    }
  };

  return {
    append(topic, partition, records) {
      const fault = batchFault(records);
      if (fault !== null) return Promise.reject(fault);
      const key = `${topic}/${partition}`;
      const tail = tails.get(key);
      const sent =
        tail === undefined
          ? attempt(topic, partition, records)
          : tail.then(() => attempt(topic, partition, records));
      const settled = sent.catch(() => undefined);
      tails.set(key, settled);
      void settled.then(() => {
        if (tails.get(key) === settled) tails.delete(key);
      });
      return sent;
    },
    close() {
      ended ??= 'the appender is closed';
      return sender.close();
    },
  };
}

function batchFault(records: readonly LogRecord[]): Error | null {
  if (records.length === 0) return new Error('a batch has at least one record');
  const bytes = bytesOf(records);
  if (bytes <= maxBatchBytes) return null;
  return new TrunklineError('batch_too_large', `${bytes} bytes, the most is ${maxBatchBytes}`);
}

/** What a batch counts against `maxBatchBytes`. */
function bytesOf(records: readonly LogRecord[]): number {
  let bytes = 0;
  for (const { key, header, value } of records) {
    bytes += key.length + header.length + (value?.length ?? 0);
  }
  return bytes;
}

const unknown = (topic: Topic, partition: number, detail: string, cause?: Error): TrunklineError =>
  new TrunklineError(
    'append_unknown',
    `${topic}/${partition}: ${detail}`,
    cause === undefined ? {} : { cause },
  );

async function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no ack within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
