// Station processors: opening. Comes in: records of `deliveries`. Goes out: what each delivery says, its
// content opened from the day key; or why it cannot be processed.

import type { Codec } from '../log/event-codec.js';
import type { SourceRecord } from '../log/owner.js';
import { ownEndpoint } from '../log/own-facts.js';
import { TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import { decodeContent } from '../schemas/delivery-content.js';
import type { RecordedFact, SourceFact } from '../schemas/facts.js';
import { deliveryPlace } from '../schemas/sealed.js';
import { factsOf } from './fact-shape.js';
import { faultOfThrown, isTransient, type Fault } from './parking/fault.js';

/** A delivery whose content is readable. */
export interface OpenedDelivery {
  readonly ok: true;
  readonly input: SourceRecord;
  readonly record: RecordedFact;
  readonly facts: readonly SourceFact[];
}

/** An input that is parked. */
export interface UnreadableInput extends Fault {
  readonly ok: false;
  readonly input: SourceRecord;
  /** The header of the record, where at least that could be read. */
  readonly record: RecordedFact | null;
}

export type Opened = OpenedDelivery | UnreadableInput;

/**
 * Opens each input on its own: one that is damaged, or whose day key was destroyed, does not touch the
 * others. Rejects when the key store is away, and when a tenant's own key does not open: that is a
 * fault of the installation, not of a fact, and must not park a tenant's whole traffic. An error that
 * nobody foresaw parks its input too, once the tenant's key has shown that the key store is there: a
 * record that always throws would otherwise end every ownership of its partition.
 */
export async function openInputs(
  codec: Codec,
  keyRing: KeyRing,
  inputs: readonly SourceRecord[],
): Promise<readonly Opened[]> {
  await learnSchemas(codec, inputs);
  return Promise.all(inputs.map((input) => openInput(codec, keyRing, input)));
}

/** A schema that nobody knows is found out per input, so that only those inputs are parked. */
async function learnSchemas(codec: Codec, inputs: readonly SourceRecord[]): Promise<void> {
  try {
    await codec.learn(inputs.map(({ value }) => value));
  } catch (thrown) {
    if (isTransient(thrown) || !(thrown instanceof TrunklineError)) throw thrown;
  }
}

async function openInput(codec: Codec, keyRing: KeyRing, input: SourceRecord): Promise<Opened> {
  let record: RecordedFact | null = null;
  try {
    if (input.value === null)
      throw new TrunklineError('value_unreadable', 'a record without value');
    record = codec.decodeFact(input.value);
    if (record.tenant !== input.key) {
      // Nothing of another tenant's header goes into this one's events.
      record = null;
      throw new TrunklineError('value_unreadable', 'the key names another tenant than the value');
    }
    const facts = await openContent(keyRing, record);
    requireOwnActs(record, facts);
    return { ok: true, input, record, facts };
  } catch (thrown) {
    if (isTransient(thrown)) throw thrown;
    if (record !== null) await requireTenantKey(keyRing, record);
    return { ok: false, input, record, ...faultOfThrown(thrown, 'open_failed') };
  }
}

/** An act comes alone and from us: no mapping of a provider's delivery may become one. */
function requireOwnActs({ endpoint }: RecordedFact, facts: readonly SourceFact[]): void {
  if (!facts.some(({ kind }) => kind === 'act')) return;
  if (endpoint === ownEndpoint && facts.length === 1) return;
  throw new TrunklineError('value_unreadable', 'an act among the facts of a delivery');
}

async function openContent(
  keyRing: KeyRing,
  { tenant, dayKey, deliveryId, sealed }: RecordedFact,
): Promise<readonly SourceFact[]> {
  const place = deliveryPlace(tenant, deliveryId);
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const content = await keyRing.openDay(tenant, dayKey, place, bytes);
  return factsIn(content);
}

/** The seal proves that ingest wrote it; an ingest of another version is what the check is for. */
function factsIn(content: Buffer): readonly SourceFact[] {
  const decoded = decodeContent(content);
  const facts = decoded === null ? null : factsOf(decoded);
  if (facts === null) {
    throw new TrunklineError('schema_unknown', 'the content holds no facts of a known shape');
  }
  return facts;
}

/** Rejects when the tenant's key itself is out of reach. */
export async function requireTenantKey(
  keyRing: KeyRing,
  { tenant }: Pick<RecordedFact, 'tenant'>,
): Promise<void> {
  await keyRing.subjectId(tenant, 'probe');
}
