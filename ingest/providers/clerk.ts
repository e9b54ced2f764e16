// Ingest, providers: Clerk. Webhooks by Svix about the tenant's own people and organisations, and what it
// bills them: records, not calls (provider sheet, section 7).

import { z } from 'zod';
import type { SignedRequest, Verdict } from '../schemes/scheme.js';
import { standardWebhookKey, verifyStandardWebhook } from '../schemes/standard-webhooks.js';
import { mapClerk } from './clerk-map.js';
import { defineProvider, noContent, type ProviderGuide } from './provider.js';
import { signMessage } from './standard-message.js';

const guide: ProviderGuide = {
  title: 'Clerk',
  covers: ['users', 'organisations', 'memberships', 'invitations', 'subscriptions'],
  steps: [
    'Configure › Webhooks › Add Endpoint: put {url} as the endpoint URL and subscribe to the events you want.',
    'Open the endpoint and copy its Signing Secret (whsec_…).',
    'A deactivated secret signs along for 24 h when you rotate it there: rotate it here in that time.',
  ],
  credentials: {
    signingSecret: 'the endpoint’s Signing Secret, whsec_…',
  },
  verified:
    'HMAC-SHA256 over message id, timestamp and body. The timestamp may differ from our clock by 300 s, both ways.',
  judgedBy: '@clerk/backend 3.25.0',
};

const credentialSchema = z.object({
  signingSecret: z
    .string()
    .refine((text) => standardWebhookKey(text) !== null, 'must be whsec_ and base64')
    .transform((text) => standardWebhookKey(text) ?? Buffer.alloc(0)),
});
type ClerkCredential = z.output<typeof credentialSchema>;

const trimmed = ['svix-id', 'svix-timestamp', 'svix-signature'] as const;

/** Clerk's own verifier wants the `svix-` names and trims their values. */
function verify(
  request: SignedRequest,
  { signingSecret }: ClerkCredential,
  nowMs: number,
): Verdict {
  const headers = new Map(
    trimmed.flatMap((name): [string, string][] => {
      const value = request.headers.get(name)?.trim();
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return verifyStandardWebhook({ ...request, headers }, ['svix'], signingSecret, nowMs);
}

export const clerk = defineProvider<ClerkCredential>({
  name: 'clerk',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // Svix publishes source addresses by region; they are not part of Clerk's own documentation.
  addressRanges: [],
  keptHeaders: ['svix-id', 'svix-timestamp'],
  signatureHeaders: ['svix-signature'],
  signsWith: ['signingSecret'],
  sign: (request, { signingSecret }, nowMs) => signMessage(request, 'svix', signingSecret, nowMs),
  verify,
  map: mapClerk,
  acknowledge: () => noContent,
});
