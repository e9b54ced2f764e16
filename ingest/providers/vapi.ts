// Ingest, providers: Vapi. Deliveries are signed after the plan of the credential, or carry a secret in the
// clear; server messages about AI agent calls (provider sheet, section 13).

import { parseJson, asObject, objectField, textField } from './json.js';
import { sourceOf } from './fact-base.js';
import { sharedSecretHeader } from '../schemes/shared-secret-header.js';
import {
  defineProvider,
  type Acknowledgement,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';
import {
  bearerRules,
  credentialSchema,
  legacyRules,
  verifyVapi,
  type VapiCredential,
} from './vapi-credential.js';
import { mapVapi } from './vapi-map.js';

const guide: ProviderGuide = {
  title: 'Vapi',
  covers: ['AI agent calls'],
  steps: [
    'Dashboard › Organization › Custom credentials: add one of type HMAC with a secret of your own; keep header x-signature, timestamp x-timestamp and payload {timestamp}.{body}, or give what differs with the endpoint.',
    'Assistant (or phone number) › Advanced › Server: put {url} as the server URL and choose that credential.',
    'Server messages: status-update, end-of-call-report, transfer-update, tool-calls and transcript are read; leave assistant-request to your own server, which must answer it.',
  ],
  credentials: {
    hmacSecret: 'the secret key of the HMAC credential',
    algorithm: 'sha256 (default), sha512 or sha1, as the credential says',
    signatureHeader: 'header of the signature, default x-signature',
    timestampHeader: 'header of the time, default x-timestamp',
    signaturePrefix: 'what stands before the signature, e.g. sha256=; default nothing',
    payloadFormat: 'what is signed, default {timestamp}.{body}',
    includeTimestamp: 'false where the credential signs no time; default true',
    messageIdHeader: 'header of {svix-id}, default svix-id',
    signatureEncoding: 'hex (default) or base64',
    secretIsBase64: 'true where the secret is base64 and its bytes sign; default false',
    bearerToken: 'the token of a credential of type Bearer',
    legacySecret: 'the older server URL secret, sent as X-Vapi-Secret',
  },
  verified:
    'HMAC over what the credential says, by default time and body; the time may differ by 300 s, both ways. Bearer token and X-Vapi-Secret say who sends and bind nothing; a request that carries a signature is judged by it alone.',
  judgedBy: null,
};

/** Vapi reads the answers to some messages: JSON that asks for nothing. */
const emptyAnswer: Acknowledgement = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{}',
};

/** The message's own id where a plan signs one. */
function messageId(body: Buffer): string {
  const message = objectField(asObject(parseJson(body)), 'message');
  const call = objectField(message, 'call');
  return `msg_${textField(call, 'id') ?? ''}_${textField(message, 'timestamp') ?? ''}`;
}

function sign(
  request: OutgoingDelivery,
  credentials: StoredCredential,
  nowMs: number,
): OutgoingDelivery | null {
  const parsed = credentialSchema.safeParse(credentials);
  if (!parsed.success) return null;
  const { hmac, bearerToken, legacySecret } = parsed.data;
  const signed = (headers: Readonly<Record<string, string>>): OutgoingDelivery => ({
    ...request,
    headers: { ...request.headers, ...headers },
  });
  if (hmac !== null) {
    const id = messageId(request.body);
    return signed(hmac.scheme.sign(request, { key: hmac.key, nowMs, id }));
  }
  if (legacySecret !== null) {
    return signed({ [legacyRules.header]: sharedSecretHeader(legacyRules, legacySecret) });
  }
  return bearerToken === null
    ? null
    : signed({ [bearerRules.header]: sharedSecretHeader(bearerRules, bearerToken) });
}

export const vapi = defineProvider<VapiCredential>({
  name: 'vapi',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // Only for organisations that asked for static addresses (`staticIpAddressesEnabled`).
  addressRanges: [],
  // The names are the assistant's configuration; these are what Vapi's documentation shows.
  signatureHeaders: ['x-vapi-signature', 'x-signature', 'x-vapi-secret'],
  signsWith: ['hmacSecret'],
  sign,
  verify: verifyVapi,
  map: (delivery) => mapVapi(sourceOf(delivery), delivery.raw.body),
  acknowledge: () => emptyAnswer,
});
