// Ingest, providers: Twilio. Which scheme verifies what, how its deliveries become facts, and which of
// them wait for TwiML (provider sheet, sections 1 to 3).

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { RawDelivery, VerifiedDelivery } from '../../schemas/stages.js';
import { mediaTypeOf } from '../media-type.js';
import { parseForm, parseQuery, signedFields, type Form } from '../schemes/form.js';
import { signUrl, verifyFormUrl } from '../schemes/hmac-sha1-form-url.js';
import {
  bodyDigest,
  verifyUrlBodyDigest,
  withBodyDigest,
} from '../schemes/hmac-sha1-url-body-digest.js';
import { accepted, refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { identify, sourceOf } from './fact-base.js';
import {
  defineProvider,
  emptyXml,
  noContent,
  type Acknowledgement,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';
import { instructionKinds, kindOf, type TwilioContent } from './twilio-content.js';
import { accountsOf, mapEventStreams } from './twilio-event-streams.js';
import { mapTwilioContent } from './twilio-map.js';

const header = 'x-twilio-signature';
const form = 'application/x-www-form-urlencoded';

const guide: ProviderGuide = {
  title: 'Twilio',
  covers: ['calls', 'messages', 'Event Streams'],
  steps: [
    'Phone Numbers › Manage › Active numbers › your number › Voice: put {url} under “Call status changes”, method HTTP POST.',
    'For calls you make through the API, send StatusCallback={url} and StatusCallbackEvent=initiated ringing answered completed.',
    'Messaging: put {url} under “A message comes in”, or as the status callback of your Messaging Service.',
    'Event Streams: create a webhook sink with destination {url}, then subscribe it to the events you want.',
  ],
  credentials: {
    authToken:
      'Account › API keys & tokens: the primary Auth Token of the account or subaccount that owns the number',
    accountSid: 'optional: AC…; deliveries that name another account are refused',
  },
  verified:
    'HMAC-SHA1 over the public URL and every form field; JSON by the SHA-256 in the signed URL. Twilio signs no time: a repeat is known by its identity.',
  judgedBy: 'twilio 6.2.0',
};

const credentialSchema = z.object({
  authToken: z.string().min(1),
  accountSid: z.string().min(1).optional(),
});
type TwilioCredential = z.output<typeof credentialSchema>;

/**
 * The URL decides how the body is bound: it is signed, the content type is not. A body without a type is
 * judged as a form: that signature covers every byte of it, and a proxy may have lost the header.
 */
function verifySignature(request: SignedRequest, authToken: string): Verdict {
  if (request.method === 'GET' && request.body.length > 0) return refuse('body_not_signed');
  if (bodyDigest(request.url) !== null) return verifyUrlBodyDigest(request, header, authToken);
  const type = mediaTypeOf(request.headers.get('content-type'));
  const isBound = request.method === 'GET' || type === form || type === '';
  return isBound ? verifyFormUrl(request, header, authToken) : refuse('body_not_signed');
}

type Content = Pick<RawDelivery, 'method' | 'body'>;

/** The fields of a request; null where its body is JSON. */
function formOf(request: Content, url: string): Form | null {
  if (bodyDigest(url) !== null) return null;
  // The method is not signed: what comes without a body can only have said what its URL says.
  const isInUrl = request.method === 'GET' || request.body.length === 0;
  return isInUrl ? parseQuery(url) : parseForm(request.body);
}

function accountsIn(request: SignedRequest): readonly string[] {
  const fields = formOf(request, request.url)?.fields;
  if (fields === undefined) return accountsOf(request.body);
  return fields.filter(({ name }) => name === 'AccountSid').map(({ value }) => value);
}

function verify(request: SignedRequest, credential: TwilioCredential): Verdict {
  const verdict = verifySignature(request, credential.authToken);
  if (!verdict.ok || credential.accountSid === undefined) return verdict;
  const isOurs = accountsIn(request).every((account) => account === credential.accountSid);
  return isOurs ? accepted : refuse('account_mismatch');
}

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const source = sourceOf(delivery);
  const fields = formOf(delivery.raw, delivery.url);
  if (fields === null) return mapEventStreams(source, delivery.raw.body);
  const content: TwilioContent = {
    source,
    values: fields.values,
    url: delivery.url,
    identify: (kind, parts, eventType) =>
      identify(source, [kind, ...parts.map((part) => part ?? '')], eventType),
  };
  return [mapTwilioContent(content)];
}

function acknowledge(delivery: VerifiedDelivery): Acknowledgement {
  const fields = formOf(delivery.raw, delivery.url);
  return fields !== null && instructionKinds.has(kindOf(fields.values)) ? emptyXml : noContent;
}

/** JSON gets its digest in the URL and is signed by the URL alone; a GET carries everything there. */
function sign(request: OutgoingDelivery, { authToken }: StoredCredential): OutgoingDelivery | null {
  if (authToken === undefined) return null;
  const type = (request.headers['content-type'] ?? form).toLowerCase();
  const isForm = request.method === 'POST' && type.startsWith(form);
  const isJson = request.method === 'POST' && !isForm;
  const url = isJson ? withBodyDigest(request.url, request.body) : request.url;
  const signature = signUrl(authToken, url, isForm ? signedFields(parseForm(request.body)) : '');
  const headers = { 'user-agent': 'TwilioProxy/1.1', ...request.headers, [header]: signature };
  return { ...request, url, headers };
}

export const twilio = defineProvider<TwilioCredential>({
  name: 'twilio',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // Static Proxy (Security and Enterprise editions) and Event Streams; other webhooks come from
  // addresses that Twilio does not publish (twilio.com/docs, Static Proxy for Webhooks, 2026-04-10).
  addressRanges: ['3.80.20.0/25', '3.251.214.32/27', '3.26.81.96/27', '35.90.102.128/25'],
  keptHeaders: ['i-twilio-idempotency-token'],
  signatureHeaders: [header],
  signsWith: ['authToken'],
  sign,
  verify,
  map,
  acknowledge,
});
