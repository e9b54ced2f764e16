// Ingest, providers: Telnyx. Ed25519 over timestamp and body; voice (Call Control) and messaging events
// share one envelope (provider sheet, section 4).

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { strictBase64, verifyEd25519Timestamp } from '../schemes/ed25519-timestamp.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { bytesId, notUnderstood, sourceOf } from './fact-base.js';
import { defineProvider, noContent } from './provider.js';
import { readTelnyxEvent } from './telnyx-event.js';
import { mapTelnyxMessage } from './telnyx-messaging.js';
import { mapTelnyxVoice } from './telnyx-voice.js';

const headers = { signature: 'telnyx-signature-ed25519', timestamp: 'telnyx-timestamp' } as const;

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

export const telnyx = defineProvider<TelnyxCredential>({
  name: 'telnyx',
  mappingVersion: 1,
  credentialSchema,
  verify,
  map,
  acknowledge: () => noContent,
});
