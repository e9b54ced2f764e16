// Ingest, providers: Bandwidth. Basic credentials say who calls, nothing binds the body; voice events come one
// by one and ask for BXML, message events come in a list (provider sheet, section 12).
//
// Credentials are optional at Bandwidth, but not here: an endpoint without any refuses everything, and one
// that is to take what comes without them says so (`authentication=none`). Then its URL is its only secret.

import { z } from 'zod';
import type { ProviderFact } from '../../schemas/facts.js';
import type { VerifiedDelivery } from '../../schemas/stages.js';
import { signBasic, verifyBasic } from '../schemes/basic-auth.js';
import { accepted, refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { mapBandwidthMessage } from './bandwidth-messaging.js';
import { mapBandwidthVoice, waitsForBxml } from './bandwidth-voice.js';
import { bytesId, notUnderstood, sourceOf } from './fact-base.js';
import { asObject, objectField, parseJson, textField, type JsonObject } from './json.js';
import {
  defineProvider,
  emptyXml,
  noContent,
  type Acknowledgement,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';

const guide: ProviderGuide = {
  title: 'Bandwidth',
  covers: ['calls', 'messages'],
  steps: [
    'Applications › your voice application: put {url} as the Call initiated callback URL and the Call status callback URL, method POST.',
    'There, set the callback user ID and password (CallbackCreds) that you give this endpoint.',
    'In your BXML, give <Transfer>, <Record> and <Conference> their callback URLs as {url}, with username and password.',
    'Applications › your messaging application: put {url} as the callback URL, with the same user and password.',
  ],
  credentials: {
    basicUser: 'the callback user ID of the application',
    basicPass: 'the callback password of the application',
    accountId: 'optional: deliveries that name another account are refused',
    applicationId: 'optional: deliveries that name another application are refused',
    authentication:
      'only where the application sends no user and password: none. Then whoever knows the URL is believed.',
  },
  verified:
    'The user and password of the callback. Bandwidth signs neither the body nor a time: keep the URL secret and restrict its networks.',
  judgedBy: null,
};

const accounts = {
  accountId: z.string().min(1).optional(),
  applicationId: z.string().min(1).optional(),
};
const credentialSchema = z.union([
  z.object({
    basicUser: z.string().regex(/^[^:]+$/, 'must not be empty, and has no colon'),
    basicPass: z.string().min(1),
    ...accounts,
  }),
  z.object({ authentication: z.literal('none'), ...accounts }),
]);
type BandwidthCredential = z.output<typeof credentialSchema>;

/** The events of a body: one object, or a list of them. */
function eventsOf(body: Buffer): readonly JsonObject[] {
  const parsed = parseJson(body);
  const list: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return list.map(asObject).filter((one) => one !== null);
}

/** Whether an event names another account or application; a message names the latter alone. */
function isOfOther(event: JsonObject, credential: BandwidthCredential): boolean {
  const differs = (ours: string | undefined, named: string | null): boolean =>
    ours !== undefined && named !== null && named !== ours;
  const application =
    textField(event, 'applicationId') ?? textField(objectField(event, 'message'), 'applicationId');
  return (
    differs(credential.accountId, textField(event, 'accountId')) ||
    differs(credential.applicationId, application)
  );
}

function verify(request: SignedRequest, credential: BandwidthCredential): Verdict {
  const verdict =
    'authentication' in credential
      ? accepted
      : verifyBasic(request, { user: credential.basicUser, password: credential.basicPass });
  if (!verdict.ok) return verdict;
  const { accountId, applicationId } = credential;
  if (accountId === undefined && applicationId === undefined) return verdict;
  const isOther = eventsOf(request.body).some((event) => isOfOther(event, credential));
  return isOther ? refuse('account_mismatch') : verdict;
}

function map(delivery: VerifiedDelivery): readonly [ProviderFact, ...ProviderFact[]] {
  const source = sourceOf(delivery);
  const { body } = delivery.raw;
  const [first, ...more] = eventsOf(body).flatMap((event) =>
    objectField(event, 'message') === null
      ? mapBandwidthVoice(source, event)
      : [mapBandwidthMessage(source, event)],
  );
  if (first !== undefined) return [first, ...more];
  const externalId = ['body', bytesId(body)];
  return [notUnderstood(source, { reason: 'a body that is no Bandwidth event', externalId })];
}

const acknowledge = (delivery: VerifiedDelivery): Acknowledgement =>
  eventsOf(delivery.raw.body).some(waitsForBxml) ? emptyXml : noContent;

function sign(
  request: OutgoingDelivery,
  { basicUser, basicPass }: StoredCredential,
): OutgoingDelivery | null {
  if (basicUser === undefined || basicPass === undefined) return null;
  const authorization = signBasic({ user: basicUser, password: basicPass });
  const headers = { 'user-agent': 'BandwidthAPI/v2', ...request.headers, authorization };
  return { ...request, headers };
}

export const bandwidth = defineProvider<BandwidthCredential>({
  name: 'bandwidth',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // Bandwidth's pages on its networks could not be confirmed: none is built in.
  addressRanges: [],
  signatureHeaders: ['authorization'],
  signsWith: ['basicUser', 'basicPass'],
  sign,
  verify,
  map,
  acknowledge,
});
