// Ingest, providers: Stripe. Events about subscriptions, invoices and connected accounts: records of the area
// `billing`, not calls (provider sheet, section 8).

import { z } from 'zod';
import { hmacTimestampBody } from '../schemes/hmac-timestamp-body.js';
import { refuse, type SignedRequest, type Verdict } from '../schemes/scheme.js';
import { sdkInteger } from '../schemes/standard-webhooks.js';
import {
  defineProvider,
  noContent,
  type OutgoingDelivery,
  type ProviderGuide,
  type StoredCredential,
} from './provider.js';
import { mapStripe } from './stripe-map.js';

const header = 'stripe-signature';

const guide: ProviderGuide = {
  title: 'Stripe',
  covers: ['subscriptions', 'invoices', 'customers', 'connected accounts'],
  steps: [
    'Developers › Webhooks › Add destination: put {url} as the endpoint URL and choose the events, e.g. customer.subscription.updated and invoice.paid.',
    'For Connect, choose events of connected accounts; each delivery names its account.',
    'Reveal the destination’s Signing secret (whsec_…). Rolled with a delay, both secrets sign meanwhile.',
  ],
  credentials: {
    endpointSecret: 'the destination’s Signing secret, whsec_…, as it stands there',
  },
  verified:
    'HMAC-SHA256 over timestamp and body, under the secret as text. Refused when signed more than 300 s ago.',
  judgedBy: 'stripe 23.1.0',
};

const credentialSchema = z.object({
  endpointSecret: z.string().refine((text) => text.trim() !== '', 'must be the signing secret'),
});
type StripeCredential = z.output<typeof credentialSchema>;

// As stripe@23.1.0 does: elements are split at `,` and not trimmed, the last `t` counts, any `v1` may match,
// a time of the future is taken, and the secret is its own text, prefix and all.
const scheme = hmacTimestampBody({
  algorithm: 'sha256',
  encoding: 'hex',
  header,
  form: { type: 'elements', separator: ',', label: 'v1=', tried: 'any' },
  time: {
    from: { type: 'element', label: 't=', pick: 'last' },
    unit: 's',
    pastMs: 300_000,
    futureMs: null,
    isFloored: true,
  },
  idHeader: null,
  text: '{timestamp}.{body}',
});

/** The elements as the SDK reads them: of each, what stands between the first `=` and the second. */
const sdkElements = (value: string): string =>
  value
    .split(',')
    .map((element) => {
      const [name = '', text = ''] = element.split('=', 2);
      return `${name}=${name === 't' ? sdkInteger(text) : text}`;
    })
    .join(',');

function verify(request: SignedRequest, credential: StripeCredential, nowMs: number): Verdict {
  // The query is not signed, and no event is empty: the SDK refuses that too.
  if (request.method === 'GET' || request.body.length === 0) return refuse('body_not_signed');
  const given = request.headers.get(header) ?? '';
  const headers = new Map(given === '' ? [] : [[header, sdkElements(given)]]);
  return scheme.verify({ ...request, headers }, credential.endpointSecret, nowMs);
}

function sign(
  request: OutgoingDelivery,
  { endpointSecret }: StoredCredential,
  nowMs: number,
): OutgoingDelivery | null {
  if (endpointSecret === undefined) return null;
  const signed = scheme.sign(request, { key: endpointSecret, nowMs });
  const agent = 'Stripe/1.0 (+https://stripe.com/docs/webhooks)';
  return { ...request, headers: { 'user-agent': agent, ...request.headers, ...signed } };
}

export const stripe = defineProvider<StripeCredential>({
  name: 'stripe',
  mappingVersion: 1,
  credentialSchema,
  guide,
  // Published at docs.stripe.com/ips, as a list that changes: name them with --allow.
  addressRanges: [],
  signatureHeaders: [header],
  signsWith: ['endpointSecret'],
  sign,
  verify,
  map: mapStripe,
  acknowledge: () => noContent,
});
