// Facts that no provider sent: an operator's act, a timer, what was found out by asking. Comes in: facts.
// Goes out: records of `deliveries` like any other, each acknowledged; everything that changes anything
// enters here (design 1).

import { hash } from 'node:crypto';
import { setTimeout as timer } from 'node:timers/promises';

import type { Clock } from '../runtime/clock.js';
import { toError, TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { ActFact, DeliveryContent, ProviderName, SourceFact } from '../schemas/facts.js';
import { ownProvider } from '../schemas/facts.js';
import {
  endpointId,
  eventId,
  factId,
  offset,
  type FactId,
  type Offset,
  type TenantId,
} from '../schemas/ids.js';
import type { Codec } from './event-codec.js';
import type { Appender, EventLog } from './event-log.js';
import { recordBytes, sealFact, type FactRecord } from './fact-record.js';
import { partitionOf } from './topics.js';

/** What stands where a delivery has its endpoint. No endpoint can have it: theirs are drawn at random. */
export const ownEndpoint = endpointId('ep_0000000trunkline');

/** Of the content below; what the facts mean has versions of its own. */
const ownMappingVersion = 1;

/** A fact of our own, about something of this tenant. */
export interface OwnFact {
  readonly tenant: TenantId;
  /** Whose references the fact uses: a call's own provider; `trunkline` where it names none. */
  readonly provider?: ProviderName;
  readonly fact: SourceFact;
  /** Absent: the record's own. */
  readonly correlationId?: string;
}

/** Where a fact stands. It is decided once the coverage of its partition has reached it. */
export interface FactPlace {
  readonly topic: SourceTopic;
  readonly partition: number;
  readonly offset: Offset;
}

/** Imports use the bulk lane, everything that somebody waits for the other one. */
type SourceTopic = 'deliveries' | 'deliveries.bulk';

export interface FactAppenderOptions {
  readonly log: EventLog;
  readonly codec: Pick<Codec, 'encodeFactAround'>;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  /** Default: `deliveries`. */
  readonly topic?: SourceTopic;
  /** How long one call of `append` may take, in ms. Default 5,000. */
  readonly timeoutMs?: number;
  /** Most facts that may wait for an ack; more are refused. Default 1,000. */
  readonly maxWaiting?: number;
}

/** Names the same fact the same way, however often it is appended: a repeat is then a duplicate. */
export function ownFactId(tenant: TenantId, ...name: readonly (string | number)[]): FactId {
  const text = ['own', tenant, ...name].join('\0');
  return factId(hash('sha256', text, 'base64url').slice(0, 22));
}

/** What an operator asks for. */
export type ActRequest = Pick<ActFact, 'act' | 'actor' | 'reason'> & { readonly about: string };

/** The fact of an act. Two requests with the same key are one act: the second is a duplicate. */
export function actFact(
  tenant: TenantId,
  { act, about, actor, reason }: ActRequest,
  requestKey: string,
): OwnFact {
  const fact: ActFact = {
    kind: 'act',
    factId: ownFactId(tenant, act, about, requestKey),
    eventType: `dead_letter.${act}`,
    occurredAt: null,
    order: { phase: 1, atUs: 0, seq: 0 },
    ...{ act, about: eventId(about), actor, reason },
  };
  return { tenant, fact };
}

const noDelivery = { method: 'OWN', url: '', headers: {}, body: Buffer.alloc(0) } as const;

/**
 * Appends facts in the order of the calls, one call after the other. After an unknown outcome the next
 * call has a new producer. Not for deliveries: those wait in the spool of ingest while the log is away.
 */
export class FactAppender {
  readonly #options: FactAppenderOptions;
  #appender: Promise<Appender> | null = null;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: FactAppenderOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the place of each fact once all are durable. Rejects with `overloaded` (nothing was
   * appended), `batch_too_large` and `key_missing` (nothing of this call), and with `append_unknown`: some
   * may be in the log, now or later. Then append the same facts again: their ids tell the copies.
   */
  append(facts: readonly OwnFact[]): Promise<readonly FactPlace[]> {
    const { maxWaiting = 1_000 } = this.#options;
    if (this.#waiting > 0 && this.#waiting + facts.length > maxWaiting) {
      const detail = `${this.#waiting} facts of our own wait for the log`;
      return Promise.reject(new TrunklineError('overloaded', detail));
    }
    this.#waiting += facts.length;
    const appended = this.#tail
      .then(() => this.#append(facts))
      .finally(() => {
        this.#waiting -= facts.length;
      });
    this.#tail = appended.catch(() => undefined);
    return appended;
  }

  /** After what is under way. */
  async close(): Promise<void> {
    await this.#tail;
    await this.#drop();
  }

  async #append(facts: readonly OwnFact[]): Promise<readonly FactPlace[]> {
    const records = await Promise.all(facts.map((fact) => this.#record(fact)));
    const { log, timeoutMs = 5_000, topic = 'deliveries' } = this.#options;
    const { signal, abort } = deadline(timeoutMs);
    try {
      const places = new Map<FactRecord, FactPlace>();
      for (const { partition, batch } of batchesOf(records, log)) {
        const appender = await signal(this.#open());
        const { baseOffset } = await signal(appender.append(topic, partition, batch));
        for (const [i, record] of batch.entries()) {
          places.set(record, { topic, partition, offset: offset(baseOffset + i) });
        }
      }
      return records.flatMap((record) => places.get(record) ?? []);
    } catch (thrown) {
      await this.#drop();
      throw unknownOutcome(toError(thrown));
    } finally {
      abort();
    }
  }

  async #record({ tenant, provider, fact, correlationId = '' }: OwnFact): Promise<FactRecord> {
    const { keyRing, codec, clock, log } = this.#options;
    const head = {
      ...{ tenant, endpoint: ownEndpoint, provider: provider ?? ownProvider },
      ...{ receivedAt: clock(), correlationId, traceId: null, mappingVersion: ownMappingVersion },
    };
    const content: DeliveryContent = { facts: [fact], raw: noDelivery };
    const record = await sealFact({ keyRing, codec, maxBytes: log.maxBatchBytes }, head, content);
    if (record !== null) return record;
    const detail = `a fact of our own is larger than the ${log.maxBatchBytes} bytes of a batch`;
    throw new TrunklineError('batch_too_large', detail);
  }

  #open(): Promise<Appender> {
    this.#appender ??= this.#options.log.openAppender();
    return this.#appender;
  }

  /** Nobody waits for the end of an appender that hangs. */
  #drop(): Promise<void> {
    const opened = this.#appender;
    this.#appender = null;
    opened?.then((appender) => appender.close()).catch(() => undefined);
    return Promise.resolve();
  }
}

