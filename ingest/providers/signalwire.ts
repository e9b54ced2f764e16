// Ingest, providers: SignalWire. Two schemes under one header name, told apart by the content type: cXML forms
// as Twilio's, SWML and RELAY JSON by URL and body (provider sheet, section 11).
//
// SWAIG functions (`web_hook_url`), `post_prompt_url` and the `request` of a call carry no signature at all:
// point them somewhere else, they are refused here.

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { parseForm, parseQuery, signedFields, type FormValues } from '../schemes/form.js';
import { signUrl, verifyFormUrl } from '../schemes/hmac-sha1-form-url.js';
import { signUrlBody, verifyUrlBody } from '../schemes/hmac-url-body.js';
import { accepted, refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { bytesId, identify, notUnderstood, sourceOf } from './fact-base.js';
import { asObject, parseJson, type JsonObject } from './json.js';
import {
  defineProvider,
  emptyXml,
  noContent,
  type Acknowledgement,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';
import { isSwmlRequest, mapSignalwireEvent, projectOf } from './signalwire-event.js';
import { instructionKinds, kindOf } from './twilio-content.js';
import { mapTwilioContent } from './twilio-map.js';

const sha1 = { header: 'x-signalwire-signature', algorithm: 'sha1' } as const;
/** Beside the other on requests about calls. */
const sha256 = { header: 'x-signalwire-sha256-signature', algorithm: 'sha256' } as const;
/** The same signature under Twilio's name, on forms. */
const compatible = 'x-twilio-signature';
const form = 'application/x-www-form-urlencoded';

const guide: ProviderGuide = {
  title: 'SignalWire',
  covers: ['calls', 'messages'],
  steps: [
    'Phone Numbers › your number › Voice: put {url} under “Status change webhook”, method POST.',
    'For calls you make through the compatible API, send StatusCallback={url} and StatusCallbackEvent=initiated ringing answered completed.',
    'Messaging: put {url} as the webhook of incoming messages, and as the StatusCallback of sent ones.',
    'SWML and RELAY: give {url} as status_url. SWAIG functions and post_prompt_url are not signed: send them elsewhere.',
  ],
  credentials: {
    signingKey:
      'API › Signing Key of the project (not an API token); a new one is active after a minute',
    projectId: 'optional: the project’s id; deliveries that name another project are refused',
  },
  verified:
    'Forms: HMAC-SHA1 over the public URL and every field. JSON: HMAC-SHA1, and SHA-256 where it is sent, over URL and body. SignalWire signs no time: a repeat is known by its identity.',
  judgedBy: '@signalwire/compatibility-api 3.2.0, @signalwire/web-api 3.1.7',
};

const credentialSchema = z.object({
  signingKey: z.string().min(1),
  projectId: z.string().min(1).optional(),
});
type SignalwireCredential = z.output<typeof credentialSchema>;

const isHex = /^[0-9a-f]{40}$/;

/**
 * Whether a request is signed as JSON. The type decides; where a proxy lost it, the form of the signature does:
 * either scheme covers every byte of the body.
 */
function isJson({ method, headers }: Pick<SignedRequest, 'method' | 'headers'>): boolean | null {
  if (method === 'GET') return false;
  const [type = ''] = (headers.get('content-type') ?? '').toLowerCase().split(';', 1);
  const media = type.trim();
  if (media === form) return false;
  if (media === '') return isHex.test(headers.get(sha1.header) ?? '');
  return media === 'application/json' || media.endsWith('+json') ? true : null;
}

function verifyJson(request: SignedRequest, signingKey: string): Verdict {
  const verdict = verifyUrlBody(request, sha1, signingKey);
  const hasStronger = verdict.ok && request.headers.has(sha256.header);
  return hasStronger ? verifyUrlBody(request, sha256, signingKey) : verdict;
}

/** Fields of one name are signed as they came: neither sorted nor once each, as Twilio does. */
function verifyForm(request: SignedRequest, signingKey: string): Verdict {
  const header = request.headers.has(sha1.header) ? sha1.header : compatible;
  return verifyFormUrl(request, header, signingKey, 'as_received');
}

const formValues = (method: 'GET' | 'POST', url: string, body: Buffer): FormValues =>
  (method === 'GET' ? parseQuery(url) : parseForm(body)).values;

function verify(request: SignedRequest, credential: SignalwireCredential): Verdict {
  const { signingKey, projectId } = credential;
  const json = isJson(request);
  if (json === null) return refuse('body_not_signed');
  const verdict = json ? verifyJson(request, signingKey) : verifyForm(request, signingKey);
  if (!verdict.ok || projectId === undefined) return verdict;
  const { method, url, body } = request;
  const named = json
    ? projectOf(asObject(parseJson(body)))
    : (formValues(method, url, body).get('AccountSid') ?? null);
  return named === null || named === projectId ? accepted : refuse('account_mismatch');
}

/** The values of a cXML callback under Twilio's names. */
function cxmlValues({ raw, url }: VerifiedDelivery): FormValues {
  const values = formValues(raw.method, url, raw.body);
  const sipCode = values.get('SipResultCode');
  return sipCode === undefined ? values : new Map([...values, ['SipResponseCode', sipCode]]);
}

const objectOf = ({ raw }: VerifiedDelivery): JsonObject | null => asObject(parseJson(raw.body));

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const source = sourceOf(delivery);
  if (isJson(delivery.raw) === true) {
    const fields = objectOf(delivery);
    if (fields !== null) return [mapSignalwireEvent(source, fields)];
    const externalId = ['body', bytesId(delivery.raw.body)];
    return [notUnderstood(source, { reason: 'a body that is no SignalWire event', externalId })];
  }
  const values = cxmlValues(delivery);
  const content = {
    ...{ source, values, url: delivery.url },
    identify: (kind: string, parts: readonly (string | undefined)[], eventType: string) =>
      identify(source, [kind, ...parts.map((part) => part ?? '')], eventType),
  };
  return [mapTwilioContent(content)];
}

/** A SWML document that does nothing: Trunkline listens, it gives no instructions. */
const emptySwml: Acknowledgement = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: '{"version":"1.0.0","sections":{"main":[]}}',
};

