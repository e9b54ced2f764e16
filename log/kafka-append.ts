// The Kafka log, appending: a new idempotent producer for each appender (design 3.2, rule 1). Comes in:
// batches. Goes out: acks of all in-sync replicas; everything else ends the appender.

import { CompressionTypes, Partitioners, type Kafka, type Message } from 'kafkajs';
import { TrunklineError, toError } from '../runtime/errors.js';
import { offset } from '../schemas/ids.js';
import { orderedAppender } from './append-order.js';
import type { Appender, LogRecord, Topic } from './event-log.js';
import { headerName } from './record-header.js';

/** Makes a producer with a new identity and connects it; `timeoutMs` is the deadline of one batch. */
export async function kafkaAppender(
  kafka: Kafka,
  nameOf: (topic: Topic) => string,
  timeoutMs: number,
): Promise<Appender> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    // Bounded: the client's own retries end with our deadline, and nobody uses the producer after it.
    retry: { retries: 8, initialRetryTime: 50, maxRetryTime: 1000 },
  });
  const disconnect = (): Promise<void> => producer.disconnect().catch(() => undefined);
  try {
    await producer.connect();
  } catch (thrown) {
    const cause = toError(thrown);
    void disconnect();
    throw new TrunklineError('service_unreachable', `no producer: ${cause.message}`, { cause });
  }
  const underWay = new Set<Promise<unknown>>();
  return orderedAppender(timeoutMs, {
    async send(topic, partition, records) {
      const sending = producer.send({
        topic: nameOf(topic),
        acks: -1,
        timeout: timeoutMs,
        compression: CompressionTypes.None,
        messages: messagesOf(records, partition),
      });
      const settled: Promise<unknown> = sending
        .catch(() => undefined)
        .then(() => underWay.delete(settled));
      underWay.add(settled);
      const [result] = await sending;
      const baseOffset = Number(result?.baseOffset ?? -1);
      if (result?.errorCode !== 0 || !(baseOffset >= 0)) {
        throw new Error(`answered with error ${result?.errorCode}, offset ${result?.baseOffset}`);
      }
      const appendedAt = Number(result.logAppendTime ?? -1);
      return { baseOffset: offset(baseOffset), ...(appendedAt > 0 ? { appendedAt } : {}) };
    },
    async close() {
      await disconnect();
      // The client's own retries of a batch that nobody waits for any more connect again.
      if (underWay.size > 0) void Promise.all(underWay).then(disconnect);
    },
  });
}

/**
 * The records as kafkajs takes them. Equal headers are one object, which the encoder knows again.
 *
 * kafkajs groups messages by partition in a `reduce` that copies the list once for each of them: a
 * batch of 500 costs 1.3 µs a record for what this list, all of one partition, can say at once.
 */
function messagesOf(records: readonly LogRecord[], partition: number): Message[] {
  let headers = { [headerName]: '' };
  const messages = records.map(({ key, header, value }) => {
    if (headers[headerName] !== header) headers = { [headerName]: header };
    return { key, value, partition, headers };
  });
  const grouped = { [partition]: messages };
  return Object.defineProperty(messages, 'reduce', { value: () => grouped });
}
