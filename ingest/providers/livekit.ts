// Ingest, providers: LiveKit. A JWT with the digest of the body; SIP participants are legs, their room is the
// session, and everything else in a room is a note of its call (provider sheet, section 15).

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import {
  signJwtBodyDigest,
  verifyJwtBodyDigest,
  type JwtRules,
} from '../schemes/jwt-hs256-body-digest.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { sourceOf } from './fact-base.js';
import { mapLivekit } from './livekit-map.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
} from './provider.js';

/** livekit-server-sdk 2.19.2 `WebhookReceiver`: the bare token, its claims `exp` and `nbf` ± 10 s. */
const rules: JwtRules = {
  header: 'authorization',
  form: 'bare',
  digest: { claim: 'sha256', encoding: 'base64' },
  window: { issuedAt: null, requiresExpiry: true, leewaySec: 10 },
};
/** How long LiveKit's own tokens are valid. */
const validSec = 300;

const guide: ProviderGuide = {
  title: 'LiveKit',
  covers: ['AI agent calls', 'calls'],
  steps: [
    'LiveKit Cloud › Settings › Webhooks: put {url} and choose the API key that signs. Self-hosted: `webhook.urls` and `webhook.api_key` in the server’s configuration.',
    'Every event is sent; calls are made of those about SIP participants, with their room as the session.',
    'The status of a SIP call is an attribute of its participant, told when it joins and leaves: a call that is answered in between shows so when it ends.',
  ],
  credentials: {
    apiKey: 'LiveKit Cloud › Settings › Keys: the key’s name (`iss` of the token)',
    apiSecret: 'LiveKit Cloud › Settings › Keys: the secret of that key',
  },
  verified:
    'JWT (HS256) in Authorization, without `Bearer`, whose sha256 is that of the body and whose issuer is the API key; valid from nbf to exp, ± 10 s.',
  judgedBy: 'livekit-server-sdk 2.19.2',
};

const credentialSchema = z.object({ apiKey: z.string().min(1), apiSecret: z.string().min(1) });
type LivekitCredential = z.output<typeof credentialSchema>;

function verify(
  request: SignedRequest,
  { apiKey, apiSecret }: LivekitCredential,
  nowMs: number,
): Verdict {
  if (request.method === 'GET') return refuse('body_not_signed');
  const verdict = verifyJwtBodyDigest(request, rules, { secret: apiSecret, issuer: apiKey }, nowMs);
  if (!verdict.ok) return verdict;
  const { signedAtMs } = verdict;
  return signedAtMs === undefined ? { ok: true } : { ok: true, signedAtMs };
}

function sign(
  request: OutgoingDelivery,
  { apiKey, apiSecret }: Readonly<Record<string, string>>,
  nowMs: number,
): OutgoingDelivery | null {
  if (apiKey === undefined || apiSecret === undefined) return null;
  const nowSec = Math.floor(nowMs / 1000);
  const claims = { iss: apiKey, nbf: nowSec, exp: nowSec + validSec };
  const token = signJwtBodyDigest(request.body, rules, apiSecret, claims);
  const headers = { 'user-agent': 'LiveKit', ...request.headers, [rules.header]: token };
  return { ...request, headers };
}

export const livekit = defineProvider<LivekitCredential>({
  name: 'livekit',
  mappingVersion: 1,
  credentialSchema,
  guide,
  addressRanges: [],
  signatureHeaders: [rules.header],
  signsWith: ['apiKey', 'apiSecret'],
  sign,
  verify,
  map: (delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] => [
    mapLivekit(sourceOf(delivery), delivery.raw.body),
  ],
  acknowledge: () => noContent,
});
