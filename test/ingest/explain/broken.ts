// Deliveries that were right when they left their provider, and what happened to them on the way.

import { signAnew } from '../../../cli/simulator/stored-delivery.js';
import { explain, type Explanation, type RefusedRequest } from '../../../ingest/explain/explain.js';
import { providerNames, providerOf } from '../../../ingest/providers/registry.js';
import type { SignedRequest } from '../../../ingest/schemes/scheme.js';
import { accountOf, storedDeliveries, type StoredDelivery } from '../stored-deliveries.js';

export const nowMs = 1_790_848_900_000;
export const ownUrl = 'https://hooks.example.com/v1/webhooks/ep_0000000000000001';

/** One delivery of a provider, signed with credentials of its own. */
export interface Sent {
  readonly provider: string;
  readonly credential: Readonly<Record<string, string>>;
  readonly request: SignedRequest;
}

/** Stored deliveries that say most: one form or JSON body of each provider, two where it sends both. */
export const examples: readonly StoredDelivery[] = providerNames.flatMap((name) => {
  const posts = storedDeliveries.filter(
    ({ provider, method, rawBody }) =>
      provider === name && method === 'POST' && rawBody.length > 20,
  );
  const isJson = ({ rawBody }: StoredDelivery): boolean => /^\s*[[{]/.test(rawBody);
  return [posts.find(isJson), posts.find((one) => !isJson(one))].filter((one) => one !== undefined);
});

/** Signs a stored delivery as its provider does, at `url`. */
export function sent(delivery: StoredDelivery, url = ownUrl, atMs = nowMs): Sent {
  const { sender, endpoint } = accountOf(delivery.provider);
  const signed = signAnew(withoutQuery(delivery), url, { ...endpoint, ...sender }, atMs);
  const headers = new Map(Object.entries(signed.headers));
  const { method, body } = signed;
  return {
    provider: delivery.provider,
    credential: endpoint,
    request: { method, url: signed.url, headers, body },
  };
}

/** The stored query was part of the stored URL. */
const withoutQuery = (delivery: StoredDelivery): StoredDelivery => ({
  ...delivery,
  url: delivery.url.split('?')[0] ?? '',
});

export const refusedOf = (
  { provider, credential, request }: Sent,
  change: Partial<SignedRequest> = {},
  more: Partial<RefusedRequest> = {},
): RefusedRequest => ({
  ...{ provider, credentials: [credential], retired: [], others: [], target: null },
  ...{ request: { ...request, ...change }, nowMs, installationUrl: null, ...more },
});

/** True where the provider's own verifier still takes it. */
export function isAccepted({ provider, request, credentials, nowMs }: RefusedRequest): boolean {
  return providerOf(provider).verify(request, credentials, nowMs).ok;
}

/** Why it was refused; null where the change does not matter to this provider. */
export const whyOf = (refused: RefusedRequest): Explanation | null =>
  isAccepted(refused) ? null : explain(refused);
