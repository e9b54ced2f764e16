// What the tests of senders that sign JSON share: a request that is judged by our provider's file.

import { checkDelivery, type CheckVerdict } from '../../../ingest/check.js';
import type { OutgoingDelivery } from '../../../ingest/providers/provider.js';
import { mapDelivery } from '../../../ingest/providers/registry.js';
import { verifyDelivery } from '../../../ingest/verify.js';
import type { ProviderFact } from '../../../schemas/facts.js';
import { endpointOf, publicBase } from '../stored-deliveries.js';
import { endpointId } from '../../../schemas/ids.js';
import { signAs } from '../signing.js';

export const url = `${publicBase}/v1/webhooks/ep_0000000000000001`;
export const nowMs = 1_790_848_800_000;

type Credentials = Readonly<Record<string, string>>;

/** A POST of JSON, not signed. */
export const post = (body: string | Buffer): OutgoingDelivery => ({
  method: 'POST',
  url,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(body),
});

/** How `webhook check` judges a request. */
export function judged(
  provider: string,
  request: OutgoingDelivery,
  credentials: Credentials | readonly Credentials[],
  atMs = nowMs,
): CheckVerdict {
  const { method, headers, body } = request;
  const rawBodyBase64 = body.toString('base64');
  const line = { id: 1, provider, method, url: request.url, headers, rawBodyBase64, credentials };
  return checkDelivery({ ...line, now: atMs / 1000 });
}

/** The facts of a request that verifies at the endpoint of these credentials. */
export function factsOf(
  provider: string,
  { method, headers, body, url: signed }: OutgoingDelivery,
  credentials: Credentials,
): readonly ProviderFact[] {
  const raw = {
    ...{ endpoint: endpointId('ep_0000000000000001'), method, body, clientAddress: '192.0.2.1' },
    ...{ target: signed.slice(publicBase.length), headers: new Map(Object.entries(headers)) },
    ...{ receivedAt: nowMs + 250, correlationId: 'test' },
  };
  const outcome = verifyDelivery(raw, endpointOf(provider, [credentials]), nowMs);
  if (!outcome.ok) throw new Error(outcome.code);
  return mapDelivery(outcome.delivery).facts;
}

/** What an event becomes: signed as its sender does, verified, mapped. */
export const told = (
  provider: string,
  event: unknown,
  credentials: Credentials,
): readonly ProviderFact[] =>
  factsOf(provider, signAs(provider, post(JSON.stringify(event)), credentials, nowMs), credentials);

/** Every request that differs from a good one in one byte of what is signed or of the signature. */
export function* mutated(request: OutgoingDelivery, signed: readonly string[]) {
  for (let at = 0; at < request.body.length; at += 1) {
    const body = Buffer.from(request.body);
    body[at] = (body[at] ?? 0) ^ 1;
    yield { ...request, body };
  }
  for (const name of signed) {
    const value = request.headers[name] ?? '';
    for (let at = 0; at < value.length; at += 1) {
      const changed = String.fromCharCode(value.charCodeAt(at) ^ 1);
      const header = value.slice(0, at) + changed + value.slice(at + 1);
      yield { ...request, headers: { ...request.headers, [name]: header } };
    }
  }
}
