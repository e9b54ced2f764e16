// Station processors: making inputs ready. Comes in: records of the source topics. Goes out: each opened and
// with its facts sealed, or why it is parked. What passes by itself (a service away) is tried again and
// parks nothing.

import type { Codec } from '../log/event-codec.js';
import type { SourceRecord } from '../log/owner.js';
import { TrunklineError } from '../runtime/errors.js';
import type { KeyRing } from '../runtime/keys.js';
import type { SourceFact } from '../schemas/facts.js';
import { openInputs, requireTenantKey, type OpenedDelivery, type UnreadableInput } from './open.js';
import { faultOfThrown, isTransient } from './parking/fault.js';
import { sealFacts, type SealedFact } from './seal.js';

/** An input with its facts sealed. */
export interface ReadyDelivery extends OpenedDelivery {
  readonly sealed: readonly SealedFact[];
}

/** An input to park; its facts, where they could be read, say what it is about. */
export interface UnusableInput extends UnreadableInput {
  readonly facts: readonly SourceFact[];
}

export type Ready = ReadyDelivery | UnusableInput;

export interface PrepareParts {
  readonly codec: Codec;
  readonly keyRing: KeyRing;
}

/**
 * Opens and seals a batch in one go; a fault that one of them shows is found by sealing each on its own.
 * Rejects when the key store or the schema registry is away: the ownership ends and begins again.
 */
export async function prepareInputs(
  { codec, keyRing }: PrepareParts,
  inputs: readonly SourceRecord[],
): Promise<readonly Ready[]> {
  const opened = await openInputs(codec, keyRing, inputs);
  const readable = opened.filter((one) => one.ok);
  const sealed = await sealAll(keyRing, readable);
  let next = 0;
  return opened.map((one): Ready => {
    if (!one.ok) return { ...one, facts: [] };
    const own = sealed[next];
    next += 1;
    if (own === undefined) throw new TrunklineError('internal', 'a delivery was not sealed');
    return own;
  });
}

const clearOf = ({ record, facts }: OpenedDelivery) => {
  const { tenant, provider, receivedAt } = record;
  return { tenant, provider, receivedAt, facts };
};

async function sealAll(
  keyRing: KeyRing,
  deliveries: readonly OpenedDelivery[],
): Promise<readonly Ready[]> {
  try {
    const sealed = await sealFacts(keyRing, deliveries.map(clearOf));
    return deliveries.map((one, i) => ({ ...one, sealed: sealed[i] ?? [] }));
  } catch (thrown) {
    if (isTransient(thrown)) throw thrown;
    return Promise.all(deliveries.map((one) => sealOne(keyRing, one)));
  }
}

async function sealOne(keyRing: KeyRing, delivery: OpenedDelivery): Promise<Ready> {
  try {
    const [sealed = []] = await sealFacts(keyRing, [clearOf(delivery)]);
    return { ...delivery, sealed };
  } catch (thrown) {
    if (isTransient(thrown)) throw thrown;
    const { input, record, facts } = delivery;
    await requireTenantKey(keyRing, record);
    return { ok: false, input, record, facts, ...faultOfThrown(thrown, 'seal_failed') };
  }
}
