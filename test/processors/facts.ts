// Facts for the processors' tests: made by hand, or mapped from the stored provider deliveries.

import { mapDelivery } from '../../ingest/providers/registry.js';
import { verifyDelivery } from '../../ingest/verify.js';
import { sealFacts, type SealedFact } from '../../processors/seal.js';
import type { Whose } from '../../processors/decide-input.js';
import { createKeyRing, createMemoryKeyStore, type KeyRing } from '../../runtime/keys.js';
import type { StoredCallFact } from '../../schemas/call-state.js';
import type { CallSignal, CallStatus, ProviderFact } from '../../schemas/facts.js';
import { factId, tenantId } from '../../schemas/ids.js';
import type { RawDelivery } from '../../schemas/stages.js';
import { endpointOf, rawOf, stored, type StoredDelivery } from '../ingest/stored-deliveries.js';

export const acme = tenantId('acme');
export const twilio: Whose = { tenant: acme, provider: 'twilio' };
export const telnyx: Whose = { tenant: acme, provider: 'telnyx' };

export const testKeyRing = (): KeyRing =>
  createKeyRing(Buffer.alloc(32, 7), createMemoryKeyStore());

/** A status signal. */
export const says = (status: CallStatus): CallSignal => ({
  type: 'status',
  status,
  cause: status === 'failed' ? 'busy' : null,
  reason: null,
});
export const hangup: CallSignal = { type: 'hangup', cause: 'canceled' };
export const note = (name: string): CallSignal => ({ type: 'note', name });

/** A fact made by hand; `at` in seconds places it in the provider's order. */
export function fact(
  id: string,
  signal: CallSignal,
  more: Partial<StoredCallFact> & { readonly at?: number } = {},
): StoredCallFact {
  const { at = 0, ...rest } = more;
  const ends = signal.type === 'hangup' || (signal.type === 'status' && isEnd(signal.status));
  return {
    factId: factId(id),
    eventType: signal.type === 'note' ? signal.name : signal.type,
    occurredAt: at * 1000,
    receivedAt: at * 1000 + 300,
    order: { phase: ends ? 2 : 1, atUs: at * 1_000_000, seq: 0 },
    legRef: 'A',
    parentRef: null,
    sessionRef: null,
    direction: null,
    signal,
    durationSec: null,
    providerCode: null,
    details: {},
    from: null,
    to: null,
    personal: {},
    ...rest,
  };
}

const isEnd = (status: CallStatus): boolean => status === 'completed' || status === 'failed';

/** The facts of a stored delivery as its provider's file maps them. */
export function mapped(file: string, change: Partial<RawDelivery> = {}): readonly ProviderFact[] {
  const delivery: StoredDelivery = stored(file);
  const raw = rawOf(delivery, change);
  const outcome = verifyDelivery(raw, endpointOf(delivery.provider), delivery._signedAt * 1000);
  if (!outcome.ok) throw new Error(`${file}: ${outcome.code}`);
  return mapDelivery(outcome.delivery).facts;
}

export const whoseOf = (file: string): Whose => ({ tenant: acme, provider: stored(file).provider });

/** The sealed facts of stored deliveries, in the order of the files. */
export async function sealedSamples(
  files: readonly string[],
  keyRing: KeyRing = testKeyRing(),
): Promise<readonly SealedFact[]> {
  const sealed = await sealFacts(
    keyRing,
    files.map((file) => ({
      ...whoseOf(file),
      receivedAt: stored(file)._signedAt * 1000 + 250,
      facts: mapped(file),
    })),
  );
  return sealed.flat();
}
