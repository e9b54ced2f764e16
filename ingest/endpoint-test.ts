// Ingest: deliveries that an operator sends to an endpoint to try it (decision 0010). Comes in: a mark in the
// signed body. Goes out: the body that carries it, and the fact that the endpoint was tested: a record of the
// tenant's own, never a call or a message.

import type { ProviderFact } from '../schemas/facts.js';
import type { VerifiedDelivery } from '../schemas/stages.js';
import { identify, sourceOf } from './providers/fact-base.js';
import type { OutgoingDelivery, Provider, StoredCredential } from './providers/provider.js';
import { recordFact } from './providers/record-base.js';

/** The name of the one field of such a body; its value is 32 hex digits, other for each test. */
const mark = 'trunkline_endpoint_test';
const formMark = new RegExp(`^${mark}=([0-9a-f]{32})$`);
const jsonMark = new RegExp(`^\\{"${mark}":"([0-9a-f]{32})"\\}$`);
/** No body with the mark alone is longer. */
const maxBytes = 96;

/** The id of the test this body belongs to; null for every other delivery, at the cost of its length. */
function testIdOf(body: Buffer): string | null {
  if (body.length > maxBytes || body.length < mark.length) return null;
  const text = body.toString('latin1');
  return formMark.exec(text)?.[1] ?? jsonMark.exec(text)?.[1] ?? null;
}

/** The fact of a test delivery; null for every other. */
export function testFact(delivery: VerifiedDelivery): ProviderFact | null {
  const id = testIdOf(delivery.raw.body);
  if (id === null) return null;
  const source = sourceOf(delivery);
  const type = 'endpoint.tested';
  const factId = identify(source, ['endpoint_test', id], type);
  return recordFact(
    { source, factId, type, atUs: null },
    {
      ...{ area: 'external', what: 'endpoint_tested', objectType: 'endpoint' },
      ...{ objectRef: delivery.raw.endpoint, details: { test: id } },
    },
  );
}

const kinds = [
  { type: 'application/json', body: (id: string) => `{"${mark}":"${id}"}` },
  { type: 'application/x-www-form-urlencoded', body: (id: string) => `${mark}=${id}` },
];

/** A test delivery that was not signed: for a provider whose signing key nobody but it has. */
export function unsignedTest(url: string, id: string): OutgoingDelivery {
  const body = Buffer.from(`{"${mark}":"${id}"}`);
  return { method: 'POST', url, headers: { 'content-type': 'application/json' }, body };
}

/**
 * A test delivery as the provider would sign it, in the first form its own verifier takes; null where the
 * credential holds nothing to sign with.
 */
export function signedTest(
  provider: Provider,
  credential: StoredCredential,
  { url, id, nowMs }: { readonly url: string; readonly id: string; readonly nowMs: number },
): OutgoingDelivery | null {
  for (const { type, body } of kinds) {
    const request = { method: 'POST', url, headers: { 'content-type': type } } as const;
    const signed = provider.sign({ ...request, body: Buffer.from(body(id)) }, credential, nowMs);
    if (signed === null) return null;
    const { method, body: bytes } = signed;
    const headers = new Map(Object.entries(signed.headers));
    const seen = { method, url: signed.url, headers, body: bytes };
    if (provider.verify(seen, [credential], nowMs).ok) return signed;
  }
  return null;
}
