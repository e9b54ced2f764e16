// The Kafka log, low level: the one place that reaches below kafkajs's public API (pinned at 2.2.4; why:
// docs/decisions/0003-kafka-client.md). Comes in: positions by leader. Goes out: records as the broker
// has them, with every error left to the caller.

import { createRequire } from 'node:module';
import { CompressionTypes, type KafkaConfig, type Logger } from 'kafkajs';
import { toError } from '../runtime/errors.js';
import { encodeProduce, type ProduceBody, type ProduceRecord } from './kafka-encode.js';

/** What kafkajs decodes of one record. */
export interface WireRecord {
  readonly offset: string;
  /** LogAppendTime on our topics, in ms. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | Buffer[] | undefined>>;
  readonly isControlRecord: boolean;
}

export interface WirePosition {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
}

export interface WirePartition {
  readonly topic: string;
  readonly partition: number;
  /** End of what is replicated, so of what is durable. */
  readonly highWatermark: string;
  readonly records: readonly WireRecord[];
}

interface Partitioned<T> {
  readonly topic: string;
  readonly partitions: readonly T[];
}

interface RawBroker {
  fetch(request: {
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly isolationLevel: number;
    readonly topics: readonly Partitioned<{
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }>[];
  }): Promise<{
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly highWatermark: string;
        readonly messages: readonly WireRecord[];
      }[];
    }[];
  }>;
}

interface RawCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  removeBroker(address: { readonly host: string; readonly port: number }): void;
  findBroker(wanted: { readonly nodeId: number }): Promise<RawBroker>;
  findTopicPartitionMetadata(
    topic: string,
  ): readonly { readonly partitionId: number; readonly leader: number | null }[];
  fetchTopicsOffset(
    topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number }[];
      readonly fromBeginning: boolean;
    }[],
  ): Promise<readonly Partitioned<{ readonly partition: number; readonly offset: string }>[]>;
}

interface RawRequestQueue {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly throttledUntil: number;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
}

// kafkajs is CommonJS without an `exports` map and without types for these modules: this is the boundary.
const load = createRequire(import.meta.url);
const Cluster = load('kafkajs/src/cluster') as new (options: object) => RawCluster;
const socketFactory = load('kafkajs/src/network/socketFactory') as () => unknown;
const RequestQueue = load('kafkajs/src/network/requestQueue') as {
  readonly prototype: { scheduleCheckPendingRequests: (this: RawRequestQueue) => void };
};

interface RawRequest {
  readonly request: { readonly apiVersion: number; readonly encode: () => Promise<unknown> };
}

interface ProduceArguments extends ProduceBody {
  readonly compression?: CompressionTypes;
  readonly transactionalId?: string | null;
}

interface RawMessage extends ProduceRecord {
  readonly timestamp?: string;
}

type MakeProduce = (args: ProduceArguments) => RawRequest;

const produce = load('kafkajs/src/protocol/requests/produce') as {
  protocol: (options: { readonly version: number }) => MakeProduce;
};
const protocolOfKafkajs = produce.protocol;

/** Versions whose body and batch are those of log/kafka-encode. */
const isEncodedHere = (version: number): boolean => version >= 3 && version <= 7;

/**
 * Batches as log/kafka-append makes them are encoded by log/kafka-encode: kafkajs 2.2.4 takes 12 µs a
 * record for what needs 2. Anything else (a time, repeated headers, a compression) is left to kafkajs.
 */
produce.protocol = ({ version }) => {
  const make = protocolOfKafkajs({ version });
  if (!isEncodedHere(version)) return make;
  return (args) => {
    const made = make(args);
    if (!isPlain(args)) return made;
    const encode = (): Promise<unknown> => {
      const buffer = encodeProduce(args, Date.now());
      // What kafkajs's encoder reads of another one.
      return Promise.resolve({ buf: buffer, buffer });
    };
    return { ...made, request: { ...made.request, encode } };
  };
};

function isPlain({ compression, transactionalId, topicData }: ProduceArguments): boolean {
  if ((compression ?? CompressionTypes.None) !== CompressionTypes.None) return false;
  if (transactionalId !== undefined && transactionalId !== null) return false;
  return topicData.every(({ partitions }) =>
    partitions.every(({ messages }) => messages.every(isPlainMessage)),
  );
}

function isPlainMessage({ key, value, headers, timestamp }: Partial<RawMessage>): boolean {
  const isKeyed = typeof key === 'string' && (value === null || Buffer.isBuffer(value));
  if (!isKeyed || headers === undefined || timestamp !== undefined) return false;
  for (const name in headers) if (typeof headers[name] !== 'string') return false;
  return true;
}

const pendingCheckMs = 10;

/**
 * kafkajs 2.2.4 sets this timer after every response, with a negative time and again each time it
 * fires: a thousand wake-ups a second on each idle connection, and TimeoutNegativeWarning on Node 24.
 * Only a request that waits needs it.
 */
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RawRequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const waitMs = Math.max(this.throttledUntil - Date.now(), pendingCheckMs);
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, waitMs);
};

const metadataMaxAgeMs = 60_000;
const readUncommitted = 0;
const maxBytesPerAnswer = 32 << 20;

/** Errors after which another try, with fresh metadata, may succeed. */
const staleTypes = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
]);

const faultsOfCode = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);

/** What kind of failure it was: `range` names the position; `again` may be tried again. */
export type WireFault =
  | { readonly kind: 'range'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'again'; readonly error: Error };

