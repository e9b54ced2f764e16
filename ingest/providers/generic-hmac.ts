// Ingest, providers: any sender that signs with HMAC-SHA256. How it does is data of the endpoint's credential;
// what it tells is read in the JSON form of our own (docs/own-events.md).

import type { VerifiedDelivery } from '../../schemas/stages.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { reference } from './fact-base.js';
import { genericCredentialSchema, type GenericCredential } from './generic-credential.js';
import { asObject, objectField, parseJson, textField, type JsonObject } from './json.js';
import { mapOpenForm } from './open-form.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';

const guide: ProviderGuide = {
  title: 'Generic HMAC',
  covers: ['calls', 'messages', 'anything else as records'],
  steps: [
    'Give {url} to the sender as its webhook URL.',
    'Say how it signs in the credential: at least secret and signatureHeader; signedText where more than the body is signed, e.g. {timestamp}.{body} with timestampHeader.',
    'Calls and messages are read from JSON as in docs/own-events.md; every other event becomes a record.',
  ],
  credentials: {
    secret: 'the shared secret',
    secretEncoding: 'optional: text (default), hex or base64',
    signatureHeader: 'optional: the header with the signature; default x-signature',
    signaturePrefix: 'optional: what stands before the signature, e.g. sha256=',
    signatureSeparator: 'optional: comma or space, where the header holds a list of signatures',
    encoding: 'optional: hex (default, any case) or base64',
    signedText:
      'optional: what is signed, of {body}, {timestamp}, {id}, {method} and {url}; default {timestamp}.{body}, or {body} where no time is signed',
    timestampHeader: 'optional: the header with the signed time',
    timestampPrefix: 'optional: what stands before the time in a list, e.g. t=',
    timestampUnit: 'optional: s, ms or auto (default)',
    toleranceSeconds: 'optional: how far the signed time may be from our clock; default 300',
    idHeader: 'optional: the header with the message id, where {id} is signed',
    idPath: 'optional: where the event’s id is in the JSON body; default id',
  },
  verified:
    'HMAC-SHA256 over the text that the credential describes. A signed time may differ from our clock by its tolerance, both ways; without one a repeat is known by its identity.',
  judgedBy: null,
};

/** The id at a path of names in the JSON body. */
function idAt(body: Buffer, path: readonly string[]): string | null {
  let object: JsonObject | null = asObject(parseJson(body));
  for (const name of path.slice(0, -1)) object = objectField(object, name);
  return reference(textField(object, path.at(-1) ?? ''));
}

function verify(request: SignedRequest, credential: GenericCredential, nowMs: number): Verdict {
  const { scheme, key, signedIdHeader, idPath, hasUrl } = credential;
  // Without the URL in the signed text nothing binds what a query says.
  if (request.method === 'GET' && !hasUrl) return refuse('body_not_signed');
  const verdict = scheme.verify(request, key, nowMs);
  if (!verdict.ok) return verdict;
  const inHeader = signedIdHeader === null ? null : reference(request.headers.get(signedIdHeader));
  const messageId = inHeader ?? idAt(request.body, idPath);
  return messageId === null ? verdict : { ...verdict, messageId };
}

/** A message keeps its id over retries: the one the request brings, else one that follows from its body. */
function sign(
  request: OutgoingDelivery,
  credentials: StoredCredential,
  nowMs: number,
): OutgoingDelivery | null {
  const parsed = genericCredentialSchema.safeParse(credentials);
  if (!parsed.success) return null;
  const { scheme, key, signedIdHeader, idPath } = parsed.data;
  const given = signedIdHeader === null ? undefined : request.headers[signedIdHeader];
  const id = given ?? idAt(request.body, idPath) ?? 'message';
  const signed = scheme.sign(request, { key, nowMs, id });
  return { ...request, headers: { ...request.headers, ...signed } };
}

export const genericHmac = defineProvider<GenericCredential>({
  name: 'generic-hmac',
  aliases: ['generic', 'hmac', 'generic_hmac', 'generichmac'],
  mappingVersion: 1,
  credentialSchema: genericCredentialSchema,
  guide,
  addressRanges: [],
  signsWith: ['secret'],
  sign,
  verify,
  map: (delivery: VerifiedDelivery) => mapOpenForm(delivery),
  acknowledge: () => noContent,
});
