// Ingest, third and fourth layer (design section 4): signature, then timestamp. A raw delivery and its
// endpoint come in; the only maker of a VerifiedDelivery, or a refusal without any value, goes out.

import { isWholeUrl, type Endpoint } from '../runtime/registry.js';
import type { RawDelivery, VerifiedDelivery } from '../schemas/stages.js';
import type { StoredCredential } from './providers/provider.js';
import { findProvider } from './providers/registry.js';
import { refuse, type Refusal } from './schemes/scheme.js';

export type VerifyOutcome = { readonly ok: true; readonly delivery: VerifiedDelivery } | Refusal;

/**
 * Verifies a delivery by the endpoint's live credentials at `nowMs`. The signed URL is the public one:
 * the endpoint's configured URL and the request as received, never a Host header.
 */
export function verifyDelivery(raw: RawDelivery, endpoint: Endpoint, nowMs: number): VerifyOutcome {
  const { method, headers, body } = raw;
  const { tenant, provider, credentials } = endpoint;
  const { values, isWhole } = preparedOf(endpoint);
  const url = urlOf(endpoint.publicBaseUrl, raw.target, isWhole);
  const judge = findProvider(provider);
  if (judge === null) return refuse('provider_unknown');
  const verdict = judge.verify({ method, url, headers, body }, values, nowMs);
  if (!verdict.ok) return verdict;
  const credential = credentials[verdict.credential] ?? { id: '', isRetiring: false };
  const signedAtMs = verdict.signedAtMs ?? null;
  const messageId = verdict.messageId ?? null;
  const delivery = {
    tenant,
    provider,
    url,
    raw,
    credential,
    signedAtMs,
    messageId,
  } as VerifiedDelivery;
  return { ok: true, delivery };
}

/** What stands where a verified delivery has the credential that verified it. */
const vouched = { id: 'vouched', isRetiring: false } as const;

/**
 * A delivery of an import that nobody signed, or whose signature nobody kept: the operator who imports it
 * vouches for it, and its facts say so (import-line.ts). Never for what comes over the network.
 */
export function vouchFor(raw: RawDelivery, endpoint: Endpoint): VerifiedDelivery {
  const { tenant, provider } = endpoint;
  const url = publicUrl(endpoint.publicBaseUrl, raw.target);
  const unsigned = { signedAtMs: null, messageId: null };
  return { tenant, provider, url, raw, credential: vouched, ...unsigned } as VerifiedDelivery;
}

/** What is read off an endpoint once. */
interface Prepared {
  readonly values: readonly StoredCredential[];
  /** Whether its base is the whole public URL. */
  readonly isWhole: boolean;
}

// Endpoints are replaced as a whole when the registry refreshes, and a provider's file reads each value
// once: the lists must stay the same objects.
const prepared = new WeakMap<Endpoint, Prepared>();

function preparedOf(endpoint: Endpoint): Prepared {
  const known = prepared.get(endpoint);
  if (known !== undefined) return known;
  const values = endpoint.credentials.map(({ value }) => value);
  const made = { values, isWhole: isWholeUrl(endpoint.publicBaseUrl) };
  prepared.set(endpoint, made);
  return made;
}

/**
 * What the provider calls. A base without a path is put before the request target; one with a path is
 * the whole public URL of an endpoint behind a proxy that rewrites paths, and only the query is the
 * request's own.
 */
export const publicUrl = (base: string, target: string): string =>
  urlOf(base, target, isWholeUrl(base));

function urlOf(base: string, target: string, isWhole: boolean): string {
  if (!isWhole) return base + target;
  const query = target.indexOf('?');
  return query === -1 ? base : base + target.slice(query);
}
