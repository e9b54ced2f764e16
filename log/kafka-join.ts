// The Kafka log, assignment: a kafkajs group consumer on `deliveries` alone, for its assignment only. All
// its partitions are paused, so it fetches nothing, commits nothing, and only keeps its heartbeat.

import type { Consumer, ConsumerConfig, Kafka } from 'kafkajs';
import { toError } from '../runtime/errors.js';
import type { Logger } from '../runtime/logger.js';
import type { AssignmentListener } from './event-log.js';
import { MemberWatch } from './member-watch.js';
import { pause } from './pause.js';

export interface GroupOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** Kafka name of `deliveries`. */
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly logger: Logger;
}

const rejoinMs = 500;
const lookEveryMs = 250;
/** While the brokers are away every attempt ends alike. */
const sayAgainMs = 10_000;
/** How often the paused consumer looks whether a heartbeat is due. */
const idleMs = 250;

/** Reports assignments until the signal aborts; joins again whenever the membership ends. */
export async function joinGroup(
  options: GroupOptions,
  listener: AssignmentListener,
  signal: AbortSignal,
): Promise<void> {
  const held = new Set<number>();
  const assign = (partitions: readonly number[]): void => {
    for (const partition of [...held]) {
      if (partitions.includes(partition)) continue;
      held.delete(partition);
      if (!signal.aborted) listener.revoked(partition);
    }
    for (const partition of partitions) {
      if (held.has(partition)) continue;
      held.add(partition);
      if (!signal.aborted) listener.assigned(partition);
    }
  };
  const isOver = (): boolean => signal.aborted;
  let saidAt = -Infinity;
  const joined = (partitions: readonly number[]): void => {
    assign(partitions);
    if (!signal.aborted) listener.joined?.();
  };
  while (!isOver()) {
    const reason = await oneMembership(options, joined, signal);
    if (isOver()) return;
    // Whoever has no membership must not fight for partitions that others now have (log/early-takes.ts).
    listener.lost?.();
    assign([]);
    if (performance.now() - saidAt > sayAgainMs) {
      saidAt = performance.now();
      options.logger.warn({ code: 'kafka_group_lost', reason }, 'lost the group; joining again');
    }
    await pause(rejoinMs, signal);
  }
}

/** Why the membership ended. */
async function oneMembership(
  options: GroupOptions,
  joined: (partitions: readonly number[]) => void,
  signal: AbortSignal,
): Promise<string> {
  const { kafka, topic, sessionTimeoutMs } = options;
  const consumer = kafka.consumer(consumerConfig(options));
  const { HEARTBEAT, GROUP_JOIN, CRASH } = consumer.events;
  const watch = new MemberWatch(sessionTimeoutMs);
  let stopWatch: (() => void) | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      consumer.on(HEARTBEAT, () => watch.sign());
      consumer.on(CRASH, ({ payload }) => resolve(payload.error.message));
      consumer.on(GROUP_JOIN, ({ payload }) => {
        watch.sign();
        const partitions = payload.memberAssignment[topic] ?? [];
        // In the listener itself: the first fetch comes after it.
        if (partitions.length > 0) consumer.pause([{ topic, partitions: [...partitions] }]);
        joined(partitions);
      });
      const looking = setInterval(() => {
        const reason = watch.look();
        if (reason !== null) resolve(reason);
      }, lookEveryMs);
      const abort = (): void => resolve('stopped');
      signal.addEventListener('abort', abort, { once: true });
      stopWatch = () => {
        clearInterval(looking);
        signal.removeEventListener('abort', abort);
      };
      if (signal.aborted) abort();
      start(consumer, topic).catch(reject);
    });
  } catch (thrown) {
    return toError(thrown).message;
  } finally {
    stopWatch?.();
    // Leaves the group, so that the others need not wait for the session to time out.
    await withinMs(consumer.disconnect(), 2000);
  }
}

function consumerConfig({ groupId, sessionTimeoutMs }: GroupOptions): ConsumerConfig {
  return {
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.min(3000, Math.floor(sessionTimeoutMs / 4)),
    maxWaitTimeInMs: idleMs,
    allowAutoTopicCreation: false,
    retry: { retries: 3, initialRetryTime: 100, restartOnFailure: () => Promise.resolve(false) },
  };
}

async function start(consumer: Consumer, topic: string): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topics: [topic] });
  await consumer.run({ autoCommit: false, eachBatch: () => Promise.resolve() });
}

async function withinMs(work: Promise<void>, ms: number): Promise<void> {
  const limit = new AbortController();
  await Promise.race([work.catch(() => undefined), pause(ms, limit.signal)]);
  limit.abort();
}
