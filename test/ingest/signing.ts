// Signed requests for tests, made by the providers' own files.

import type { OutgoingDelivery, StoredCredential } from '../../ingest/providers/provider.js';
import { providerOf } from '../../ingest/providers/registry.js';

export {
  newPrivateKey as newTelnyxKey,
  publicKeyOf as telnyxPublicKey,
} from '../../ingest/schemes/ed25519-timestamp.js';

export type SignedWebhook = OutgoingDelivery;

/** Signs as the provider does; throws where the credentials hold nothing to sign with. */
export function signAs(
  provider: string,
  request: OutgoingDelivery,
  credentials: StoredCredential,
  nowMs = 0,
): OutgoingDelivery {
  const signed = providerOf(provider).sign(request, credentials, nowMs);
  if (signed === null) throw new Error(`nothing to sign with for ${provider}`);
  return signed;
}

const form = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' };
const json = { 'content-type': 'application/json' };

export const signTwilioBody = (url: string, body: Buffer, authToken: string): SignedWebhook =>
  signAs('twilio', { method: 'POST', url, headers: form, body }, { authToken });

export const signTwilioForm = (
  url: string,
  fields: Readonly<Record<string, string>>,
  authToken: string,
): SignedWebhook =>
  signTwilioBody(url, Buffer.from(new URLSearchParams(fields).toString()), authToken);

export const signTwilioGet = (url: string, authToken: string): SignedWebhook =>
  signAs('twilio', { method: 'GET', url, headers: {}, body: Buffer.alloc(0) }, { authToken });

export const signTwilioJson = (url: string, body: Buffer, authToken: string): SignedWebhook =>
  signAs('twilio', { method: 'POST', url, headers: json, body }, { authToken });

export const signTelnyx = (
  url: string,
  body: Buffer,
  privateKeyBase64: string,
  nowMs: number,
): SignedWebhook =>
  signAs('telnyx', { method: 'POST', url, headers: json, body }, { privateKeyBase64 }, nowMs);
