// Ingest, providers: ElevenLabs. HMAC-SHA256 over time and body; what an agent's conversation was, told after
// its end (provider sheet, section 16).

import { z } from 'zod';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { hmacTimestampBody } from '../schemes/hmac-timestamp-body.js';
import { mapElevenlabs } from './elevenlabs-map.js';
import { sourceOf } from './fact-base.js';
import { defineProvider, plainOk, type OutgoingDelivery, type ProviderGuide } from './provider.js';

/**
 * @elevenlabs/elevenlabs-js 2.73.0 `wrapper/webhooks`: the first `t` and the first `v0` of a list that is
 * never trimmed, half an hour back by the clock's milliseconds, and no end ahead.
 */
const scheme = hmacTimestampBody({
  algorithm: 'sha256',
  encoding: 'hex',
  header: 'elevenlabs-signature',
  form: { type: 'elements', separator: ',', label: 'v0=', tried: 'first' },
  time: {
    from: { type: 'element', label: 't=', pick: 'first' },
    unit: 's',
    pastMs: 30 * 60_000,
    futureMs: null,
    isFloored: false,
  },
  idHeader: null,
  text: '{timestamp}.{body}',
});

/** Half an hour of sound as MP3 of 128 kbit/s in base64; an hour of 64 kbit/s. */
const maxBodyBytes = 32 * 1024 * 1024;

const guide: ProviderGuide = {
  title: 'ElevenLabs',
  covers: ['AI agent calls'],
  steps: [
    'Developers › Webhooks › Create webhook: put {url}, authentication HMAC, and copy the secret, which is shown once.',
    'Conversational AI › Settings › Post-call webhook: choose it, with transcription, and with call initiation failures.',
    'Audio is taken too (post_call_audio, up to 32 MiB); its note says when it came, the sound itself stays at ElevenLabs.',
  ],
  credentials: {
    webhookSecret: 'the secret shown when the webhook is created (wsec_…)',
  },
  verified:
    'HMAC-SHA256 over time and body. The time may be 30 min old; as in the SDK there is no bound ahead.',
  judgedBy: '@elevenlabs/elevenlabs-js 2.73.0',
};

const credentialSchema = z.object({ webhookSecret: z.string().min(1) });
type ElevenlabsCredential = z.output<typeof credentialSchema>;

function sign(
  request: OutgoingDelivery,
  { webhookSecret }: Readonly<Record<string, string>>,
  nowMs: number,
): OutgoingDelivery | null {
  if (webhookSecret === undefined) return null;
  const headers = { ...request.headers, ...scheme.sign(request, { key: webhookSecret, nowMs }) };
  return { ...request, headers };
}

export const elevenlabs = defineProvider<ElevenlabsCredential>({
  name: 'elevenlabs',
  mappingVersion: 1,
  credentialSchema,
  guide,
  addressRanges: [
    '34.67.146.145/32',
    '34.59.11.47/32',
    '35.204.38.71/32',
    '34.147.113.54/32',
    '35.185.187.110/32',
    '35.247.157.189/32',
  ],
  maxBodyBytes,
  signatureHeaders: ['elevenlabs-signature'],
  signsWith: ['webhookSecret'],
  sign,
  verify: (request, { webhookSecret }, nowMs) => scheme.verify(request, webhookSecret, nowMs),
  map: (delivery: VerifiedDelivery) => mapElevenlabs(sourceOf(delivery), delivery.raw.body),
  // Nothing but 200 counts as delivered; ten failures switch the webhook off.
  acknowledge: () => plainOk,
});
