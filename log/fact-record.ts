// Making a record of a source topic: clear header, content sealed under the tenant's day key. Comes in:
// whose fact it is and its content. Goes out: the record, at once where the day key is at hand. Used by
// ingest for deliveries and by every station for facts of our own.

import { randomFillSync } from 'node:crypto';

import { sealedLength, type KeyRing } from '../runtime/keys.js';
import { encodeContent } from '../schemas/delivery-content.js';
import type { DeliveryContent, RecordedFact } from '../schemas/facts.js';
import { deliveryPlace } from '../schemas/sealed.js';
import type { Codec } from './event-codec.js';
import type { LogRecord } from './event-log.js';
import { formatHeader } from './record-header.js';

/** A record of a source topic: unlike a marker it always has a value, and the value is sealed. */
export interface FactRecord extends LogRecord {
  readonly value: Buffer;
}

/** What stands in the clear in a record; the rest of `RecordedFact` is made here. */
export interface FactHead extends Pick<
  RecordedFact,
  'tenant' | 'endpoint' | 'provider' | 'receivedAt' | 'correlationId' | 'mappingVersion'
> {
  /** Null: the record begins a trace of its own. */
  readonly traceId: string | null;
  /**
   * When it is sealed, in ms since 1970: its day's key is used. Default: when it was received. What is imported was
   * received on a day whose key may be destroyed already.
   */
  readonly sealedAt?: number;
}

export interface FactSealing {
  readonly keyRing: KeyRing;
  readonly codec: Pick<Codec, 'encodeFactAround'>;
  /** A record that takes more of a batch is not sealed. */
  readonly maxBytes: number;
}

/** A record's share of a batch beside its value. */
const overheadBytes = 128;

/** Bytes a record takes of a batch, generously. */
export const recordBytes = (record: FactRecord): number => record.value.length + overheadBytes;

const header = formatHeader({ kind: 'fact' });

/**
 * Encodes and seals; makes the stage RecordedFact. At once where the day key is at hand, else once it was
 * fetched: that rejects when the key is out of reach. Null when the record is larger than `maxBytes`.
 */
export function sealFact(
  { keyRing, codec, maxBytes }: FactSealing,
  given: FactHead,
  content: DeliveryContent,
): FactRecord | null | Promise<FactRecord> {
  const { tenant, endpoint, provider, receivedAt, correlationId, traceId, mappingVersion } = given;
  const deliveryId = randomId();
  const dayKey = utcDay(given.sealedAt ?? receivedAt);
  const plain = encodeContent(content, scratch);
  const head = {
    tenant,
    endpoint,
    provider,
    deliveryId,
    receivedAt,
    correlationId,
    traceId: traceId ?? deliveryId,
    schemaVersion: 1,
    mappingVersion,
    dayKey,
  } as const;
  const { value, box } = codec.encodeFactAround(head, sealedLength(plain.length));
  const record = { key: tenant, header, value };
  if (recordBytes(record) > maxBytes) return null;
  const place = deliveryPlace(tenant, deliveryId);
  if (keyRing.sealDayInto(box, { tenant, day: dayKey, place }, plain)) return record;
  // What is in the scratch is another fact's by the time the key comes.
  return keyRing.sealDay(tenant, dayKey, place, Buffer.from(plain)).then((sealed) => {
    box.set(sealed);
    return record;
  });
}

/** Where a content stands until it is sealed; larger ones get a buffer of their own. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

// Random bytes are fetched for many ids at once: a call for 16 costs as much as one for 4 KiB.
const idBytes = 16;
const idPool = Buffer.allocUnsafe(idBytes * 256);
let idAt = idPool.length;

/** 128 random bits in hex: also a valid trace id. */
function randomId(): string {
  if (idAt === idPool.length) {
    randomFillSync(idPool);
    idAt = 0;
  }
  idAt += idBytes;
  return idPool.toString('hex', idAt - idBytes, idAt);
}

const dayMs = 86_400_000;
let lastDay = { number: -1, text: '' };

/** The UTC day of a time in ms, as `YYYY-MM-DD`. */
export function utcDay(ms: number): string {
  const number = Math.floor(ms / dayMs);
  if (number !== lastDay.number) {
    lastDay = { number, text: new Date(ms).toISOString().slice(0, 10) };
  }
  return lastDay.text;
}
