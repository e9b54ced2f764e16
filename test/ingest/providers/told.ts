// Deliveries of a provider as tests tell them: signed as it signs, verified, and mapped.

import { mapDelivery } from '../../../ingest/providers/registry.js';
import { verifyDelivery } from '../../../ingest/verify.js';
import type { CallFact, MessageFact, ProviderFact } from '../../../schemas/facts.js';
import { endpointId } from '../../../schemas/ids.js';
import type { VerifiedDelivery } from '../../../schemas/stages.js';
import { signAs } from '../signing.js';
import { endpointOf, publicBase, secretsOf } from '../stored-deliveries.js';

export const nowMs = 1_790_848_800_000;
export const url = `${publicBase}/v1/webhooks/ep_0000000000000001`;

export interface Told {
  readonly method?: 'GET' | 'POST';
  readonly query?: string;
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly atMs?: number;
}

/** A delivery with the credentials of the stored ones. Throws with the code where it is refused. */
export function tell(provider: string, told: Told): VerifiedDelivery {
  const { method = 'POST', query = '', body = '', atMs = nowMs } = told;
  const type = told.type ?? 'application/json';
  const request = {
    ...{ method, url: url + query, body: Buffer.from(body) },
    headers: method === 'GET' ? {} : { 'content-type': type },
  };
  const signed = signAs(provider, request, secretsOf(provider), atMs);
  const outcome = verifyDelivery(
    {
      ...{ endpoint: endpointId('ep_0000000000000001'), method, body: signed.body },
      ...{ target: signed.url.slice(publicBase.length), clientAddress: '192.0.2.1' },
      ...{ headers: new Map(Object.entries(signed.headers)), receivedAt: atMs },
      correlationId: 'test',
    },
    endpointOf(provider),
    atMs,
  );
  if (!outcome.ok) throw new Error(outcome.code);
  return outcome.delivery;
}

export const tellJson = (provider: string, value: unknown, more: Told = {}): VerifiedDelivery =>
  tell(provider, { ...more, body: JSON.stringify(value) });

export const tellForm = (
  provider: string,
  fields: Readonly<Record<string, string>>,
  more: Told = {},
): VerifiedDelivery =>
  tell(provider, {
    ...more,
    type: 'application/x-www-form-urlencoded',
    body: new URLSearchParams(fields).toString(),
  });

export const factsOf = (delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] =>
  mapDelivery(delivery).facts;

export function callOf(delivery: VerifiedDelivery): CallFact {
  const [fact] = factsOf(delivery);
  if (fact.kind !== 'call') throw new Error(`a fact of kind ${fact.kind}`);
  return fact;
}

export function messageOf(delivery: VerifiedDelivery): MessageFact {
  const [fact] = factsOf(delivery);
  if (fact.kind !== 'message') throw new Error(`a fact of kind ${fact.kind}`);
  return fact;
}
