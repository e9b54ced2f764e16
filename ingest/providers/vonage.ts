// Ingest, providers: Vonage. A token with the digest of the body verifies a delivery; its events become facts
// of legs that share a conversation (provider sheet, section 9). Messages API events are mapped next door.
//
// Vonage says that it may send a callback unsigned after an internal error of its own, and advises to answer
// 5xx so that it comes again. Nobody can tell such a callback from a forged one, and an answer that differs
// would let any stranger raise our count of server errors: it is refused with 403 like everything unsigned.

import { hash } from 'node:crypto';
import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { parseQuery } from '../schemes/form.js';
import {
  claimsOf,
  signJwtBodyDigest,
  verifyJwtBodyDigest,
  type JwtRules,
} from '../schemes/jwt-hs256-body-digest.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { bytesId, notUnderstood, reference, sourceOf } from './fact-base.js';
import { asObject, parseJson, textField, type JsonObject } from './json.js';
import {
  defineProvider,
  noContent,
  type Acknowledgement,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';
import { isAnswerRequest, mapVonageVoice, type VonageEvent } from './vonage-voice.js';
import { mapVonageMessage } from './vonage-messaging.js';

const header = 'authorization';
const issuer = 'Vonage';

/** Tokens have no `exp`; Vonage's own SDK asks for nothing but the signature, and takes RS256 as well. */
const rules: JwtRules = {
  header,
  form: 'bearer',
  digest: { claim: 'payload_hash', encoding: 'hex' },
  window: { issuedAt: { pastSec: 300, futureSec: 300 }, requiresExpiry: false, leewaySec: 0 },
};

const guide: ProviderGuide = {
  title: 'Vonage',
  covers: ['calls', 'messages'],
  steps: [
    'API Dashboard › Applications › your application › Capabilities › Voice: put {url} as the Event URL, method POST.',
    'Switch on “Use signed webhooks” there: what comes unsigned is refused.',
    'For calls that come in, {url} can be the Answer URL too; choose POST, because the token of a GET does not cover its query.',
    'Messages: put {url} as the Inbound URL and the Status URL of the same application.',
  ],
  credentials: {
    signatureSecret: 'API Dashboard › API settings › Signature secret, of the account that owns it',
    apiKey: 'optional: deliveries whose token names another API key are refused',
    applicationId: 'optional: deliveries whose token names another application are refused',
  },
  verified:
    'A JWT (HS256 only) issued by Vonage within 300 s of our clock, whose payload_hash is the SHA-256 of the body.',
  judgedBy: '@vonage/jwt 1.14.0',
};

const credentialSchema = z.object({
  signatureSecret: z.string().min(1),
  apiKey: z.string().min(1).optional(),
  applicationId: z.string().min(1).optional(),
});
type VonageCredential = z.output<typeof credentialSchema>;

function verify(request: SignedRequest, credential: VonageCredential, nowMs: number): Verdict {
  const { signatureSecret: secret, apiKey, applicationId } = credential;
  const verdict = verifyJwtBodyDigest(request, rules, { secret, issuer }, nowMs);
  if (!verdict.ok) return verdict;
  const { claims, ...accepted } = verdict;
  const isOther = (claim: unknown, ours: string | undefined): boolean =>
    ours !== undefined && claim !== undefined && claim !== ours;
  return isOther(claims['api_key'], apiKey) || isOther(claims['application_id'], applicationId)
    ? refuse('account_mismatch')
    : accepted;
}

/** The fields of a delivery: the body's, or the query's of a GET; null where there are none. */
function contentOf({ raw, url }: VerifiedDelivery): JsonObject | null {
  if (raw.method === 'POST') return asObject(parseJson(raw.body));
  return Object.fromEntries(parseQuery(url).values);
}

/**
 * The query of a GET is bound by nothing, so its identity is that of its token: sent again with another
 * query it is the same fact. (Whether `jti` stays the same over Vonage's own retries is not documented:
 * what a body tells is known by its content instead.)
 */
function tokenId({ raw, url }: VerifiedDelivery): string {
  const jti = claimsOf(raw.headers.get(header))?.['jti'];
  return typeof jti === 'string' ? jti : bytesId(url);
}

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const source = sourceOf(delivery);
  const fields = contentOf(delivery);
  const contentId = delivery.raw.method === 'GET' ? tokenId(delivery) : null;
  if (fields === null) {
    const externalId = ['body', bytesId(delivery.raw.body)];
    return [notUnderstood(source, { reason: 'a body that is no Vonage event', externalId })];
  }
  const { signedAtMs } = delivery;
  const event: VonageEvent = { source, fields, contentId, signedAtMs };
  return reference(textField(fields, 'message_uuid')) === null
    ? mapVonageVoice(event)
    : [mapVonageMessage(event)];
}

/** No actions: Trunkline listens, it gives no instructions. */
const emptyNcco: Acknowledgement = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '[]',
};

function acknowledge(delivery: VerifiedDelivery): Acknowledgement {
  const fields = contentOf(delivery);
  return fields !== null && isAnswerRequest(fields) ? emptyNcco : noContent;
}

/** A token id that is the same for the same delivery, in the form of a UUID. */
function tokenIdOf(request: OutgoingDelivery): string {
  const hex = hash('sha256', Buffer.concat([Buffer.from(`${request.url}\n`), request.body]), 'hex');
  return [8, 4, 4, 4, 12].map((length, at) => hex.slice(at * 12, at * 12 + length)).join('-');
}

function sign(
  request: OutgoingDelivery,
  { signatureSecret, apiKey, applicationId }: StoredCredential,
  nowMs: number,
): OutgoingDelivery | null {
  if (signatureSecret === undefined) return null;
  const claims = {
    iat: Math.floor(nowMs / 1000),
    jti: tokenIdOf(request),
    iss: issuer,
    ...(apiKey === undefined ? {} : { api_key: apiKey }),
    ...(applicationId === undefined ? {} : { application_id: applicationId }),
  };
  const body = request.method === 'GET' ? null : request.body;
  const token = signJwtBodyDigest(body, rules, signatureSecret, claims);
  return {
    ...request,
    headers: { 'user-agent': 'Vonage/1.0', ...request.headers, [header]: token },
  };
}

export const vonage = defineProvider<VonageCredential>({
  name: 'vonage',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // 216.147.0.0/18 is documented for callbacks; 168.100.64.0/18 stands in a help article on voice.
  addressRanges: ['216.147.0.0/18', '168.100.64.0/18'],
  signatureHeaders: [header],
  signsWith: ['signatureSecret'],
  sign,
  verify,
  map,
  acknowledge,
});
