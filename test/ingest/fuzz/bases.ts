// Fuzzing: deliveries to begin with. One of each stored delivery, signed anew by its provider's file with
// credentials that nobody else has, and what it means when nothing happens to it.

import { signAnew } from '../../../cli/simulator/stored-delivery.js';
import type { OutgoingDelivery, StoredCredential } from '../../../ingest/providers/provider.js';
import { mapDelivery, providerNames } from '../../../ingest/providers/registry.js';
import { verifyDelivery } from '../../../ingest/verify.js';
import type { Endpoint } from '../../../runtime/registry.js';
import { endpointId } from '../../../schemas/ids.js';
import type { RawDelivery } from '../../../schemas/stages.js';
import { accountOf, endpointOf, publicBase, storedDeliveries } from '../stored-deliveries.js';

/** The clock of every fuzzed delivery. */
export const nowMs = 1_790_848_800_000;

/** A delivery that is right, and its endpoint. */
export interface Base {
  readonly provider: string;
  readonly file: string;
  readonly endpoint: Endpoint;
  readonly sender: StoredCredential;
  readonly request: OutgoingDelivery;
  /** Its facts, as text: what nothing that is accepted may differ from. */
  readonly meaning: string;
}

/**
 * Deliveries of which nothing but the sender is proven (provider sheet): Bandwidth sends a password along, and
 * the token of a Vonage GET says nothing of its query.
 */
export const isUnbound = ({ provider, request }: Base): boolean =>
  provider === 'bandwidth' || (provider === 'vonage' && request.method === 'GET');

/** The id of a provider's endpoint. */
const idOf = (provider: string): string => {
  const number = String(providerNames.indexOf(provider)).padStart(4, '0');
  return `ep_fuzzfuzzfuzz${number}`;
};

/** A request as ingest receives it at the base's endpoint. */
export function rawOf(
  { endpoint }: Pick<Base, 'endpoint'>,
  request: OutgoingDelivery,
): RawDelivery {
  return {
    endpoint: endpoint.id,
    method: request.method,
    target: request.url.slice(publicBase.length),
    headers: new Map(Object.entries(request.headers)),
    body: request.body,
    clientAddress: '192.0.2.1',
    receivedAt: nowMs,
    correlationId: 'fuzz',
  };
}

/** What a request means where it is accepted; null where it is refused. */
export function meaningOf(base: Pick<Base, 'endpoint'>, request: OutgoingDelivery): string | null {
  const outcome = verifyDelivery(rawOf(base, request), base.endpoint, nowMs);
  return outcome.ok ? JSON.stringify(mapDelivery(outcome.delivery).facts) : null;
}

/** Every stored delivery of every registered provider. Throws when one of them is refused. */
export function makeBases(): readonly Base[] {
  const accounts = new Map(providerNames.map((name) => [name, accountOf(name)]));
  return storedDeliveries.flatMap((stored): Base[] => {
    const { provider, file } = stored;
    const account = accounts.get(provider);
    if (account === undefined) return [];
    const id = endpointId(idOf(provider));
    const endpoint = { ...endpointOf(provider, [{ ...account.endpoint }]), id };
    const url = `${publicBase}/v1/webhooks/${id}`;
    const request = signAnew(stored, url, account.sender, nowMs);
    const meaning = meaningOf({ endpoint }, request);
    if (meaning === null) throw new Error(`${file} is refused as it stands`);
    return [{ provider, file, endpoint, sender: account.sender, request, meaning }];
  });
}
