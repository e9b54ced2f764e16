// Ingest, providers: signing a message as Standard Webhooks senders do. Comes in: a request and the secret.
// Goes out: the request with its three headers.

import { hash } from 'node:crypto';
import {
  signStandardWebhook,
  standardWebhookKey,
  type HeaderFamily,
} from '../schemes/standard-webhooks.js';
import type { OutgoingDelivery } from './provider.js';

/**
 * Signs as Svix and its like do; null without a usable secret. A message keeps its id over retries: the one
 * the request brings, else one that follows from its body.
 */
export function signMessage(
  request: OutgoingDelivery,
  family: HeaderFamily,
  secret: string | undefined,
  nowMs: number,
): OutgoingDelivery | null {
  const key = secret === undefined ? null : standardWebhookKey(secret);
  if (key === null) return null;
  const known = request.headers[`${family}-id`];
  const id = known ?? `msg_${hash('sha256', request.body, 'base64url').slice(0, 27)}`;
  const signed = signStandardWebhook(request, family, { key, nowMs, id });
  return {
    ...request,
    headers: { 'user-agent': 'Svix-Webhooks/1.0', ...request.headers, ...signed },
  };
}
