// Ingest, providers: Plivo. Version 3 signatures over URL, fields and nonce; forms that become facts of calls
// and messages; XML where Plivo waits for it (provider sheet, section 10).

import { hash } from 'node:crypto';
import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { parseForm, parseQuery, type FormValues } from '../schemes/form.js';
import { signUrlNonce, verifyUrlNonce } from '../schemes/hmac-sha256-url-nonce.js';
import type { SignedRequest, Verdict } from '../schemes/scheme.js';
import { sourceOf } from './fact-base.js';
import { mapPlivoMessage } from './plivo-messaging.js';
import { mapPlivoVoice, waitsForXml } from './plivo-voice.js';
import {
  defineProvider,
  emptyXml,
  plainOk,
  type Acknowledgement,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';

const headers = {
  // The account or subaccount that owns the number, and the main account.
  signatures: ['x-plivo-signature-v3', 'x-plivo-signature-ma-v3'],
  nonce: 'x-plivo-signature-v3-nonce',
  olderSignature: 'x-plivo-signature-v2',
} as const;

const guide: ProviderGuide = {
  title: 'Plivo',
  covers: ['calls', 'messages'],
  steps: [
    'Voice › Applications › your XML application: put {url} as the Answer URL and the Hangup URL, method POST.',
    'For calls you make through the API, send answer_url, ring_url, hangup_url and machine_detection_url={url}.',
    'In your XML, give <Dial> and <Record> callbackUrl="{url}", so that their legs and recordings are told.',
    'Messaging › Applications: put {url} as the Message URL; for sent messages, send url={url}.',
  ],
  credentials: {
    authToken:
      'Plivo console › Overview: the Auth Token of the account that owns the number, or of its main account',
    authId: 'optional: MA… or SA…, the account by name; Plivo signs with the token alone',
  },
  verified:
    'HMAC-SHA256 over the public URL, every form field and a nonce, version 3 only. Plivo signs no time: a repeat is known by its identity.',
  judgedBy: 'plivo 4.79.0',
};

// What Plivo signs names no account: the token alone tells whose it is.
const credentialSchema = z.object({
  authToken: z.string().min(1),
  authId: z.string().min(1).optional(),
});
type PlivoCredential = z.output<typeof credentialSchema>;

const verify = (request: SignedRequest, { authToken }: PlivoCredential): Verdict =>
  verifyUrlNonce(request, headers, authToken);

const valuesOf = ({ raw, url }: VerifiedDelivery): FormValues =>
  (raw.method === 'GET' ? parseQuery(url) : parseForm(raw.body)).values;

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const content = { source: sourceOf(delivery), values: valuesOf(delivery) };
  return content.values.has('MessageUUID') ? [mapPlivoMessage(content)] : [mapPlivoVoice(content)];
}

/** Plivo counts nothing but 200 as delivered. */
const acknowledge = (delivery: VerifiedDelivery): Acknowledgement =>
  waitsForXml(valuesOf(delivery)) ? emptyXml : plainOk;

function sign(
  request: OutgoingDelivery,
  { authToken }: StoredCredential,
  nowMs: number,
): OutgoingDelivery | null {
  if (authToken === undefined) return null;
  const digest = hash('sha256', `${request.url}\n${String(nowMs)}`, 'hex');
  const nonce = BigInt(`0x${digest.slice(0, 16)}`)
    .toString()
    .padStart(20, '0');
  const signature = signUrlNonce(request, nonce, authToken);
  const [own, main] = headers.signatures;
  const signed = { [own]: signature, [main]: signature, [headers.nonce]: nonce };
  return { ...request, headers: { 'user-agent': 'Plivo', ...request.headers, ...signed } };
}

export const plivo = defineProvider<PlivoCredential>({
  name: 'plivo',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // Published on a page behind the console only: none is built in.
  addressRanges: [],
  signatureHeaders: headers.signatures,
  signsWith: ['authToken'],
  sign,
  verify,
  map,
  acknowledge,
});