/** Waits for one thing after the other, all of them together no longer than `ms`. */
function deadline(ms: number): {
  signal: <T>(waited: Promise<T>) => Promise<T>;
  abort: () => void;
} {
  const controller = new AbortController();
  const late = timer(ms, undefined, { signal: controller.signal, ref: false }).then(() => {
    throw new Error(`no acknowledgement within ${ms} ms`);
  });
  late.catch(() => undefined);
  return {
    signal: (waited) => {
      waited.catch(() => undefined);
      return Promise.race([waited, late]);
    },
    abort: () => {
      controller.abort();
    },
  };
}

interface PartitionBatch {
  readonly partition: number;
  readonly batch: readonly FactRecord[];
}

/** In the order of the facts per partition, cut where a batch is full. */
function batchesOf(
  records: readonly FactRecord[],
  { partitions, maxBatchBytes }: EventLog,
): readonly PartitionBatch[] {
  const done: PartitionBatch[] = [];
  const open = new Map<number, { batch: FactRecord[]; bytes: number }>();
  for (const record of records) {
    const partition = partitionOf(record.key as TenantId, partitions);
    const bytes = recordBytes(record);
    const current = open.get(partition);
    if (current !== undefined && current.bytes + bytes <= maxBatchBytes) {
      current.batch.push(record);
      current.bytes += bytes;
      continue;
    }
    const batch = [record];
    open.set(partition, { batch, bytes });
    done.push({ partition, batch });
  }
  return done;
}

const unknownOutcome = (cause: Error): TrunklineError =>
  new TrunklineError(
    'append_unknown',
    `it is not known whether the log holds the facts: ${cause.message}; append them again`,
    { cause },
  );
