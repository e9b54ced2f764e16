// Ingest: record. Comes in: a verified delivery with the facts its provider's file read from it. Goes
// out: the record of `deliveries` for it: clear header, content sealed under the tenant's day key.

import { webcrypto } from 'node:crypto';

import type { Codec } from '../log/event-codec.js';
import type { EventLog } from '../log/event-log.js';
import { sealFact, utcDay, type FactRecord } from '../log/fact-record.js';
import { partitionOf } from '../log/topics.js';
import { toError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { Logger } from '../runtime/logger.js';
import type { KeptDelivery, ProviderName } from '../schemas/facts.js';
import type { MappedDelivery, RawDelivery, VerifiedDelivery } from '../schemas/stages.js';
import { providerOf } from './providers/registry.js';

export interface RecorderOptions {
  readonly keyRing: KeyRing;
  readonly codec: Codec;
  readonly log: Pick<EventLog, 'partitions' | 'maxBatchBytes'>;
  readonly logger: Logger;
  /** Whose day key seals what was received long ago, in ms since 1970. Default: that of its receipt. */
  readonly sealedAt?: () => number;
  /** A body was left out of its record; for the metrics. */
  readonly onBodyOmitted?: (provider: ProviderName) => void;
}

/** A record and where it belongs; or it is larger than the log takes, or its day key is out of reach. */
export type Recorded =
  | { readonly ok: true; readonly partition: number; readonly record: FactRecord }
  | { readonly ok: false; readonly reason: 'too_large' | 'no_key' };

/** Headers that are kept of every provider's deliveries; the provider's file may name more. */
const keptHeaders = ['content-type', 'user-agent'] as const;

/**
 * Seals and encodes; makes the stage RecordedFact. At once where the day key is at hand, which is for all
 * but the first delivery of a tenant's day. A body that no record can hold is left out: its facts,
 * digest and length are kept (docs/decisions/0006-agent-content.md).
 */
export function recordDelivery(
  options: RecorderOptions,
  delivery: VerifiedDelivery,
  mapped: MappedDelivery,
): Recorded | Promise<Recorded> {
  const content = { mapped, kept: keptDelivery(delivery) };
  // Facts repeat parts of the body, at worst all of it and escaped.
  const mayBeLarge = delivery.raw.body.length * 4 > options.log.maxBatchBytes;
  return mayBeLarge ? recordLarge(options, delivery, content) : record(options, delivery, content);
}

async function recordLarge(
  options: RecorderOptions,
  delivery: VerifiedDelivery,
  content: Content,
): Promise<Recorded> {
  if (content.kept.body.length < options.log.maxBatchBytes) {
    const whole = await record(options, delivery, content);
    if (whole.ok || whole.reason !== 'too_large') return whole;
  }
  const kept = await withoutBody(content.kept);
  const recorded = await record(options, delivery, { ...content, kept });
  if (recorded.ok) noteOmitted(options, delivery);
  return recorded;
}

interface Content {
  readonly mapped: MappedDelivery;
  readonly kept: KeptDelivery;
}

function record(
  { keyRing, codec, log, logger, sealedAt }: RecorderOptions,
  { tenant, provider, raw }: VerifiedDelivery,
  { mapped, kept }: Content,
): Recorded | Promise<Recorded> {
  const { endpoint, receivedAt, correlationId } = raw;
  const { facts, mappingVersion } = mapped;
  const traceId = traceIdOf(raw);
  const sealed = sealedAt === undefined ? {} : { sealedAt: sealedAt() };
  const sealing = sealFact(
    { keyRing, codec, maxBytes: log.maxBatchBytes },
    { tenant, endpoint, provider, receivedAt, correlationId, traceId, mappingVersion, ...sealed },
    { facts, raw: kept },
  );
  if (sealing === null) return { ok: false, reason: 'too_large' };
  const partition = partitionOf(tenant, log.partitions);
  if (!(sealing instanceof Promise)) return { ok: true, partition, record: sealing };
  return sealing.then(
    (sealed) => ({ ok: true, partition, record: sealed }),
    (thrown: unknown) => {
      const error = toError(thrown).message;
      const day = utcDay(receivedAt);
      logger.error({ code: 'day_key_missing', tenant, day, error }, 'a delivery not sealed');
      return { ok: false, reason: 'no_key' };
    },
  );
}

/** The digest is made on another thread: megabytes would hold up every other delivery. */
async function withoutBody(kept: KeptDelivery): Promise<KeptDelivery> {
  const { body } = kept;
  const digest = Buffer.from(await webcrypto.subtle.digest('SHA-256', body));
  const omitted = { sha256: digest.toString('hex'), bytes: body.length };
  return { ...kept, body: Buffer.alloc(0), omitted };
}

function noteOmitted({ logger, onBodyOmitted }: RecorderOptions, of: VerifiedDelivery): void {
  const { tenant, provider, raw } = of;
  onBodyOmitted?.(provider);
  const bytes = raw.body.length;
  const { correlationId } = raw;
  logger.info(
    { code: 'body_omitted', tenant, provider, bytes, correlationId },
    'a body larger than a record: its facts, digest and length are kept',
  );
}

function keptDelivery({ provider, url, raw }: VerifiedDelivery): KeptDelivery {
  const headers: Record<string, string> = {};
  const keep = (name: string): void => {
    const value = raw.headers.get(name);
    if (value !== undefined) headers[name] = value;
  };
  for (const name of keptHeaders) keep(name);
  for (const name of providerOf(provider).keptHeaders) keep(name);
  return { method: raw.method, url, headers, body: raw.body };
}

const traceParent = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace the sender has begun (W3C trace context), if any; else the delivery names a new one. */
function traceIdOf(raw: RawDelivery): string | null {
  const given = raw.headers.get('traceparent');
  return given === undefined ? null : (traceParent.exec(given)?.[1] ?? null);
}
