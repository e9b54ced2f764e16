// Ingest, providers: any sender of Standard Webhooks, or by Svix. What it tells is read in the JSON form of our
// own (docs/own-events.md); what is neither call nor message becomes a record.

import { z } from 'zod';
import type { SignedRequest, Verdict } from '../schemes/scheme.js';
import { standardWebhookKey, verifyStandardWebhook } from '../schemes/standard-webhooks.js';
import { mapOpenForm } from './open-form.js';
import { defineProvider, noContent, type ProviderGuide } from './provider.js';
import { signMessage } from './standard-message.js';

const guide: ProviderGuide = {
  title: 'Standard Webhooks',
  covers: ['calls', 'messages', 'anything else as records'],
  steps: [
    'Give {url} to the sender as its webhook URL, and copy the signing secret it shows (whsec_…).',
    'Calls and messages are read from JSON as in docs/own-events.md; every other event becomes a record.',
    'Of several signatures one must match: while the sender changes its secret, add the new one with `endpoint rotate`.',
  ],
  credentials: {
    signingSecret: 'the sender’s signing secret: base64, with or without whsec_ in front',
  },
  verified:
    'HMAC-SHA256 over message id, timestamp and body, by webhook-… or svix-… headers. The timestamp may differ from our clock by 300 s, both ways.',
  judgedBy: 'standardwebhooks 1.1.1, svix 1.99.1',
};

const secret = z
  .string()
  .refine((text) => standardWebhookKey(text) !== null, 'must be base64, e.g. whsec_…')
  .transform((text) => standardWebhookKey(text) ?? Buffer.alloc(0));

/** Named as in our other files, or as the standard itself says it. */
const credentialSchema = z
  .union([
    z.object({ signingSecret: secret }),
    z.object({ secret }).transform((given) => ({ signingSecret: given.secret })),
  ])
  .transform(({ signingSecret }) => ({ signingSecret }));
type Credential = z.output<typeof credentialSchema>;

/** As svix reads it: its own headers before those of the standard, each for itself. */
const verify = (request: SignedRequest, { signingSecret }: Credential, nowMs: number): Verdict =>
  verifyStandardWebhook(request, ['svix', 'webhook'], signingSecret, nowMs);

export const standardWebhooks = defineProvider<Credential>({
  name: 'standard-webhooks',
  aliases: ['svix', 'standardwebhooks', 'standard_webhooks'],
  mappingVersion: 1,
  credentialSchema,
  guide,
  addressRanges: [],
  keptHeaders: ['webhook-id', 'webhook-timestamp', 'svix-id', 'svix-timestamp'],
  signatureHeaders: ['webhook-signature', 'svix-signature'],
  signsWith: ['signingSecret'],
  sign: (request, credentials, nowMs) =>
    signMessage(request, 'webhook', credentials['signingSecret'] ?? credentials['secret'], nowMs),
  verify,
  map: mapOpenForm,
  acknowledge: () => noContent,
});