/** What a fetcher needs of the cluster. */
export interface Wire {
  /** Connects where needed and makes sure that leaders are known. */
  prepare(): Promise<void>;
  /** Node id of the partition's leader, −1 while there is none; null for an unknown partition. */
  leaderOf(topic: string, partition: number): number | null;
  /** One fetch request to one leader; waits at most `maxWaitMs` for a first record. */
  fetch(
    nodeId: number,
    positions: readonly WirePosition[],
    limits: { readonly maxWaitMs: number; readonly maxBytesPerPartition: number },
  ): Promise<readonly WirePartition[]>;
  /** First kept and next offset, from the leader. */
  bounds(
    topic: string,
    partition: number,
  ): Promise<{ readonly first: number; readonly next: number }>;
  /** Judges a failure and forgets what it shows to be stale. Throws what no retry can cure. */
  recover(thrown: unknown): Promise<WireFault>;
  /** Ends the connections; a request under way is waited for (a long poll ends by itself). */
  close(): Promise<void>;
}

/** One reader's own connections to the cluster; not for concurrent use. */
export class KafkaWire implements Wire {
  readonly #cluster: RawCluster;
  readonly #topics: readonly string[];
  #ready = false;
  #closed = false;

  /** `topics` are the names of all topics that will be read. Nothing connects before the first use. */
  constructor(config: KafkaConfig, logger: Logger, topics: readonly string[]) {
    this.#topics = topics;
    this.#cluster = new Cluster({
      ...config,
      logger,
      socketFactory: socketFactory(),
      metadataMaxAge: metadataMaxAgeMs,
      allowAutoTopicCreation: false,
      isolationLevel: readUncommitted,
      // The caller tries again, with its own deadline.
      retry: { retries: 1, initialRetryTime: 50, maxRetryTime: 200 },
    });
  }

  prepare(): Promise<void> {
    return this.#connecting(async () => {
      if (!this.#ready) {
        await this.#cluster.connect();
        await this.#cluster.addMultipleTargetTopics(this.#topics);
        this.#ready = true;
      }
      await this.#cluster.refreshMetadataIfNecessary();
    });
  }

  /** What connects where needed: closed meanwhile, it must not leave a connection that nobody ends. */
  async #connecting<T>(work: () => Promise<T>): Promise<T> {
    const isClosed = (): boolean => this.#closed;
    if (isClosed()) throw new Error('the connections to Kafka are closed');
    try {
      return await work();
    } finally {
      if (isClosed()) await this.#cluster.disconnect().catch(() => undefined);
    }
  }

  leaderOf(topic: string, partition: number): number | null {
    const all = this.#cluster.findTopicPartitionMetadata(topic);
    const found = all.find((metadata) => metadata.partitionId === partition);
    return found === undefined ? null : (found.leader ?? -1);
  }

  async fetch(
    nodeId: number,
    positions: readonly WirePosition[],
    limits: { readonly maxWaitMs: number; readonly maxBytesPerPartition: number },
  ): Promise<readonly WirePartition[]> {
    const broker = await this.#connecting(() => this.#cluster.findBroker({ nodeId }));
    const { responses } = await broker.fetch({
      maxWaitTime: Math.max(0, Math.ceil(limits.maxWaitMs)),
      minBytes: 1,
      maxBytes: Math.min(maxBytesPerAnswer, limits.maxBytesPerPartition * positions.length),
      isolationLevel: readUncommitted,
      topics: positions.map(({ topic, partition, from }) => ({
        topic,
        partitions: [
          { partition, fetchOffset: String(from), maxBytes: limits.maxBytesPerPartition },
        ],
      })),
    });
    return responses.flatMap(({ topicName, partitions }) =>
      partitions.map(({ partition, highWatermark, messages }) => ({
        ...{ topic: topicName, partition, highWatermark, records: messages },
      })),
    );
  }

  async bounds(
    topic: string,
    partition: number,
  ): Promise<{ readonly first: number; readonly next: number }> {
    const read = async (fromBeginning: boolean): Promise<number> => {
      const wanted = [{ topic, partitions: [{ partition }], fromBeginning }];
      const [found] = await this.#connecting(() => this.#cluster.fetchTopicsOffset(wanted));
      const at = Number(found?.partitions[0]?.offset ?? -1);
      if (!(at >= 0)) throw new Error(`no offset of ${topic}/${partition} in the answer`);
      return at;
    };
    const first = await read(true);
    return { first, next: await read(false) };
  }

  async recover(thrown: unknown): Promise<WireFault> {
    const error = toError(thrown) as Error & Record<string, unknown>;
    const { topic, partition, host, port } = error;
    if (error.name === 'KafkaJSOffsetOutOfRange') {
      return { kind: 'range', topic: String(topic), partition: Number(partition) };
    }
    if (faultsOfCode.has(error.name)) throw error;
    const isProtocol = error.name === 'KafkaJSProtocolError';
    if (isProtocol && !staleTypes.has(String(error['type'])) && error['retriable'] !== true) {
      throw error;
    }
    if (typeof host === 'string' && typeof port === 'number') {
      this.#cluster.removeBroker({ host, port });
    }
    if (!this.#cluster.isConnected()) this.#ready = false;
    else {
      await this.#connecting(() => this.#cluster.refreshMetadata()).catch(
        () => (this.#ready = false),
      );
    }
    return { kind: 'again', error };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#cluster.disconnect();
  }
}
