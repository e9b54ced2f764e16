// Ingest, third and fourth layer (design section 4): signature, then timestamp. A raw delivery and its
// endpoint come in; the only maker of a VerifiedDelivery, or a refusal without any value, goes out.

import { isWholeUrl, type Endpoint } from '../runtime/registry.js';
import type { RawDelivery, VerifiedDelivery } from '../schemas/stages.js';
import { providers } from './providers/registry.js';
import type { Refusal } from './schemes/scheme.js';

export type VerifyOutcome = { readonly ok: true; readonly delivery: VerifiedDelivery } | Refusal;

/**
 * Verifies a delivery by the endpoint's live credentials at `nowMs`. The signed URL is the public one:
 * the endpoint's configured URL and the request as received, never a Host header.
 */
export function verifyDelivery(raw: RawDelivery, endpoint: Endpoint, nowMs: number): VerifyOutcome {
  const { method, headers, body } = raw;
  const { tenant, provider, credentials } = endpoint;
  const url = publicUrl(endpoint.publicBaseUrl, raw.target);
  const verdict = providers[provider].verify({ method, url, headers, body }, credentials, nowMs);
  if (!verdict.ok) return verdict;
  return { ok: true, delivery: { tenant, provider, url, raw } as VerifiedDelivery };
}

/**
 * What the provider calls. A base without a path is put before the request target; one with a path is
 * the whole public URL of an endpoint behind a proxy that rewrites paths, and only the query is the
 * request's own.
 */
export function publicUrl(base: string, target: string): string {
  if (!isWholeUrl(base)) return base + target;
  const query = target.indexOf('?');
  return query === -1 ? base : base + target.slice(query);
}