function acknowledge(delivery: VerifiedDelivery): Acknowledgement {
  if (isJson(delivery.raw) === true) {
    return isSwmlRequest(objectOf(delivery)) ? emptySwml : noContent;
  }
  return instructionKinds.has(kindOf(cxmlValues(delivery))) ? emptyXml : noContent;
}

function sign(
  request: OutgoingDelivery,
  { signingKey }: StoredCredential,
): OutgoingDelivery | null {
  if (signingKey === undefined) return null;
  const { url, body } = request;
  const headers = { 'user-agent': 'SignalWire', ...request.headers };
  if (isJson({ method: request.method, headers: new Map(Object.entries(headers)) }) === true) {
    // As for a call: without user and password; the port stays.
    const called = url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1');
    const signed = {
      [sha1.header]: signUrlBody(called, body, sha1, signingKey),
      [sha256.header]: signUrlBody(called, body, sha256, signingKey),
    };
    return { ...request, headers: { ...headers, ...signed } };
  }
  const fields = request.method === 'GET' ? '' : signedFields(parseForm(body), 'as_received');
  const signature = signUrl(signingKey, url, fields);
  const signed = { [sha1.header]: signature, [compatible]: signature };
  return { ...request, headers: { ...headers, ...signed } };
}

export const signalwire = defineProvider<SignalwireCredential>({
  name: 'signalwire',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // None is published: SignalWire says to resolve firewall.signalwire.com.
  addressRanges: [],
  signatureHeaders: [sha1.header, compatible],
  signsWith: ['signingKey'],
  sign,
  verify,
  map,
  acknowledge,
});
