// Ingest, providers: Twilio. Which scheme verifies what, how its deliveries become facts, and which of
// them wait for TwiML (provider sheet, sections 1 to 3).

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { RawDelivery, VerifiedDelivery } from '../../schemas/stages.js';
import { parseForm, parseQuery, type Form } from '../schemes/form.js';
import { verifyFormUrl } from '../schemes/hmac-sha1-form-url.js';
import { bodyDigest, verifyUrlBodyDigest } from '../schemes/hmac-sha1-url-body-digest.js';
import { accepted, refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { identify, sourceOf } from './fact-base.js';
import { defineProvider, noContent, type Acknowledgement } from './provider.js';
import { instructionKinds, kindOf, type TwilioContent } from './twilio-content.js';
import { accountsOf, mapEventStreams } from './twilio-event-streams.js';
import { mapTwilioContent } from './twilio-map.js';

const header = 'x-twilio-signature';
const form = 'application/x-www-form-urlencoded';

const credentialSchema = z.object({
  authToken: z.string().min(1),
  accountSid: z.string().min(1).optional(),
});
type TwilioCredential = z.output<typeof credentialSchema>;

function mediaType(headers: ReadonlyMap<string, string>): string {
  const [type = ''] = (headers.get('content-type') ?? '').split(';', 1);
  return type.trim().toLowerCase();
}

/**
 * The URL decides how the body is bound: it is signed, the content type is not. A body without a type is
 * judged as a form: that signature covers every byte of it, and a proxy may have lost the header.
 */
function verifySignature(request: SignedRequest, authToken: string): Verdict {
  if (request.method === 'GET' && request.body.length > 0) return refuse('body_not_signed');
  if (bodyDigest(request.url) !== null) return verifyUrlBodyDigest(request, header, authToken);
  const type = mediaType(request.headers);
  const isBound = request.method === 'GET' || type === form || type === '';
  return isBound ? verifyFormUrl(request, header, authToken) : refuse('body_not_signed');
}

type Content = Pick<RawDelivery, 'method' | 'body'>;

/** The fields of a request; null where its body is JSON. */
function formOf(request: Content, url: string): Form | null {
  if (bodyDigest(url) !== null) return null;
  return request.method === 'GET' ? parseQuery(url) : parseForm(request.body);
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

/** Empty TwiML: Trunkline listens, it gives no instructions. */
const emptyTwiml: Acknowledgement = {
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
};

function acknowledge(delivery: VerifiedDelivery): Acknowledgement {
  const fields = formOf(delivery.raw, delivery.url);
  return fields !== null && instructionKinds.has(kindOf(fields.values)) ? emptyTwiml : noContent;
}

export const twilio = defineProvider<TwilioCredential>({
  name: 'twilio',
  mappingVersion: 1,
  credentialSchema,
  verify,
  map,
  acknowledge,
});
