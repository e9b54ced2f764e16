// Ingest, providers: Telnyx. Ed25519 over timestamp and body; voice (Call Control) and messaging events
// share one envelope (provider sheet, section 4).

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  signEd25519Timestamp,
  strictBase64,
  verifyEd25519Timestamp,
} from '../schemes/ed25519-timestamp.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { bytesId, notUnderstood, sourceOf } from './fact-base.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';
import { readTelnyxEvent } from './telnyx-event.js';
import { mapTelnyxMessage } from './telnyx-messaging.js';
import { mapTelnyxVoice } from './telnyx-voice.js';

const headers = { signature: 'telnyx-signature-ed25519', timestamp: 'telnyx-timestamp' } as const;

const guide: ProviderGuide = {
  title: 'Telnyx',
  covers: ['calls', 'messages'],
  steps: [
    'Voice › Programmable Voice › your Call Control application: put {url} as the webhook URL, API version 2, method POST.',
    'Messaging › your messaging profile › Inbound: put {url} as the webhook URL.',
    'Answer within 2 s is what Telnyx waits for; it delivers again when there is none.',
  ],
  credentials: {
    publicKeyBase64: 'Account Settings › Keys & Credentials › Public Key (32 bytes in base64)',
  },
  verified:
    'Ed25519 over timestamp and body. The timestamp may differ from our clock by 300 s, both ways.',
  judgedBy: 'telnyx 7.24.0',
};

const credentialSchema = z.object({
  publicKeyBase64: z
    .string()
    .refine((text) => strictBase64(text, 32) !== null, 'must be 32 bytes in base64'),
});
type TelnyxCredential = z.output<typeof credentialSchema>;

/** How a GET is signed is not documented: nothing we know would bind its query. Refused. */
function verify(request: SignedRequest, credential: TelnyxCredential, nowMs: number): Verdict {
  if (request.method === 'GET') return refuse('body_not_signed');
  return verifyEd25519Timestamp(request, headers, credential.publicKeyBase64, nowMs);
}

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const source = sourceOf(delivery);
  const { body } = delivery.raw;
  const event = readTelnyxEvent(source, body);
  if (event === null) {
    const externalId = ['body', bytesId(body)];
    return [notUnderstood(source, { reason: 'a body that is not a Telnyx event', externalId })];
  }
  return [event.type.startsWith('message.') ? mapTelnyxMessage(event) : mapTelnyxVoice(event)];
}

/** Only Telnyx has its private key: simulated traffic is signed by a key pair of its own. */
function sign(
  request: OutgoingDelivery,
  { privateKeyBase64 }: StoredCredential,
  nowMs: number,
): OutgoingDelivery | null {
  if (privateKeyBase64 === undefined) return null;
  const { signature, timestamp } = signEd25519Timestamp(request.body, privateKeyBase64, nowMs);
  const signed = { [headers.timestamp]: timestamp, [headers.signature]: signature };
  return {
    ...request,
    headers: { 'user-agent': 'telnyx-webhooks', ...request.headers, ...signed },
  };
}

export const telnyx = defineProvider<TelnyxCredential>({
  name: 'telnyx',
  // 2: with the handle by which a call is asked after.
  mappingVersion: 2,
  credentialSchema,
  guide,
  // Telnyx's pages disagree on the networks of voice webhooks; those of messaging are published.
  addressRanges: [
    '192.76.120.128/29',
    '192.76.120.136/29',
    '192.76.120.144/29',
    '192.76.120.192/27',
    '185.246.41.0/29',
    '185.246.41.8/29',
    '185.246.41.16/29',
    '103.115.244.0/29',
    '103.115.244.8/29',
  ],
  keptHeaders: ['telnyx-timestamp'],
  signatureHeaders: [headers.signature],
  signsWith: ['privateKeyBase64'],
  sign,
  verify,
  map,
  acknowledge: () => noContent,
});
